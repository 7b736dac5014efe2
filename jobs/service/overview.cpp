// What an admin looks at while the site runs: counts, times and hosts; no account, no title, nothing that a researcher chose.
#include <algorithm>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
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

Service::Waiting Service::waiting(const char* sql, std::int64_t now) {
    const json row = state_.rows(sql).at(0);
    return {row.at("n").get<std::int64_t>(),
            row.at("since").is_string() ? now - core::parse_rfc3339(row.at("since").get<std::string>()) : 0};
}

// Hosts of enclaves that are not closed, judged as when one opens; one that never reported has a miss like any other.
json Service::hosts_judged(std::int64_t now) {
    const std::vector<Report> all = reports();
    std::map<std::string, json> hosts;
    const auto of = [&](const std::string& host, const std::string& enclave) -> json& {
        json& one = hosts[host];
        if (one.is_null())
            one = {{"node", host},
                   {"enclaves", json::array()},
                   {"reported_seconds", nullptr},
                   {"misses", json::array()}};
        json& its = one["enclaves"];
        if (std::find(its.begin(), its.end(), enclave) == its.end()) its.push_back(enclave);
        return one;
    };
    for (const json& row : state_.rows("SELECT name FROM enclaves WHERE state != 'closed' ORDER BY name")) {
        const auto name = row.at("name").get<std::string>();
        try {
            const core::Enclave enclave = core::load_enclave(site_, name);
            for (const Check& check : checks_of_enclave(enclave, policy_sha256(site_, name),
                                                        login_hosts(name), all, ALOFT_VERSION, now)) {
                json& misses = of(check.host, name)["misses"];
                const json miss = check.what == "report" ? "report: " + check.found : check.what;
                if (check.is_miss() && std::find(misses.begin(), misses.end(), miss) == misses.end())
                    misses.push_back(miss);
            }
        } catch (const core::Error&) {  // no host of it can be judged
            of("-", name)["misses"].push_back("policy of enclave " + name);
        }
    }
    for (const Report& report : all)
        if (const auto host = hosts.find(report.node); host != hosts.end())
            host->second["reported_seconds"] = now - report.received;
    json out = json::array();
    for (auto& [host, one] : hosts) out.push_back(std::move(one));
    return out;
}

std::optional<json> Service::overview(Call&) {
    const std::int64_t now = core::now_seconds();
    const auto number = [&](const char* sql) {
        const json n = state_.rows(sql).at(0).at("n");
        return n.is_null() ? std::int64_t{0} : n.get<std::int64_t>();
    };
    const Waiting applications = waiting(kWaitingApplications, now),
                  releases = waiting(kWaitingReleases, now);
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
        {"nodes", hosts_judged(now)},
        {"waiting",
         {{"applications", applications.count},
          {"applications_seconds", applications.oldest_seconds},
          {"releases", releases.count},
          {"releases_seconds", releases.oldest_seconds}}},
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
