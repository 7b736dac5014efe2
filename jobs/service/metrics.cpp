// aloftd.prom (core/base/metrics.h).
#include <sys/statvfs.h>

#include "core/base/time.h"
#include "jobs/service/service.h"
#include "jobs/service/spool_files.h"

namespace jobs {

using nlohmann::json;

void Service::write_metrics() {
    core::save_metrics(site_, "aloftd", [&] { return metrics(); });
}

core::Metrics Service::metrics() {
    const std::int64_t now = core::now_seconds();
    core::Metrics out;
    const auto number = [&](const std::string& sql, const std::vector<json>& values = {}) {
        const json n = state_.rows(sql, values).at(0).at("n");
        return n.is_null() ? std::int64_t{0} : n.get<std::int64_t>();
    };
    const auto by_state = [&](const char* name, const char* help, const std::string& table,
                              std::initializer_list<const char*> states) {
        out.family(name, "gauge", help);
        std::map<std::string, std::int64_t> counts;
        for (const char* state : states) counts[state] = 0;
        // Enclaves are few, and their rows are replaced.
        const bool is_kept = table != "enclaves";
        for (const json& row : is_kept
                                   ? state_.rows("SELECT state, n FROM tallies WHERE thing = ?", {table})
                                   : state_.rows("SELECT state, count(*) AS n FROM enclaves GROUP BY state"))
            counts[row.at("state").get<std::string>()] = row.at("n").get<std::int64_t>();
        for (const auto& [state, count] : counts) out.value(count, "state", state);
    };
    out.family("build_info", "gauge", "The version that runs.");
    out.value(1, "version", ALOFT_VERSION);
    out.single("metrics_timestamp_seconds", "When this file was written.", now);
    by_state("jobs", "Jobs of which a node has told.", "jobs", {"started", "ended"});
    by_state("job_requests", "Jobs that were asked for.", "requests", {"requested", "submitted", "rejected"});
    by_state("applications", "Applications for data.", "applications", {"in-review", "approved"});
    by_state("releases", "Requests for release.", "releases",
             {"in-review", "half-approved", "approved", "exporting"});
    by_state("enclaves", "Enclaves.", "enclaves", {"created", "open", "suspended", "closed"});
    out.single("grants_valid", "Grants that are neither over nor revoked.",
               number("SELECT count(*) AS n FROM grants WHERE revoked IS NULL AND not_after > ?",
                      {core::rfc3339(now)}));
    out.single("application_waiting_seconds", "How long the oldest application in review has waited.",
               waiting(kWaitingApplications, now).oldest_seconds);
    out.single("release_waiting_seconds", "How long the oldest release in review has waited.",
               waiting(kWaitingReleases, now).oldest_seconds);
    out.single("fence_stopped", "Attempts that the fence stopped, of all jobs, as nodes have told.",
               number("SELECT sum(n) AS n FROM tallies WHERE thing = 'blocked'"));
    out.family("refused_total", "counter", "Requests to aloftd that were refused since it started.");
    for (const auto& [operation, count] : refused_since_start_)
        out.value(static_cast<std::int64_t>(count), "operation", operation);

    out.single("ledger_records", "Records in the ledger.",
               static_cast<std::int64_t>(ledger_.committed().seq));
    out.single("state_is_behind", "1 while the state lacks records of the ledger.", state_is_behind_);
    const ListSeen list = list_seen();
    out.single("list_issued_timestamp_seconds", "When the list that hosts read was signed; 0: there is none.",
               list.issued);
    out.single("list_stale_seconds", "From which age on it freezes jobs.", site_.revocation_stale_seconds);
    out.single("list_records", "The ledger's record up to which the list is known.", list.seq);
    out.single("spool_records", "Records of nodes that are not in the ledger yet; 10000: or more.",
               files_in_spool(site_.spool));
    out.single("backup_timestamp_seconds", "When the last backup was made; 0: never.",
               number("SELECT max(made) AS n FROM backups"));
    struct statvfs room {};
    if (::statvfs(site_.state.c_str(), &room) == 0)
        out.single("state_free_bytes", "Room where the ledger lies.",
                   static_cast<std::int64_t>(room.f_bavail * room.f_frsize));
    return out;
}

}  // namespace jobs
