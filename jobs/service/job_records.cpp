// Jobs: what researchers submit, and what the nodes' signed records say became of it.
#include <algorithm>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "core/policy/names.h"
#include "jobs/service/service.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

std::optional<json> Service::job_request(Call& call) {
    const auto enclave = core::source_of_account(site_, call.peer.account);
    if (!enclave)
        throw Error(Fault::refused, "account " + call.peer.account +
                                        " is in no enclave, so it has no data to submit jobs for");
    const core::Grant grant = core::open_grant(site_, call.peer.uid, core::now_seconds());
    if (grant.enclave != enclave->name)
        throw Error(Fault::refused, "grant " + grant.id + " is for another enclave than this account's");
    const std::string id = next_id("J-");
    record(call.peer.account, "job.requested", id,
           {{"grant", grant.id},
            {"enclave", enclave->name},
            {"nodes", integer_field(call.body, "nodes", 1, 100000)},
            {"script_sha256", text_field(call.body, "script_sha256", 64, 64)}});
    return json{{"request", id},
                {"grant", grant.id},
                {"enclave", enclave->name},
                {"partition", enclave->partition},
                {"not_after", core::rfc3339(grant.not_after)}};
}

std::optional<json> Service::job_submitted(Call& call) {
    const std::string request = id_field(call.body, "id", "J-");
    if (call.body.contains("error")) {
        record(call.peer.account, "job.rejected", request,
               {{"by", "slurm"}, {"text", text_field(call.body, "error", 0, 4000)}});
        return json{{"request", request}};
    }
    const std::int64_t job = integer_field(call.body, "job", 1, 1ll << 40);
    record(call.peer.account, "job.submitted", "job:" + std::to_string(job),
           {{"job", job},
            {"request", request},
            {"grant", id_field(call.body, "grant", "G-")},
            {"enclave", text_field(call.body, "enclave", 1, 64)},
            {"nodes", integer_field(call.body, "nodes", 1, 100000)},
            {"script_sha256", text_field(call.body, "script_sha256", 64, 64)}});
    return json{{"job", job}};
}

std::optional<json> Service::job_list(Call& call) {
    const std::string columns =
        "SELECT id AS job, account, grant_id AS \"grant\", enclave, state, nodes, submitted, started, ended, "
        "node_seconds, (SELECT coalesce(sum(count), 0) FROM blocked WHERE job = jobs.id) AS blocked FROM "
        "jobs ";
    const bool all = may(call, "admin") || may(call, "auditor");
    return json{{"jobs", all ? state_.rows(columns + "ORDER BY id DESC LIMIT 1000")
                             : state_.rows(columns + "WHERE account = ? ORDER BY id DESC LIMIT 1000",
                                           {call.peer.account})}};
}

// One job with what the fence stopped of it. `complete`: every node has reported its end.
std::optional<json> Service::job_show(Call& call) {
    const std::int64_t job = integer_field(call.body, "job", 1, 1ll << 40);
    const auto rows = state_.rows(
        "SELECT account, grant_id AS \"grant\", enclave, state, nodes, submitted, "
        "started, ended, node_seconds, records_ended FROM jobs WHERE id = ?",
        {job});
    const bool all = may(call, "admin") || may(call, "auditor");
    if (rows.empty() || (!all && rows[0].at("account") != call.peer.account))
        throw Error(Fault::usage, "no such job that you may see; see: aloft jobs");
    json body = rows[0];
    const std::int64_t nodes = body.at("nodes").is_null() ? 1 : body.at("nodes").get<std::int64_t>();
    body["job"] = job;
    body["complete"] = body.at("records_ended").get<std::int64_t>() >= nodes;
    body.erase("records_ended");
    body["blocked"] = json::object();
    for (const json& row : state_.rows("SELECT kind, count FROM blocked WHERE job = ?", {job}))
        body["blocked"][row.at("kind").get<std::string>()] = row.at("count");
    body["attempts"] = state_.rows(
        "SELECT what, target AS \"to\", count FROM attempts WHERE job = ? ORDER BY count DESC", {job});
    return body;
}

std::optional<json> Service::usage(Call& call) {
    const std::string columns =
        "SELECT grants.id AS \"grant\", grants.account, grants.enclave, not_after, "
        "(SELECT count(*) FROM jobs WHERE grant_id = grants.id) AS jobs, "
        "(SELECT coalesce(sum(node_seconds), 0) FROM jobs WHERE grant_id = grants.id) AS node_seconds, "
        "(SELECT count(*) FROM releases WHERE grant_id = grants.id) AS release_requests, "
        "(SELECT count(*) FROM releases WHERE grant_id = grants.id AND state = 'exported') AS releases FROM "
        "grants ";
    const bool all = may(call, "admin") || may(call, "auditor");
    return json{
        {"usage", all ? state_.rows(columns + "ORDER BY rowid")
                      : state_.rows(columns + "WHERE account = ? ORDER BY rowid", {call.peer.account})}};
}

// Enters what the nodes have spooled. A file is removed when its record is on disk here; met again before
// that, its id tells that it is known. One that does not prove its node stays where it is, for the admin, and
// is reported once.
void Service::collect_spool() {
    constexpr int kPerRound = 500;  // callers are waiting
    int entered = 0;
    std::error_code error;
    for (const auto& folder : std::filesystem::directory_iterator(site_.spool, error)) {
        const std::string host = folder.path().filename().string();
        if (!core::is_plain_name(host) || !folder.is_directory(error)) continue;
        std::optional<core::VerifyKey> key;
        try {
            key = core::VerifyKey::load(site_.config / "keys" / "nodes" / (host + ".pub"));
        } catch (const Error&) {  // the files wait for it
            if (unknown_nodes_.insert(host).second)
                core::Event("warning", "node_without_key").with("node", host);
            continue;
        }
        std::vector<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path(), error))
            if (entry.path().extension() == ".json" && entry.path().filename().string().front() != '.' &&
                !rejected_spool_.contains(entry.path().string()))
                files.push_back(entry.path());
        std::sort(files.begin(), files.end());
        for (const auto& file : files) {
            if (++entered > kPerRound) return;
            try {
                json details;
                const core::NodeRecord node =
                    core::open_node_record(core::read_text(file, 64 << 10), *key, host, details);
                if (!state_.has_node_record(node.id))
                    record("node:" + host, "node." + node.kind, node.subject,
                           {{"id", node.id}, {"time", core::rfc3339(node.time)}, {"details", details}});
                collected_.push_back(file.string());
            } catch (const Error& e) {
                if (e.fault() == Fault::bug) throw;
                rejected_spool_.insert(file.string());
                record("aloftd", "spool.rejected", "node:" + host, {{"why", e.what()}});
                core::Event("warning", "spool_rejected").with("node", host).with("text", e.what());
            }
        }
    }
}

}  // namespace jobs
