// What was used, by month.
#include "jobs/service/service.h"

namespace jobs {

using nlohmann::json;

// A job counts in the month in which its last node reported its end. "at": grant and month, counting up.
std::optional<json> Service::usage_months(Call& call) {
    constexpr const char* kOfOwn = " AND grants.account = ?";
    std::vector<json> values;
    if (!call.beyond) values.push_back(call.peer.account);
    values.push_back(call.integer("after"));
    return page(
        call, "usage",
        "SELECT at, min(substr(ended, 1, 7)) AS month, \"grant\", application, account, enclave, contract, "
        "datasets_json, count(*) AS jobs, sum(node_seconds) AS node_seconds FROM (SELECT grants.rowid * "
        "100000 + "
        "substr(jobs.ended, 1, 4) * 12 + substr(jobs.ended, 6, 2) AS at, jobs.ended AS ended, grants.id AS "
        "\"grant\", application, grants.account AS account, grants.enclave AS enclave, contract, "
        "datasets_json, "
        "node_seconds FROM jobs JOIN grants ON grants.id = jobs.grant_id WHERE jobs.ended IS NOT NULL" +
            std::string(call.beyond ? "" : kOfOwn) + ") WHERE at > ? GROUP BY at ORDER BY at LIMIT ?",
        values);
}

}  // namespace jobs
