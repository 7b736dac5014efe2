// What was used, by month.
#include "jobs/service/service.h"

namespace jobs {

using nlohmann::json;

// A job counts in the month in which its last node reported its end: State keeps the sums. One's own are found by one's grants.
std::optional<json> Service::usage_months(Call& call) {
    constexpr const char* kAll = "usage CROSS JOIN grants ON grants.id = usage.grant_id WHERE ";
    constexpr const char* kOwn =
        "grants CROSS JOIN usage ON usage.grant_id = grants.id WHERE grants.account = ? AND ";
    std::vector<json> values;
    if (!call.beyond) values.push_back(call.peer.account);
    values.push_back(call.integer("after"));
    return page(call, "usage",
                "SELECT usage.rowid AS at, month, grants.id AS \"grant\", application, account, enclave, "
                "contract, datasets_json, jobs, completed, failed, node_seconds, gpu_seconds FROM " +
                    std::string(call.beyond ? kAll : kOwn) +
                    "usage.rowid > ? AND jobs > 0 ORDER BY usage.rowid LIMIT ?",
                values);
}

}  // namespace jobs
