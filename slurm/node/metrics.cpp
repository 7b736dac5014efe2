#include "slurm/node/metrics.h"

#include <algorithm>
#include <map>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/base/version.h"
#include "core/ledger/spool.h"
#include "slurm/decide/policy.h"
#include "slurm/preflight/last_look.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

// What hides behind a dot is being written.
std::int64_t files_in(const fs::path& folder) {
    std::int64_t count = 0;
    std::error_code none;
    for (fs::directory_iterator entry(folder, none), end; !none && entry != end; entry.increment(none))
        count += !entry->path().filename().string().starts_with(".");
    return count;
}

// Words of ours for what a policy's file says; an unreadable one is a job of which nobody knows.
std::string state_of(const fs::path& folder) {
    Policy policy;
    try {
        policy = parse_policy(core::read_text(folder / "policy.json"));
    } catch (const core::Error&) {
        return "unknown";
    }
    std::error_code none;
    if (policy.ruling == Ruling::enclave) return fs::exists(folder / "held", none) ? "held" : "running";
    return policy.ruling == Ruling::ended ? "ended" : policy.ruling == Ruling::deny ? "refused" : "";
}

}  // namespace

core::Metrics node_metrics(const core::Site& site, bool is_closed_after_boot, const fs::path& state) {
    core::Metrics out;
    out.family("node_build_info", "gauge", "The version that runs.");
    out.value(1, "version", core::version());
    out.single("node_metrics_timestamp_seconds", "When this file was written.", core::now_seconds());

    std::map<std::string, std::int64_t> jobs{
        {"running", 0}, {"held", 0}, {"ended", 0}, {"refused", 0}, {"unknown", 0}};
    std::error_code none;
    for (fs::directory_iterator entry(site.run / "jobs", none), end; !none && entry != end;
         entry.increment(none))
        if (const std::string word = state_of(entry->path()); !word.empty()) ++jobs[word];
    out.family("node_jobs", "gauge", "Jobs of enclaves on this node that Epilog has not ended.");
    for (const auto& [word, count] : jobs) out.value(count, "state", word);

    const auto look = kept_look(site);
    out.single("node_looked", "1 if the agent has looked at the node in the last 12 hours.",
               look.has_value());
    out.single(
        "node_misses", "What is missing here for an enclave's job to begin, by the last look.",
        look ? std::count_if(look->begin(), look->end(), [](const Check& one) { return one.is_miss(); }) : 0);
    out.single("node_closed_after_boot", "1 once the node has closed itself to its former fellows.",
               is_closed_after_boot);
    out.single("node_farewells_waiting",
               "Ends of jobs here that a fellow has not answered yet: closed to it meanwhile.",
               files_in(site.run / "closing"));
    out.single("node_records_waiting", "Records on this node's disk that are not in the spool yet.",
               files_in(state / "spool" / core::short_host_name()));
    return out;
}

}  // namespace slurm
