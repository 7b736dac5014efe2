#include "jobs/state/state.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/keys/keys.h"
#include "core/ledger/ledger.h"
#include "support/scratch.h"

using namespace jobs;
using nlohmann::json;

namespace {

struct Fold {
    test::Scratch scratch;
    State state{scratch / "state.db"};
    std::uint64_t seq = 0;

    void fold(const std::string& actor, const std::string& kind, const std::string& subject, json details) {
        core::Record record;
        record.seq = ++seq;
        record.time = 1'790'000'000 + static_cast<std::int64_t>(seq);
        record.actor = actor;
        record.kind = kind;
        record.subject = subject;
        record.details = std::move(details);
        state.begin();
        state.fold(record);
        state.commit({record.seq, {}}, 0);
    }
    void node(const std::string& kind, const std::string& subject, json details,
              const std::string& time = "2026-11-23T20:35:08Z", const std::string& host = "n1") {
        fold("node:" + host, "node." + kind, subject,
             {{"id", std::to_string(seq)}, {"time", time}, {"details", std::move(details)}});
    }
    json one(const std::string& sql) { return state.rows(sql).at(0); }
};

}  // namespace

TEST_CASE("of a node's preflight reports the newest counts, in whatever order they arrive") {
    Fold fold;
    fold.node("preflight", "node:n1", {{"version", "2"}}, "2026-11-23T20:00:00Z");
    fold.node("preflight", "node:n1", {{"version", "1"}}, "2026-11-23T19:00:00Z");
    CHECK(fold.one("SELECT report_json FROM preflight").at("report").at("version") == "2");
    fold.node("preflight", "node:n1", {{"version", "3"}}, "2026-11-23T21:00:00Z");
    CHECK(fold.one("SELECT report_json FROM preflight").at("report").at("version") == "3");
    fold.node("preflight", "node:n2", {{"version", "4"}}, "2026-11-23T22:00:00Z");  // n1 about n2
    CHECK(fold.state.rows("SELECT node FROM preflight").size() == 1);
    fold.node("preflight", "node:n2", {{"version", "4"}}, "2026-11-23T22:00:00Z", "n2");
    CHECK(fold.state.rows("SELECT node FROM preflight").size() == 2);
}

TEST_CASE("what is counted all the time is kept, and is what counting would give") {
    Fold fold;
    const auto job = [](int number, const char* grant, int seconds) {
        return json{{"job", number},      {"account", "e-alice"}, {"grant", grant},
                    {"seconds", seconds}, {"gpus", number},       {"blocked", {{"connect", number}}}};
    };
    fold.fold("e-alice", "job.requested", "J-1", {{"grant", "G-1"}, {"nodes", 2}});
    fold.fold("e-alice", "job.requested", "J-2", {{"grant", "G-1"}, {"nodes", 1}});
    fold.fold("e-alice", "job.submitted", "job:1", {{"job", 1}, {"request", "J-1"}});
    fold.node("job-started", "job:1", job(1, "G-1", 0));
    fold.node("job-ended", "job:1", job(1, "G-1", 10), "2026-10-31T23:59:59Z");
    fold.node("job-ended", "job:1", job(1, "G-1", 20), "2026-11-01T00:00:01Z", "n2");  // the month changes
    fold.node("job-ended", "job:2", job(2, "G-1", 5), "2026-11-02T00:00:00Z");
    fold.node("job-started", "job:3", job(3, "G-2", 0));
    fold.node("job-started", "job:2", job(2, "G-1", 0));  // queued again
    for (const char* thing : {"jobs", "requests"})
        CHECK(fold.state.rows("SELECT state, n FROM tallies WHERE thing = ? AND n > 0 ORDER BY state",
                              {thing}) == fold.state.rows(std::string("SELECT state, count(*) AS n FROM ") +
                                                          thing + " GROUP BY state ORDER BY state"));
    CHECK(fold.one("SELECT n FROM tallies WHERE thing = 'blocked'") ==
          fold.one("SELECT sum(count) AS n FROM blocked"));
    CHECK(
        fold.state.rows(
            "SELECT grant_id, month, jobs, node_seconds, gpu_seconds FROM usage WHERE jobs > 0") ==
        fold.state.rows(
            "SELECT grant_id, substr(ended, 1, 7) AS month, count(*) AS jobs, sum(node_seconds) AS "
            "node_seconds, sum(gpu_seconds) AS gpu_seconds FROM jobs WHERE ended IS NOT NULL GROUP BY 1, 2"));
    CHECK(fold.one("SELECT node_seconds FROM usage WHERE month = '2026-11'").at("node_seconds") == 35);
    CHECK(fold.one("SELECT node_seconds FROM usage WHERE month = '2026-10'").at("node_seconds") == 0);
    CHECK(fold.one("SELECT gpu_seconds FROM usage WHERE month = '2026-11'").at("gpu_seconds") ==
          30 * 1 + 5 * 2);
}

