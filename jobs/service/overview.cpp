// What an admin looks at while the site runs: counts, times and hosts; no account, no title, nothing that a researcher chose.
#include "core/base/time.h"
#include "core/policy/list.h"
#include "jobs/service/service.h"
#include "jobs/service/spool_files.h"
#include "jobs/state/attempts.h"

namespace jobs {

using nlohmann::json;

Service::ListSeen Service::list_seen() {
    try {
        const auto list =
            core::parse_list(core::read_text(site_.published / "list.json"), core::publishing_keys(site_));
        return {list.issued, static_cast<std::int64_t>(list.seq)};
    } catch (const core::Error&) {  // none: as old as can be
        return {};
    }
}

std::int64_t Service::oldest_seconds(const char* sql, std::int64_t now) {
    const json since = state_.rows(sql).at(0).at("since");
    return since.is_string() ? now - core::parse_rfc3339(since.get<std::string>()) : 0;
}

std::optional<json> Service::overview(Call&) {
    const std::int64_t now = core::now_seconds();
    const auto number = [&](const char* sql) {
        const json n = state_.rows(sql).at(0).at("n");
        return n.is_null() ? std::int64_t{0} : n.get<std::int64_t>();
    };
    json nodes = json::array();
    for (const Report& report : reports()) {
        json misses = json::array();
        for (const json& check : report.body.value("checks", json::array()))
            if (check.is_object() && check.value("required", json()) == true &&
                check.value("verdict", json()) == "bad")
                misses.push_back(check.value("check", json()));
        if (report.body.value("version", json()) != ALOFT_VERSION) misses.push_back("another version");
        if (now - report.received > kReportSeconds) misses.push_back("no report for a day");
        nodes.push_back({{"node", report.node},
                         {"enclaves", report.body.value("enclaves", json::array())},
                         {"reported_seconds", now - report.received},
                         {"misses", misses}});
    }
    json refused = json::object();
    for (const auto& [operation, count] : refused_since_start_) refused[operation] = count;
    const ListSeen list = list_seen();
    const std::int64_t backup = number("SELECT max(made) AS n FROM backups");
    return json{
        {"time", core::rfc3339(now)},
        {"version", ALOFT_VERSION},
        {"enclaves",
         state_.rows("SELECT name AS enclave, state, since, (SELECT count(*) FROM jobs WHERE enclave = "
                     "enclaves.name AND state = 'started') AS running FROM enclaves ORDER BY name")},
        {"nodes", nodes},
        {"waiting",
         {{"applications", number("SELECT count(*) AS n FROM applications WHERE state = 'in-review'")},
          {"applications_seconds", oldest_seconds(kOldestApplication, now)},
          {"releases",
           number("SELECT count(*) AS n FROM releases WHERE state IN ('in-review', 'half-approved')")},
          {"releases_seconds", oldest_seconds(kOldestRelease, now)}}},
        {"stopped", rounded_count(number("SELECT sum(n) AS n FROM tallies WHERE thing = 'blocked'"))},
        {"refused", refused},
        {"list",
         {{"issued", list.issued ? json(core::rfc3339(list.issued)) : json()},
          {"stale_seconds", site_.revocation_stale_seconds},
          {"is_stale", now - list.issued > site_.revocation_stale_seconds}}},
        {"ledger",
         {{"records", static_cast<std::int64_t>(ledger_.committed().seq)}, {"list_records", list.seq}}},
        {"state_is_behind", state_is_behind_},
        {"spool_records", files_in_spool(site_.spool)},
        {"backup", backup ? json(core::rfc3339(backup)) : json()}};
}

}  // namespace jobs
