#include "jobs/state/state.h"

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/base/version.h"
#include "core/ledger/ledger.h"
#include "jobs/state/attempts.h"
#include "jobs/state/states.h"
#include "jobs/state/vocabulary.h"

namespace jobs {

using core::Record;
using nlohmann::json;

namespace {

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS position(only INTEGER PRIMARY KEY CHECK(only = 1), seq INTEGER, sha256 TEXT, line_at INTEGER);
CREATE TABLE IF NOT EXISTS applications(id TEXT PRIMARY KEY, account TEXT, enclave TEXT, state TEXT, title TEXT,
    datasets_json TEXT, purpose_json TEXT, statement_json TEXT, submitted TEXT);
CREATE TABLE IF NOT EXISTS reviews(application TEXT, team TEXT, account TEXT, decision TEXT, reason TEXT, time TEXT,
    PRIMARY KEY(application, team));
CREATE TABLE IF NOT EXISTS grants(id TEXT PRIMARY KEY, application TEXT, account TEXT, uid INTEGER, enclave TEXT,
    datasets_json TEXT, purpose_json TEXT, contract TEXT, not_before TEXT, not_after TEXT, revoked TEXT, reason TEXT,
    node_hours INTEGER, gpu_hours INTEGER);
CREATE TABLE IF NOT EXISTS datasets(id TEXT PRIMARY KEY, manifest_sha256 TEXT, sealed_at TEXT, registered TEXT,
    summary_json TEXT);
CREATE TABLE IF NOT EXISTS sealed_keys(enclave TEXT, dataset TEXT, sealed TEXT, enclave_key TEXT, PRIMARY KEY(enclave, dataset));
CREATE TABLE IF NOT EXISTS requests(id TEXT PRIMARY KEY, account TEXT, grant_id TEXT, enclave TEXT, state TEXT, nodes INTEGER,
    script_sha256 TEXT, job INTEGER, requested TEXT);
CREATE TABLE IF NOT EXISTS jobs(id INTEGER PRIMARY KEY, account TEXT, grant_id TEXT, enclave TEXT, state TEXT, started TEXT,
    ended TEXT, node_seconds INTEGER NOT NULL DEFAULT 0, records_ended INTEGER NOT NULL DEFAULT 0, outcome TEXT, exit_class TEXT,
    gpu_seconds INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS blocked(job INTEGER, kind TEXT, count INTEGER, PRIMARY KEY(job, kind));
CREATE TABLE IF NOT EXISTS attempts(job INTEGER, what TEXT, target TEXT, count INTEGER, PRIMARY KEY(job, what, target));
CREATE TABLE IF NOT EXISTS releases(id TEXT PRIMARY KEY, account TEXT, grant_id TEXT, enclave TEXT, state TEXT, title TEXT,
    folder TEXT, files_json TEXT, findings_json TEXT, requested TEXT, package_sha256 TEXT);
CREATE TABLE IF NOT EXISTS release_reviews(release TEXT, account TEXT, decision TEXT, reason TEXT, time TEXT,
    PRIMARY KEY(release, account));
CREATE TABLE IF NOT EXISTS enclaves(name TEXT PRIMARY KEY, state TEXT, since TEXT, account TEXT, reason TEXT);
CREATE TABLE IF NOT EXISTS preflight(node TEXT PRIMARY KEY, time TEXT, received TEXT, report_json TEXT);
CREATE TABLE IF NOT EXISTS configuration(file TEXT PRIMARY KEY, sha256 TEXT);
CREATE TABLE IF NOT EXISTS node_records(id TEXT);
CREATE TABLE IF NOT EXISTS backups(made INTEGER);
CREATE TABLE IF NOT EXISTS losses(first INTEGER, last INTEGER, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS tallies(thing TEXT, state TEXT, n INTEGER, PRIMARY KEY(thing, state));
CREATE TABLE IF NOT EXISTS runs(job INTEGER, node TEXT, start INTEGER, began INTEGER, most INTEGER, gpus INTEGER, over INTEGER,
    heard INTEGER, counted INTEGER, told INTEGER, PRIMARY KEY(job, node, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage(grant_id TEXT, month TEXT, jobs INTEGER, completed INTEGER, failed INTEGER, node_seconds INTEGER,
    gpu_seconds INTEGER, PRIMARY KEY(grant_id, month));
CREATE TRIGGER IF NOT EXISTS blocked_in AFTER INSERT ON blocked BEGIN
    INSERT INTO tallies VALUES('blocked', '', new.count) ON CONFLICT(thing, state) DO UPDATE SET n = n + excluded.n;
END;
CREATE TRIGGER IF NOT EXISTS blocked_up AFTER UPDATE ON blocked BEGIN
    UPDATE tallies SET n = n + new.count - old.count WHERE thing = 'blocked';
END;
CREATE TRIGGER IF NOT EXISTS usage_out AFTER UPDATE OF ended, outcome ON jobs WHEN old.ended IS NOT NULL BEGIN
    UPDATE usage SET jobs = jobs - 1, completed = completed - (old.outcome IS 'completed'),
        failed = failed - ifnull(old.outcome IN ('failed', 'timeout', 'node-fail', 'out-of-memory', 'lost'), 0),
        node_seconds = node_seconds - old.node_seconds, gpu_seconds = gpu_seconds - old.gpu_seconds
    WHERE grant_id = old.grant_id AND month = substr(old.ended, 1, 7);
END;
CREATE TRIGGER IF NOT EXISTS usage_in AFTER UPDATE OF ended, outcome ON jobs WHEN new.ended IS NOT NULL AND new.grant_id IS NOT NULL BEGIN
    INSERT INTO usage VALUES(new.grant_id, substr(new.ended, 1, 7), 1, new.outcome IS 'completed',
        ifnull(new.outcome IN ('failed', 'timeout', 'node-fail', 'out-of-memory', 'lost'), 0), new.node_seconds, new.gpu_seconds)
    ON CONFLICT(grant_id, month) DO UPDATE SET jobs = jobs + 1, completed = completed + excluded.completed,
        failed = failed + excluded.failed, node_seconds = node_seconds + excluded.node_seconds,
        gpu_seconds = gpu_seconds + excluded.gpu_seconds;
END;
)";

// Counts by state are kept, not counted: metrics ask for them all the time, and there are millions of jobs.
std::string tallies_of(const std::string& thing) {
    const std::string in = "INSERT INTO tallies VALUES('" + thing +
                           "', new.state, 1) ON CONFLICT(thing, state) DO UPDATE SET n = n + 1; END;";
    return "CREATE TRIGGER IF NOT EXISTS " + thing + "_in AFTER INSERT ON " + thing +
           " WHEN new.state IS NOT NULL BEGIN " + in + "CREATE TRIGGER IF NOT EXISTS " + thing +
           "_up AFTER UPDATE OF state ON " + thing +
           " WHEN old.state IS NOT new.state BEGIN UPDATE tallies SET n = n - 1 WHERE thing = '" + thing +
           "' AND state = old.state; " + in;
}

// No record's fold looks anything up by these. When all is folded anew they come last, sorted once: ids at random
// places of a tree that has outgrown SQLite's cache cost a page each, read and written.
constexpr const char* kIndices = R"(
CREATE INDEX IF NOT EXISTS node_records_id ON node_records(id);
CREATE INDEX IF NOT EXISTS applications_account ON applications(account, state);
CREATE INDEX IF NOT EXISTS grants_account ON grants(account);
CREATE INDEX IF NOT EXISTS grants_uid ON grants(uid);
CREATE INDEX IF NOT EXISTS grants_revoked ON grants(not_after) WHERE revoked IS NOT NULL;
CREATE INDEX IF NOT EXISTS requests_account ON requests(account, state);
CREATE INDEX IF NOT EXISTS requests_job ON requests(job, account);
CREATE INDEX IF NOT EXISTS jobs_account ON jobs(account, id);
CREATE INDEX IF NOT EXISTS jobs_grant ON jobs(grant_id, node_seconds, gpu_seconds, outcome);
CREATE INDEX IF NOT EXISTS jobs_running ON jobs(enclave) WHERE state = 'started';
CREATE INDEX IF NOT EXISTS runs_open ON runs(job) WHERE counted IS NULL;
CREATE INDEX IF NOT EXISTS releases_account ON releases(account);
CREATE INDEX IF NOT EXISTS releases_state ON releases(state);
CREATE INDEX IF NOT EXISTS releases_grant ON releases(grant_id, state);
)";

constexpr const char* kDrop = R"(
DROP TABLE IF EXISTS position; DROP TABLE IF EXISTS applications; DROP TABLE IF EXISTS reviews; DROP TABLE IF EXISTS grants;
DROP TABLE IF EXISTS datasets; DROP TABLE IF EXISTS sealed_keys; DROP TABLE IF EXISTS jobs; DROP TABLE IF EXISTS releases; DROP TABLE IF EXISTS release_reviews;
DROP TABLE IF EXISTS node_records; DROP TABLE IF EXISTS configuration; DROP TABLE IF EXISTS requests; DROP TABLE IF EXISTS enclaves; DROP TABLE IF EXISTS preflight; DROP TABLE IF EXISTS blocked; DROP TABLE IF EXISTS attempts; DROP TABLE IF EXISTS losses; DROP TABLE IF EXISTS backups; DROP TABLE IF EXISTS tallies; DROP TABLE IF EXISTS usage; DROP TABLE IF EXISTS runs;
)";

// Of the tables and this Aloft, 31 bits: a database of another number is made again, as another version may pass records over.
std::int64_t maker() {
    const auto hash =
        core::sha256(core::view(std::string(core::version()) + kSchema + std::to_string(kVocabulary)));
    return (hash[0] & 0x7F) << 24 | hash[1] << 16 | hash[2] << 8 | hash[3];
}

json field(const Record& record, const char* key) {
    const auto found = record.details.find(key);
    return found == record.details.end() ? json() : *found;
}

}  // namespace

State::State(const std::filesystem::path& file, Texts* texts) : database_(file), texts_(texts) {
    if (database_.rows("PRAGMA user_version").at(0).at("user_version") != maker())
        clear();
    else
        database_.script(kSchema);
    database_.script(kIndices);
}

void State::clear() {
    database_.script(kDrop);
    database_.script(kSchema);
    for (const char* thing : {"jobs", "requests", "applications", "releases"})
        database_.script(tallies_of(thing).c_str());
    database_.script(("PRAGMA user_version = " + std::to_string(maker())).c_str());
}

std::optional<core::Ledger::Position> State::position_in(const std::filesystem::path& file) {
    if (!std::filesystem::exists(file)) return std::nullopt;
    Database database(file);
    if (database.rows("PRAGMA user_version").at(0).at("user_version") != maker()) return std::nullopt;
    const auto rows = database.rows("SELECT seq, sha256, line_at FROM position");
    if (rows.empty()) return std::nullopt;
    core::Ledger::Position position;
    position.head.seq = rows[0].at("seq").get<std::uint64_t>();
    position.line_at = rows[0].at("line_at").get<std::uint64_t>();
    const core::Bytes sha256 = core::from_hex(rows[0].at("sha256").get<std::string>());
    if (sha256.size() != position.head.sha256.size()) return std::nullopt;
    std::copy(sha256.begin(), sha256.end(), position.head.sha256.begin());
    return position;
}

std::uint64_t State::catch_up(const std::filesystem::path& ledger, bool rebuild) {
    std::uint64_t from = 0;
    std::string expected;
    if (const auto position = database_.rows("SELECT seq, sha256, line_at FROM position");
        !position.empty()) {
        from = position[0].at("line_at").get<std::uint64_t>();
        expected = position[0].at("sha256").get<std::string>();
    }
    if (!rebuild && !expected.empty()) {  // the last folded line must stand where it stood
        bool same = false;
        core::read_lines(ledger, from, [&](std::string_view line, std::uint64_t) {
            same = core::to_hex(core::sha256(core::view(std::string(line) + "\n"))) == expected;
            return false;
        });
        if (!same) {
            core::Event("warning", "state_rebuilt")
                .with("why", "the database does not belong to this ledger");
            rebuild = true;
        }
    }
    if (rebuild || expected.empty()) {
        clear();
        from = 0;
        expected.clear();
    }
    begin();
    std::uint64_t folded = 0;
    try {
        folded = fold_from(ledger, from, !expected.empty());
    } catch (...) {
        abandon();
        throw;
    }
    database_.script(kIndices);
    return folded;
}

// Within a transaction, which it ends. `skip`: the line at `from` is folded already.
std::uint64_t State::fold_from(const std::filesystem::path& ledger, std::uint64_t from, bool skip) {
    std::uint64_t folded = 0, line_at = from;
    core::Head head;
    std::string last;
    const auto finish = [&] {
        head.sha256 = core::sha256(core::view(last + "\n"));
        commit(head, line_at);
    };
    core::read_lines(ledger, from, [&](std::string_view line, std::uint64_t next) {
        if (!skip) {
            const Record record = core::parse_record(line);
            fold(record);
            head.seq = record.seq;
            line_at = next - line.size() - 1;
            last = line;
            if (++folded % kPerTransaction == 0) {
                finish();
                begin();
            }
        }
        skip = false;
        return true;
    });
    folded == 0 ? roll_back() : finish();
    return folded;
}

void State::commit(const core::Head& head, std::uint64_t last_line_offset) {
    database_.run("INSERT OR REPLACE INTO position VALUES(1, ?, ?, ?)",
                  {head.seq, core::to_hex(head.sha256), last_line_offset});
    database_.run("COMMIT");
}

void State::abandon() noexcept {
    try {
        roll_back();
    } catch (const std::exception&) {
    }
}

// What a record says in another form than this version writes is left out, now and whenever the state is made
// again: no record keeps the state from being made.
void State::fold(const Record& record) {
    database_.run("SAVEPOINT record");
    try {
        fold_kind(record);
    } catch (const json::exception&) {
        database_.run("ROLLBACK TO record");
        core::Event("warning", "record_of_another_form").with("seq", record.seq).with("kind", record.kind);
    }
    database_.run("RELEASE record");
}

void State::fold_kind(const Record& record) {
    check_vocabulary(record);
    if (record.kind.starts_with("application.")) return fold_application(record);
    if (record.kind.starts_with("grant.")) return fold_grant(record);
    if (record.kind.starts_with("release.")) return fold_release(record);
    if (record.kind.starts_with("enclave.")) return fold_enclave(record);
    if (record.kind.starts_with("key.")) return fold_key(record);
    if (record.kind.starts_with("job.")) return fold_job(record);
    if (record.kind.starts_with("node.")) return fold_node(record);
    if (record.kind == "dataset.registered")
        database_.run("INSERT OR REPLACE INTO datasets VALUES(?, ?, ?, ?, ?)",
                      {record.subject, field(record, "manifest_sha256"), field(record, "sealed_at"),
                       core::rfc3339(record.time), field(record, "summary")});
    if (record.kind == "configuration.changed")
        database_.run("INSERT OR REPLACE INTO configuration VALUES(?, ?)",
                      {record.subject, field(record, "sha256")});
    if (record.kind == "backup.made") database_.run("INSERT INTO backups VALUES(?)", {record.time});
    if (record.kind == "ledger.loss-accepted")
        database_.run("INSERT INTO losses(first, last) VALUES(?, ?)",
                      {field(record, "first"), field(record, "last")});
    if (record.kind == "ledger.loss-handled") database_.run("UPDATE losses SET done = 1");
    if (record.kind == "configuration.removed")
        database_.run("DELETE FROM configuration WHERE file = ?", {record.subject});
}

void State::fold_key(const Record& record) {
    if (record.kind == "key.sealed")
        database_.run("INSERT OR REPLACE INTO sealed_keys VALUES(?, ?, ?, ?)",
                      {field(record, "enclave"), record.subject, field(record, "sealed"),
                       field(record, "enclave_key")});
    else if (record.kind == "key.withdrawn")
        database_.run("DELETE FROM sealed_keys WHERE enclave = ? AND dataset = ?",
                      {field(record, "enclave"), record.subject});
}

void State::fold_application(const Record& record) {
    if (record.kind == "application.submitted") {
        database_.run("INSERT INTO applications VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      {record.subject, record.actor, field(record, "enclave"),
                       *next_state(Thing::application, "", record.kind), field(record, "title"),
                       field(record, "datasets"), field(record, "purpose"), field(record, "statement"),
                       core::rfc3339(record.time)});
        return;
    }
    if (const json team = field(record, "group"); team.is_string())
        database_.run("INSERT OR REPLACE INTO reviews VALUES(?, ?, ?, ?, ?, ?)",
                      {record.subject, team, record.actor, field(record, "decision"), field(record, "reason"),
                       core::rfc3339(record.time)});
    if (const auto row = application(record.subject))
        if (const auto to = next_state(Thing::application, row->at("state").get<std::string>(), record.kind))
            database_.run("UPDATE applications SET state = ? WHERE id = ?", {*to, record.subject});
}

void State::fold_grant(const Record& record) {
    if (record.kind == "grant.revoked") {
        database_.run("UPDATE grants SET revoked = ?, reason = ? WHERE id = ?",
                      {core::rfc3339(record.time), field(record, "reason"), record.subject});
        return;
    }
    if (record.kind != "grant.issued") return;
    database_.run("INSERT INTO grants VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
                  {record.subject, field(record, "application"), field(record, "account"),
                   field(record, "uid"), field(record, "enclave"), field(record, "datasets"),
                   field(record, "purpose"), field(record, "contract"), field(record, "not_before"),
                   field(record, "not_after"), field(record, "node_hours"), field(record, "gpu_hours")});
    const std::string id = field(record, "application").get<std::string>();
    if (const auto row = application(id))
        if (const auto to = next_state(Thing::application, row->at("state").get<std::string>(), record.kind))
            database_.run("UPDATE applications SET state = ? WHERE id = ?", {*to, id});
}

void State::fold_enclave(const Record& record) {
    const std::string name = record.subject.substr(record.subject.find(':') + 1);  // "enclave:hel"
    const auto row = enclave(name);
    const std::string from = row ? row->at("state").get<std::string>() : "";
    const auto to = next_state(Thing::enclave, from, record.kind);
    if (!to || record.kind == "enclave.changed") return;
    database_.run("INSERT OR REPLACE INTO enclaves VALUES(?, ?, ?, ?, ?)",
                  {name, *to, core::rfc3339(record.time), record.actor, field(record, "reason")});
    if (*to == "closed") database_.run("DELETE FROM sealed_keys WHERE enclave = ?", {name});
}

void State::fold_release(const Record& record) {
    if (const auto to = next_state(Thing::release, "", record.kind)) {
        database_.run("INSERT INTO releases VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                      {record.subject, record.actor, field(record, "grant"), field(record, "enclave"), *to,
                       field(record, "title"), field(record, "folder"), field(record, "files"),
                       field(record, "findings"), core::rfc3339(record.time)});
        return;
    }
    if (const json decision = field(record, "decision"); decision.is_string())
        database_.run(
            "INSERT OR REPLACE INTO release_reviews VALUES(?, ?, ?, ?, ?)",
            {record.subject, record.actor, decision, field(record, "reason"), core::rfc3339(record.time)});
    if (record.kind == "release.exported")
        database_.run("UPDATE releases SET package_sha256 = ? WHERE id = ?",
                      {field(record, "package_sha256"), record.subject});
    if (const auto row = release(record.subject))
        if (const auto to = next_state(Thing::release, row->at("state").get<std::string>(), record.kind))
            database_.run("UPDATE releases SET state = ? WHERE id = ?", {*to, record.subject});
}