TEST_CASE("GPUs that no node can have are none, and a node of an earlier version tells none") {
    Fold fold;
    for (const json& gpus : {json(-1), json(1025), json("8"), json(1.5), json(), json(INT64_MAX)})
        fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 100}, {"gpus", gpus}});
    fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 100}});
    CHECK(fold.one("SELECT gpu_seconds FROM jobs").at("gpu_seconds") == 0);
    fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 100}, {"gpus", 8}});
    fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 50}, {"gpus", 4}}, "2026-11-23T20:35:09Z",
              "n2");
    CHECK(fold.one("SELECT gpu_seconds FROM jobs").at("gpu_seconds") == 1000);
}

TEST_CASE("what the fence stopped is added up over nodes") {
    Fold fold;
    const auto ended = [](int count) {
        return json{{"job", 17},
                    {"blocked", {{"connect", count}, {"socket", 0}}},
                    {"attempts", {{{"what", "TCP"}, {"to", "203.0.113.5:443"}, {"count", count}}}}};
    };
    fold.node("job-started", "job:17", {{"job", 17}, {"account", "e-alice"}});
    fold.node("job-ended", "job:17", ended(3));
    fold.node("job-ended", "job:17", ended(4), "2026-11-23T20:35:09Z", "n2");
    CHECK(fold.one("SELECT count FROM blocked WHERE kind = 'connect'").at("count") == 7);
    CHECK(fold.one("SELECT what, target, count FROM attempts") ==
          json{{"what", "TCP"}, {"target", "https"}, {"count", 7}});
    CHECK(fold.one("SELECT records_ended FROM jobs").at("records_ended") == 2);
}

TEST_CASE("how a job ended is what Slurm said of its last run, in words of a list") {
    Fold fold;
    const auto told = [&](const json& outcome, const json& exit) {
        fold.node("job-outcome", "job:17", {{"job", 17}, {"outcome", outcome}, {"exit", exit}});
    };
    const auto known = [&] { return fold.one("SELECT outcome, exit_class FROM jobs WHERE id = 17"); };
    const json nothing{{"outcome", nullptr}, {"exit_class", nullptr}};
    fold.node("job-started", "job:17", {{"job", 17}, {"account", "e-alice"}});
    CHECK(known() == nothing);
    fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 1}});
    told("requeued", "unknown");
    CHECK(known() == json{{"outcome", "requeued"}, {"exit_class", "unknown"}});
    told("the key is 0123", {{"not", "a word"}});
    CHECK(known() == json{{"outcome", "unknown"}, {"exit_class", "unknown"}});
    fold.node("job-started", "job:17", {{"job", 17}});
    fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 1}});
    told("failed", "nonzero");
    fold.node("job-started", "job:17", {{"job", 17}});  // of another node, whose records come later
    fold.node("job-ended", "job:17", {{"job", 17}, {"seconds", 1}});
    told("requeued", "unknown");  // of an earlier run
    told("unknown", "unknown");
    CHECK(known() == json{{"outcome", "failed"}, {"exit_class", "nonzero"}});
    fold.node("job-outcome", "job:18", {{"job", 18}, {"outcome", "failed"}, {"exit", "zero"}});  // of no job
    CHECK(fold.state.rows("SELECT id FROM jobs").size() == 1);
}

