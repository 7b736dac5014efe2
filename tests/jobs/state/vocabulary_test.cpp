#include "jobs/state/vocabulary.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "core/ledger/ledger.h"
#include "jobs/state/state.h"
#include "support/scratch.h"

using namespace jobs;
using Catch::Contains;
using nlohmann::json;

namespace {

// A ledger that an aloftd which said `started` of itself has written to.
struct Written {
    test::Scratch scratch;
    std::filesystem::path ledger = scratch / "ledger.jsonl";

    explicit Written(const json& started) {
        core::Ledger to(ledger, core::SigningKey::generate());
        to.add("aloftd", "aloftd.started", "aloftd", {{"version", "0.1"}});
        to.add("admin", "enclave.created", "enclave:hel", json::object());
        to.add("aloftd", "aloftd.started", "aloftd", started);
        to.add("admin", "enclave.vanished", "enclave:hel", json::object());
        to.commit();
    }
    State state() const { return State(scratch / "state.db"); }
};

}  // namespace

TEST_CASE("a ledger that an aloftd of more records has written to is not read over") {
    const json said = GENERATE(json(kVocabulary + 1), json("many"), json(1e300));
    const Written later({{"version", "77.1"}, {"vocabulary", said}, {"site", "t"}});
    State state = later.state();
    CHECK_THROWS_WITH(state.catch_up(later.ledger, false),
                      Contains("record 3") && Contains("Aloft 77.1") && Contains("Install that version"));
    CHECK_FALSE(State::position_in(later.scratch / "state.db"));
    CHECK_THROWS_AS(state.catch_up(later.ledger, true), core::Error);
    CHECK(state.rows("SELECT * FROM enclaves").empty());
}

TEST_CASE("one of this number, of a lower one or of none is") {
    const json said = GENERATE(json(kVocabulary), json(0));
    const Written equal({{"version", "77.1"}, {"vocabulary", said}, {"site", "t"}});
    State state = equal.state();
    CHECK(state.catch_up(equal.ledger, false) == 4);
    CHECK(state.rows("SELECT * FROM enclaves").size() == 1);
}

TEST_CASE("nobody else's record speaks for aloftd") {
    core::Record record;
    record.kind = "aloftd.started";
    record.actor = "node:n1";
    record.details = {{"vocabulary", kVocabulary + 1}};
    CHECK_NOTHROW(check_vocabulary(record));
    record.actor = "aloftd";
    CHECK_THROWS_AS(check_vocabulary(record), core::Error);
}