// What a researcher's own command said: which request became which job, said once and by the account that asked.
// It decides nothing about the job: whose that is, its nodes' signed records tell.
void State::fold_job(const Record& record) {
    if (record.kind == "job.requested")
        database_.run("INSERT OR IGNORE INTO requests VALUES(?, ?, ?, ?, 'requested', ?, ?, NULL, ?)",
                      {record.subject, record.actor, field(record, "grant"), field(record, "enclave"),
                       field(record, "nodes"), field(record, "script_sha256"), core::rfc3339(record.time)});
    else if (record.kind == "job.submitted")
        database_.run(
            "UPDATE requests SET state = 'submitted', job = ? WHERE id = ? AND account = ? AND state = "
            "'requested'",
            {field(record, "job"), field(record, "request"), record.actor});
    else if (record.kind == "job.lost")
        fold_run_lost(field(record, "job"), field(record, "node"), field(record, "start"));
    else if (record.kind == "job.rejected")
        database_.run(
            "UPDATE requests SET state = 'rejected' WHERE id = ? AND account = ? AND state = 'requested'",
            {record.subject, record.actor});
}

void State::fold_node(const Record& record) {
    database_.run("INSERT INTO node_records VALUES(?)", {field(record, "id")});
    if (record.kind == "node.preflight") return fold_preflight(record);
    const json inner = field(record, "details");
    if (!inner.is_object()) return;
    const auto job = inner.find("job");
    if (job == inner.end() || !job->is_number_integer()) return;
    const auto text = [&](const char* key) { return inner.value(key, json()); };
    if (record.kind == "node.job-started" || record.kind == "node.job-ended")
        database_.run("INSERT OR IGNORE INTO jobs(id, account, grant_id, enclave) VALUES(?, ?, ?, ?)",
                      {*job, text("account"), text("grant"), text("enclave")});
    const std::string node = record.actor.substr(record.actor.find(':') + 1);
    if (record.kind == "node.job-started") {
        fold_run_started(*job, node, field(record, "time"), record.time, inner);
    } else if (record.kind == "node.job-ended") {
        fold_run_ended(*job, node, field(record, "time"), record.time, inner);
        fold_blocked(*job, classes_only(inner));
    } else if (record.kind == "node.job-outcome") {
        // Told a while after the run's end, and nodes' records come in any order: the last run's word stays.
        const json told = outcome_only(inner);
        database_.run(
            "UPDATE jobs SET outcome = ?1, exit_class = ?2 WHERE id = ?3 AND (outcome IS NULL OR outcome IN "
            "('requeued', 'unknown') OR ?1 NOT IN ('requeued', 'unknown'))",
            {told.at("outcome"), told.at("exit"), *job});
    }
}