TEST_CASE("a node's record of another form leaves the rest of the state whole") {
    Fold fold;
    fold.node("job-ended", "job:17", {{"job", 17}, {"account", {{"not", "a text"}}}, {"blocked", "none"}});
    fold.node("job-ended", "job:18", {{"job", 18}, {"blocked", {{"x", "many"}}}, {"attempts", {{"a", 1}}}});
    fold.fold("node:n1", "node.job-ended", "job:19", {{"id", 7}, {"details", json::array()}});
    fold.fold("e-alice", "job.submitted", "job:20", {{"job", {1, 2}}, {"request", json::object()}});
    fold.fold("x", "enclave.opened", "hel", json::array());
    CHECK(fold.state.rows("SELECT * FROM attempts").empty());
    CHECK(fold.state.rows("SELECT * FROM blocked").empty());
    fold.node("job-started", "job:21", {{"job", 21}, {"account", "e-alice"}});
    CHECK(fold.one("SELECT account FROM jobs WHERE id = 21").at("account") == "e-alice");
}

TEST_CASE(
    "whose a job is, its nodes say; what a researcher claims ties a request of its own to a number, once") {
    Fold fold;
    const auto request = [&](const char* id) {
        return fold.one(std::string("SELECT * FROM requests WHERE id = '") + id + "'");
    };
    fold.fold("e-bob", "job.requested", "J-1", {{"grant", "G-1"}, {"enclave", "hel"}, {"nodes", 2}});
    fold.fold("carol", "job.submitted", "job:17", {{"job", 17}, {"request", "J-1"}});
    CHECK(request("J-1").at("job").is_null());
    fold.fold("e-bob", "job.submitted", "job:17", {{"job", 17}, {"request", "J-1"}});
    fold.fold("e-bob", "job.submitted", "job:18", {{"job", 18}, {"request", "J-1"}});
    CHECK(request("J-1").at("job") == 17);
    CHECK(fold.state.rows("SELECT * FROM jobs").empty());
    fold.node("job-started", "job:17", {{"job", 17}, {"account", "e-alice"}, {"grant", "G-2"}});
    fold.fold("e-bob", "job.submitted", "job:17", {{"job", 17}, {"request", "J-1"}});
    CHECK(fold.one("SELECT account, grant_id FROM jobs") ==
          json{{"account", "e-alice"}, {"grant_id", "G-2"}});
}

TEST_CASE("a text of a record lies beside the ledger, until it is erased") {
    const test::Scratch scratch;
    Texts texts(scratch / "texts.db");
    const json kept = texts.keep("grant.revoked", "G-1", {{"reason", "a name"}, {"group", "legal"}});
    texts.commit();
    CHECK(Texts::is_reference(kept.at("reason").get<std::string>()));
    CHECK(kept.at("group") == "legal");
    const json again = texts.keep("grant.revoked", "G-1", {{"reason", "a name"}});
    CHECK(again.at("reason") != kept.at("reason"));  // the same words are not recognised by their hash
    texts.roll_back();
    json shown = kept;
    texts.resolve(shown);
    CHECK(shown.at("reason") == "a name");
    CHECK(texts.erase("G-1") == 1);
    shown = kept;
    texts.resolve(shown);
    CHECK(shown.at("reason") == "(erased)");
    const std::string left = core::read_text(scratch / "texts.db");
    CHECK(left.find("a name") == std::string::npos);
}

TEST_CASE("an enclave's state follows its records; closing withdraws its keys") {
    Fold fold;
    const auto is = [&](const char* state) { return fold.state.enclave("hel")->at("state") == state; };
    CHECK_FALSE(fold.state.enclave("hel"));
    fold.fold("root", "enclave.opened", "enclave:hel", {{"reason", "never created"}});
    CHECK_FALSE(fold.state.enclave("hel"));
    fold.fold("root", "enclave.created", "enclave:hel", json::object());
    CHECK(is("created"));
    fold.fold("root", "enclave.opened", "enclave:hel", {{"reason", "passed"}});
    CHECK(is("open"));
    fold.fold("root", "enclave.changed", "enclave:hel", {{"add", {{"nodes", {"n3"}}}}});
    CHECK(is("open"));
    fold.fold("intake", "key.sealed", "digits@1", {{"enclave", "hel"}, {"sealed", "s"}});
    fold.fold("intake", "key.sealed", "wdbc@1", {{"enclave", "hel"}, {"sealed", "s"}});
    fold.fold("intake", "key.sealed", "digits@1", {{"enclave", "other"}, {"sealed", "s"}});
    fold.fold("root", "key.withdrawn", "wdbc@1", {{"enclave", "hel"}});
    CHECK(fold.state.rows("SELECT * FROM sealed_keys").size() == 2);
    fold.fold("root", "enclave.suspended", "enclave:hel", {{"reason", "doubt"}});
    CHECK(is("suspended"));
    CHECK(fold.state.enclave("hel")->at("reason") == "doubt");
    fold.fold("root", "enclave.closed", "enclave:hel", {{"reason", "over"}});
    CHECK(is("closed"));
    CHECK(fold.one("SELECT enclave FROM sealed_keys").at("enclave") == "other");
    fold.fold("root", "enclave.opened", "enclave:hel", {{"reason", "again"}});
    CHECK(is("closed"));
}

