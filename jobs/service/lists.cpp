// Lists: what is the caller's own, or everybody's to those whose right goes beyond it; a page at a time.
#include "core/base/figures.h"
#include "core/base/time.h"
#include "jobs/service/service.h"
#include "jobs/state/attempts.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::int64_t kPageRows = 500;
constexpr std::size_t kPageBytes = 4 << 20;  // half of what an answer may have (wire/channel.h)

constexpr const char* kOwn = " AND account = ? ";

}  // namespace

json Service::page(const Call& call, const char* name, const std::string& sql, std::vector<json> values,
                   const std::function<void(json&)>& complete) {
    const std::int64_t limit = std::min(call.integer("limit", kPageRows), kPageRows);
    values.push_back(limit + 1);
    json out = {{name, json::array()}};
    std::size_t bytes = 0;
    for (json& row : state_.rows(sql, values)) {
        const json at = row.at("at");
        row.erase("at");
        if (complete) complete(row);
        const std::size_t size = row.dump(-1, ' ', true, json::error_handler_t::replace).size();
        const bool is_full = static_cast<std::int64_t>(out.at(name).size()) >= limit ||
                             (bytes > 0 && bytes + size > kPageBytes);
        if (is_full) {
            out["more"] = true;
            return out;
        }
        bytes += size;
        out["next"] = at;
        out[name].push_back(std::move(row));
    }
    return out;
}

std::optional<json> Service::application_list(Call& call) {
    const std::vector<std::string> groups{"technical", "legal", "platform", "research"};
    std::vector<json> values{call.integer("after")};
    if (!call.beyond) values.push_back(call.peer.account);
    return page(
        call, "applications",
        "SELECT rowid AS at, id AS application, account, enclave, state, title, datasets_json, purpose_json, "
        "submitted FROM applications WHERE rowid > ?" +
            std::string(call.beyond ? "" : kOwn) + " ORDER BY rowid LIMIT ?",
        values, [&](json& row) {
            std::vector<std::string> waiting = groups;
            row["reviews"] = state_.rows(
                "SELECT team AS \"group\", account, decision, time FROM reviews WHERE application = ?",
                {row.at("application")});
            for (const json& review : row.at("reviews"))
                std::erase(waiting, review.at("group").get<std::string>());
            row["waiting_for"] = row.at("state") == "in-review" ? json(waiting) : json::array();
        });
}

std::optional<json> Service::dataset_list(Call& call) {
    return page(call, "datasets",
                "SELECT rowid AS at, id AS dataset, manifest_sha256, sealed_at, registered, summary_json "
                "FROM datasets "
                "WHERE rowid > ? ORDER BY rowid LIMIT ?",
                {call.integer("after")},
                [](json& row) { row["summary"] = core::version_figures(row.at("summary")); });
}

std::optional<json> Service::enclave_list(Call& call) {
    return page(
        call, "enclaves",
        "SELECT rowid AS at, name AS enclave, state, since, account AS \"by\", reason FROM enclaves WHERE "
        "rowid > ? ORDER BY rowid LIMIT ?",
        {call.integer("after")}, [&](json& row) {
            if (!call.beyond) row.erase("reason");
        });
}

std::optional<json> Service::preflight_reports(Call& call) {
    json out =
        page(call, "reports",
             "SELECT rowid AS at, node, time, received, report_json FROM preflight WHERE rowid > ? ORDER BY "
             "rowid LIMIT ?",
             {call.integer("after")}, [](json& row) {
                 for (const char* key : {"time", "received"})
                     row[key] = core::parse_rfc3339(row.at(key).get<std::string>());
             });
    out["version"] = ALOFT_VERSION;
    out["logins"] = json::object();  // by enclave: hosts of which a report is required
    for (const json& row : state_.rows("SELECT name FROM enclaves"))
        if (const auto hosts = login_hosts(row.at("name").get<std::string>()))
            out["logins"][row.at("name").get<std::string>()] = *hosts;
    return out;
}

std::optional<json> Service::grant_list(Call& call) {
    std::vector<json> values{call.integer("after")};
    if (!call.beyond) values.push_back(call.peer.account);
    const std::string now = core::rfc3339(core::now_seconds());
    return page(
        call, "grants",
        "SELECT rowid AS at, id AS \"grant\", application, account, uid, enclave, datasets_json, "
        "purpose_json, "
        "contract, not_before, not_after, node_hours, gpu_hours, revoked, reason, EXISTS(SELECT 1 FROM "
        "grants AS newer WHERE newer.application = grants.application AND newer.uid = grants.uid AND "
        "newer.rowid > grants.rowid) AS replaced FROM grants WHERE rowid > ?" +
            std::string(call.beyond ? "" : kOwn) + " ORDER BY rowid LIMIT ?",
        values, [&](json& row) {
            row["state"] = !row.at("revoked").is_null()                    ? "revoked"
                           : row.at("replaced") == 1                       ? "replaced"
                           : row.at("not_after").get<std::string>() <= now ? "ended"
                                                                           : "valid";
            row.erase("replaced");
        });
}

