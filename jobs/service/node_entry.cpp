#include "jobs/service/node_entry.h"

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "jobs/service/fields.h"
#include "jobs/state/attempts.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

NodeEntry read_node_entry(std::string_view envelope, const std::vector<core::VerifyKey>& keys,
                          const std::string& host) {
    json details;
    core::NodeRecord node;
    try {
        node = core::open_node_record(envelope, keys, host, details);
    } catch (const Error&) {
        throw;
    } catch (const std::exception&) {
        throw Error(Fault::data, "a node record is not of the form a node writes");
    }
    if (!is_printable(node.subject)) throw Error(Fault::data, "a node record's subject cannot be shown");
    if (node.kind != "preflight") details = classes_only(std::move(details));
    if (node.kind == "job-outcome") details.update(outcome_only(details));
    return {node.id,
            node.kind,
            node.subject,
            {{"id", node.id}, {"time", core::rfc3339(node.time)}, {"details", std::move(details)}}};
}

}  // namespace jobs