TEST_CASE("a database of another version is thrown away, not read") {
    const test::Scratch scratch;
    {
        Database old(scratch / "state.db");
        old.script("CREATE TABLE jobs(id INTEGER); INSERT INTO jobs VALUES(1);");
    }
    State state(scratch / "state.db");
    CHECK(state.rows("SELECT id, records_ended FROM jobs").empty());
}

namespace {

// A ledger as nodes make it: ids at random, jobs one after the other.
void write_ledger(const std::filesystem::path& file, std::uint64_t records) {
    core::Ledger ledger(file, core::SigningKey::generate());
    for (std::uint64_t n = 0; n < records; ++n) {
        const std::string job = std::to_string(n / 2 + 1), node = "n" + std::to_string(n % 7);
        ledger.add("node:" + node, n % 2 ? "node.job-ended" : "node.job-started", "job:" + job,
                   {{"id", core::to_hex(core::sha256(core::view(std::to_string(n)))).substr(0, 32)},
                    {"time", "2026-11-23T20:35:08Z"},
                    {"details",
                     {{"job", n / 2 + 1},
                      {"account", "e-" + std::to_string(n / 2 * 7919 % 1000)},
                      {"grant", "G-1"},
                      {"enclave", "hel"},
                      {"seconds", 60}}}});
        if (n % 1000 == 999) ledger.commit();
    }
    ledger.commit();
}

}  // namespace

TEST_CASE("what is written besides to make the state anew does not grow with the ledger") {
    const auto log_bytes = [](std::uint64_t records) {
        const test::Scratch scratch;
        write_ledger(scratch / "ledger.jsonl", records);
        State state(scratch / "state.db");
        CHECK(state.catch_up(scratch / "ledger.jsonl", true) >= records);
        CHECK(state.rows("SELECT count(*) AS n FROM jobs").at(0).at("n") == records / 2);
        CHECK(state.rows("SELECT 1 FROM sqlite_master WHERE name = 'jobs_account'").size() == 1);
        CHECK(state.has_node_record(core::to_hex(core::sha256(core::view("7"))).substr(0, 32)));
        return std::filesystem::file_size(scratch / "state.db-wal");
    };
    const auto one = log_bytes(State::kPerTransaction), three = log_bytes(3 * State::kPerTransaction);
    CHECK(three < 2 * one);
}

TEST_CASE("a state whose making was interrupted goes on where it was") {
    const test::Scratch scratch;
    const auto ledger = scratch / "ledger.jsonl";
    write_ledger(ledger, State::kPerTransaction * 3 / 2);
    const std::string whole = core::read_text(ledger, 64 << 20);
    const auto damaged = whole.rfind("\"seq\"");
    REQUIRE(damaged != std::string::npos);
    core::write_atomically(ledger, whole.substr(0, damaged) + "\n");
    CHECK_THROWS_AS(State(scratch / "state.db").catch_up(ledger, false), core::Error);
    core::write_atomically(ledger, whole);
    State state(scratch / "state.db");
    const auto left =
        static_cast<std::uint64_t>(std::count(whole.begin(), whole.end(), '\n')) - State::kPerTransaction;
    CHECK(state.catch_up(ledger, false) == left);
    CHECK(state.rows("SELECT count(*) AS n FROM jobs WHERE state = 'ended'").at(0).at("n") ==
          State::kPerTransaction * 3 / 4);
    CHECK(state.catch_up(ledger, false) == 0);
    // What another version of Aloft left out of a state of the same tables is not missing for ever.
    Database(scratch / "state.db").script("DELETE FROM jobs; PRAGMA user_version = 11");
    State again(scratch / "state.db");
    CHECK(again.catch_up(ledger, false) == left + State::kPerTransaction);
    CHECK_FALSE(again.rows("SELECT 1 FROM jobs").empty());
}