// What the fence stopped, added up over a job's nodes and requeues.
void State::fold_blocked(const json& job, const json& details) {
    const json counts = details.value("blocked", json::object());
    for (const auto& [kind, count] : counts.items())
        database_.run(
            "INSERT INTO blocked VALUES(?, ?, ?) ON CONFLICT(job, kind) DO UPDATE SET count = count + "
            "excluded.count",
            {job, kind, count});
    for (const json& attempt : details.value("attempts", json::array()))
        database_.run(
            "INSERT INTO attempts VALUES(?, ?, ?, ?) ON CONFLICT(job, what, target) DO UPDATE SET count = "
            "count + excluded.count",
            {job, attempt.at("what"), attempt.at("to"), attempt.at("count")});
}

// The newest of each node counts, whenever it arrives. A node speaks for itself only.
void State::fold_preflight(const Record& record) {
    if (record.subject != record.actor) return;  // "node:n1"
    database_.run(
        "INSERT INTO preflight VALUES(?, ?, ?, ?) ON CONFLICT(node) DO UPDATE SET time = excluded.time, "
        "received = excluded.received, report_json = excluded.report_json WHERE excluded.time >= time",
        {record.actor.substr(record.actor.find(':') + 1), field(record, "time"), core::rfc3339(record.time),
         field(record, "details")});
}

std::vector<json> State::rows(const std::string& sql, const std::vector<json>& values) {
    auto rows = database_.rows(sql, values);
    if (texts_)
        for (json& row : rows) texts_->resolve(row);
    return rows;
}

std::optional<json> State::one(const std::string& sql, const std::string& id) {
    auto rows = this->rows(sql, {id});
    return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}
std::optional<json> State::application(const std::string& id) {
    return one("SELECT * FROM applications WHERE id = ?", id);
}
std::optional<json> State::request(const std::string& id) {
    return one("SELECT * FROM requests WHERE id = ?", id);
}
std::optional<json> State::grant(const std::string& id) {
    return one("SELECT * FROM grants WHERE id = ?", id);
}
std::optional<json> State::release(const std::string& id) {
    return one("SELECT * FROM releases WHERE id = ?", id);
}
std::optional<json> State::enclave(const std::string& name) {
    return one("SELECT * FROM enclaves WHERE name = ?", name);
}
bool State::has_node_record(const std::string& id) {
    return !database_.rows("SELECT 1 FROM node_records WHERE id = ?", {id}).empty();
}

}  // namespace jobs