// Newest first: "after" is the number of the oldest job that was seen. A job that no node has told of yet is
// known by its author's own request only, and to its author only.
std::optional<json> Service::job_list(Call& call) {
    const std::string columns =
        "SELECT id AS at, id AS job, account, grant_id AS \"grant\", enclave, state, "
        "(SELECT nodes FROM requests WHERE job = jobs.id AND account = jobs.account) AS nodes, "
        "(SELECT requested FROM requests WHERE job = jobs.id AND account = jobs.account) AS submitted, "
        "started, ended, iif(state = 'ended', outcome, NULL) AS outcome, iif(state = 'ended', exit_class, "
        "NULL) AS exit_class, "
        "node_seconds, gpu_seconds, (SELECT coalesce(sum(count), 0) FROM blocked WHERE job = jobs.id) AS "
        "blocked FROM "
        "jobs ";
    const json after = call.body.contains("after") ? call.body.at("after") : json(INT64_MAX);
    if (call.beyond)
        return page(call, "jobs", columns + "WHERE id < ? ORDER BY id DESC LIMIT ?", {after}, [&](json& row) {
            if (row.at("account") != call.peer.account)
                row["blocked"] = rounded_count(row.at("blocked").get<std::int64_t>());
        });
    return page(call, "jobs",
                "SELECT * FROM (" + columns +
                    "WHERE id < ?1 AND account = ?2 UNION ALL SELECT job, job, account, grant_id, enclave, "
                    "state, nodes, "
                    "requested, NULL, NULL, NULL, NULL, 0, 0, 0 FROM requests WHERE job < ?1 AND account = "
                    "?2 AND NOT "
                    "EXISTS (SELECT 1 "
                    "FROM jobs WHERE id = requests.job)) ORDER BY at DESC LIMIT ?3",
                {after, call.peer.account});
}

std::optional<json> Service::usage(Call& call) {
    std::vector<json> values{call.integer("after")};
    if (!call.beyond) values.push_back(call.peer.account);
    return page(
        call, "usage",
        "SELECT grants.rowid AS at, grants.id AS \"grant\", grants.account, grants.enclave, not_after, "
        "node_hours, gpu_hours, "
        "(SELECT count(*) FROM jobs WHERE grant_id = grants.id) AS jobs, "
        "(SELECT coalesce(sum(node_seconds), 0) FROM jobs WHERE grant_id = grants.id) AS node_seconds, "
        "(SELECT coalesce(sum(gpu_seconds), 0) FROM jobs WHERE grant_id = grants.id) AS gpu_seconds, "
        "(SELECT count(*) FROM jobs WHERE grant_id = grants.id AND outcome = 'completed') AS completed, "
        "(SELECT count(*) FROM jobs WHERE grant_id = grants.id AND outcome IN ('failed', 'timeout', "
        "'node-fail', 'out-of-memory', 'lost')) AS failed, "
        "(SELECT count(*) FROM releases WHERE grant_id = grants.id) AS release_requests, "
        "(SELECT count(*) FROM releases WHERE grant_id = grants.id AND state = 'exported') AS releases FROM "
        "grants WHERE grants.rowid > ?" +
            std::string(call.beyond ? "" : kOwn) + " ORDER BY grants.rowid LIMIT ?",
        values, [&](json& row) {
            const bool has_none = row.at("node_hours").is_null() && row.at("gpu_hours").is_null();
            const core::Used used = has_none ? core::Used() : used_of(row.at("grant").get<std::string>());
            const auto left = [&](const char* hours, const char* name, std::int64_t seconds) {
                row[name] = row.at(hours).is_null()
                                ? json()
                                : json(row.at(hours).get<std::int64_t>() * 3600 - seconds);
                row.erase(hours);
            };
            left("node_hours", "node_seconds_left", used.node_seconds);
            left("gpu_hours", "gpu_seconds_left", used.gpu_seconds);
        });
}

std::optional<json> Service::release_page(Call& call) {
    std::vector<json> values{call.integer("after")};
    if (!call.beyond) values.push_back(call.peer.account);
    return page(call, "releases",
                "SELECT rowid AS at, * FROM releases WHERE rowid > ?" + std::string(call.beyond ? "" : kOwn) +
                    " ORDER BY rowid LIMIT ?",
                values, [&](json& row) { row = release_facts(row); });
}

}  // namespace jobs