namespace {

// Job 17 of G-1 on two nodes with two GPUs each, an hour at most; times are seconds after 20:00.
struct Runs : Fold {
    static std::string at(std::int64_t seconds) { return core::rfc3339(1795464000 + seconds); }
    static json details(json more, const char* start) {
        json all{{"job", 17}, {"account", "e-alice"}, {"grant", "G-1"}, {"start", start}, {"gpus", 2}};
        all.update(more);
        return all;
    }
    void begins(const char* host, std::int64_t when, const char* start = "0", json most = 3600) {
        node("job-started", "job:17", details({{"most_seconds", most}}, start), at(when), host);
    }
    void ends(const char* host, std::int64_t when, std::int64_t seconds, const char* start = "0") {
        node("job-ended", "job:17", details({{"seconds", seconds}}, start), at(when), host);
    }
    void lost(const char* host, int start = 0) {
        fold("aloftd", "job.lost", "job:17", {{"job", 17}, {"node", host}, {"start", start}});
    }
    void told(const char* outcome) {
        node("job-outcome", "job:17", {{"job", 17}, {"outcome", outcome}, {"exit", "unknown"}});
    }
    json job() { return one("SELECT state, ended, node_seconds, gpu_seconds, outcome FROM jobs"); }
    json is(const char* stands, const json& ended, int node_seconds, const json& outcome) {
        return {{"state", stands},
                {"ended", ended},
                {"node_seconds", node_seconds},
                {"gpu_seconds", 2 * node_seconds},
                {"outcome", outcome}};
    }
    json until() {
        json out = json::object();
        for (const json& row : state.rows("SELECT node, min(coalesce(over, began + most), began + most) - "
                                          "1795464000 AS until FROM runs WHERE counted IS NULL"))
            out[row.at("node").get<std::string>()] = row.at("until");
        return out;
    }
};

}  // namespace

TEST_CASE(
    "a run whose node tells no end is over by its limit, counted once, and anew when its node tells after "
    "all") {
    Runs runs;
    runs.begins("n1", 0);
    CHECK(runs.until() == json{{"n1", 3600}});
    runs.lost("n2");  // none is open there
    CHECK(runs.job() == runs.is("started", nullptr, 0, nullptr));
    runs.lost("n1");
    CHECK(runs.job() == runs.is("ended", Runs::at(3600), 3600, "lost"));
    runs.lost("n1");
    CHECK(runs.job() == runs.is("ended", Runs::at(3600), 3600, "lost"));
    CHECK(runs.one("SELECT n FROM tallies WHERE thing = 'jobs' AND state = 'started'").at("n") == 0);
    CHECK(runs.one("SELECT jobs, failed, node_seconds FROM usage WHERE jobs > 0") ==
          json{{"jobs", 1}, {"failed", 1}, {"node_seconds", 3600}});
    runs.ends("n1", 40 * 86400, 1000);  // switched on again in another month
    CHECK(runs.job() == runs.is("ended", Runs::at(3600), 1000, "lost"));
    runs.node("job-outcome", "job:17", {{"job", 17}, {"outcome", "completed"}, {"exit", "zero"}});
    CHECK(runs.one("SELECT month, jobs, completed, failed, node_seconds FROM usage WHERE jobs > 0") ==
          json{{"month", "2026-11"}, {"jobs", 1}, {"completed", 1}, {"failed", 0}, {"node_seconds", 1000}});
}

TEST_CASE(
    "a node that was out of reach counts no more than the limit, and ends its job when it must have ended") {
    Runs runs;
    runs.begins("n1", 0);
    runs.ends("n1", 40 * 86400, 40 * 86400);
    CHECK(runs.job() == runs.is("ended", Runs::at(3600 + 900), 3600 + 900, nullptr));
    CHECK(runs.until() == json::object());
}

TEST_CASE("what the other nodes tell, or the job's next start, ends a run that was lost before its limit") {
    Runs runs;
    runs.begins("n1", 0);
    runs.begins("n2", 5);
    CHECK(runs.until() == json{{"n1", 3600}, {"n2", 3605}});  // a second node is no second start
    runs.ends("n2", 1205, 1200);
    CHECK(runs.until() == json{{"n1", 1205}});
    runs.begins("n2", 1300, "1");
    runs.begins("n3", 1300, "1");
    runs.begins("n4", 4, "0");  // came late
    CHECK(runs.until() == json{{"n1", 1205}, {"n2", 4900}, {"n3", 4900}, {"n4", 3604}});
    runs.lost("n1");
    CHECK(runs.job() == runs.is("started", Runs::at(1205), 1200 + 1205, nullptr));  // it runs again
    runs.begins("n3", 2000, "2");  // there, too, it was lost: Prolog runs again
    CHECK(runs.until() == json{{"n2", 2000}, {"n3", 5600}, {"n4", 3604}});  // n3 was none of n4's run
    CHECK(runs.job().at("node_seconds") == 1200 + 1205 + 700);
}

TEST_CASE("a limit that is none opens no run") {
    Runs runs;
    for (const json& most : {json(0), json(-1), json("3600"), json(INT64_MAX), json(UINT64_MAX), json()})
        runs.begins("n1", 0, "0", most);
    CHECK(runs.state.rows("SELECT * FROM runs").empty());
    runs.ends("n1", 100, 100);
    CHECK(runs.job() == runs.is("ended", Runs::at(100), 100, nullptr));
}

TEST_CASE("a host that was no node of a run does not end it, and no run ends before it began") {
    Runs runs;
    runs.begins("n1", 0);
    runs.begins("n2", 0);
    runs.ends("n9", -1000000, 0);
    runs.begins("n9", 10, "7");
    CHECK(runs.until() == json{{"n1", 3600}, {"n2", 3600}, {"n9", 3610}});
    runs.ends("n2", -1000000, 0);
    CHECK(runs.until() == json{{"n1", 0}, {"n9", 3610}});
    // Looked for as lost from when it was told, not from when the node says it was.
    CHECK(runs.one("SELECT heard IS NOT NULL AS late FROM runs WHERE node = 'n1'").at("late") == 1);
}

TEST_CASE("a run that was lost after one that was requeued makes the job a lost one") {
    Runs runs;
    runs.begins("n1", 0);
    runs.ends("n1", 100, 100);
    runs.told("requeued");
    runs.begins("n2", 200, "1");
    runs.lost("n2", 1);
    CHECK(runs.job() == runs.is("ended", Runs::at(3800), 3700, "lost"));
    runs.told("requeued");  // of the first run, late
    CHECK(runs.job().at("outcome") == "lost");
    runs.told("completed");
    CHECK(runs.job().at("outcome") == "completed");
}

TEST_CASE("an end is that of its own run, in whatever order they are told") {
    Runs runs;
    SECTION("without a limit, after a run that was lost") {
        runs.begins("n1", 0);
        runs.lost("n1");
        runs.begins("n1", 4000, "1", 0);
        runs.ends("n1", 11200, 7200, "1");
        CHECK(runs.job() == runs.is("ended", Runs::at(11200), 3600 + 7200, "lost"));
    }
    SECTION("late, while the next run is open") {
        runs.begins("n1", 0);
        runs.begins("n1", 1000, "1");
        runs.ends("n1", 900, 900);
        CHECK(runs.until() == json{{"n1", 4600}});
        CHECK(runs.job().at("state") == "started");
        CHECK(runs.job().at("node_seconds") == 900);
    }
    SECTION("before the beginning, and twice") {
        runs.ends("n1", 900, 900);
        runs.begins("n1", 0);
        runs.ends("n1", 900, 900);
        CHECK(runs.until() == json::object());
        CHECK(runs.job() == runs.is("ended", Runs::at(900), 900, nullptr));
    }
}
