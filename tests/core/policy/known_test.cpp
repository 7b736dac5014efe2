#include "core/policy/known.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

namespace {

constexpr std::uint32_t kAlice = 70001, kBob = 70002, kCarol = 70010;

core::Enclaves hel() {
    core::Enclave enclave;
    enclave.name = "hel";
    enclave.partition = "hel-gpu";
    enclave.accounts = {"e-alice", "e-bob"};
    enclave.uids = {{"e-alice", kAlice}, {"e-bob", kBob}};
    return {{enclave}, {}};
}

}  // namespace

TEST_CASE("what was known last is there when nothing can be read any more") {
    const test::Scratch scratch;
    const auto folder = scratch / "state";
    CHECK_FALSE(core::load_known(folder).concerns("e-alice", kCarol, "hel-gpu"));
    core::remember(core::known_of(hel()), folder);
    const auto known = core::load_known(folder);
    CHECK(known == core::known_of(hel()));
    CHECK(known.accounts.at("e-bob") == "hel");
    CHECK(known.concerns("e-alice", kCarol, "open"));
    CHECK(known.concerns("carol", kCarol, "hel-gpu"));
    CHECK(known.concerns("", kCarol, "hel-gpu"));
    CHECK_FALSE(known.concerns("carol", kCarol, "open"));
    CHECK_FALSE(known.concerns("", kCarol, "open"));
    CHECK_FALSE(known.concerns("hel-gpu", kCarol, "e-alice"));
}

TEST_CASE("what was an enclave's once stays known, and whose it is now counts") {
    const test::Scratch scratch;
    core::remember(core::known_of(hel()), scratch.path());
    auto later = hel();
    later.usable[0].accounts = {"e-alice"};
    later.usable[0].uids = {{"e-alice", kAlice}};
    core::remember(core::known_of(later), scratch.path());
    CHECK(core::load_known(scratch.path()) == core::known_of(hel()));
    later.usable[0].name = "lin";
    core::remember(core::known_of(later), scratch.path());
    const auto known = core::load_known(scratch.path());
    CHECK(known.enclave_of("e-alice", kAlice) == "lin");
    CHECK(known.enclave_of("e-bob", kBob) == "hel");
}

TEST_CASE("a memory that cannot be written leaves the one before, and is told") {
    const test::Scratch scratch;
    core::remember(core::known_of(hel()), scratch / "state");
    core::write_atomically(scratch / "file", "x");
    CHECK_THROWS_AS(core::remember(core::known_of(hel()), scratch / "file" / "below"), core::Error);
    CHECK(core::load_known(scratch / "state") == core::known_of(hel()));
}

TEST_CASE("of a damaged memory the lines that are whole count") {
    const test::Scratch scratch;
    core::write_atomically(scratch / "known",
                           "account e-alice hel\nuid 70001x hel\nuid 4294967296 hel\nuid 70002 "
                           "hel\npartition\n\nzzz a b\npartition hel-gpu");
    const core::Known expected{{{"e-alice", "hel"}}, {{kBob, "hel"}}, {}};
    CHECK(core::load_known(scratch.path()) == expected);
}

TEST_CASE("an account is known by its number too, whatever it is called here") {
    const test::Scratch scratch;
    core::remember(core::known_of(hel()), scratch.path());
    const auto known = core::load_known(scratch.path());
    CHECK(known.concerns("another-name", kAlice, "open"));
    CHECK(known.concerns("", kAlice, "open"));
    CHECK(known.enclave_of("another-name", kAlice) == "hel");
    CHECK(known.enclave_of("e-alice", kCarol) == "hel");
    CHECK(known.enclave_of("carol", kCarol).empty());
}

TEST_CASE("an enclave whose policy is unusable here is known by the signed list") {
    const core::UnusableEnclave lin{"lin", "half written", "lin-gpu", {kBob}};
    const auto known = core::known_of(core::Enclaves{{}, {lin}});
    CHECK(known.concerns("e-bob", kBob, "open"));
    CHECK(known.concerns("carol", kCarol, "lin-gpu"));
    CHECK_FALSE(known.concerns("carol", kCarol, "open"));
    CHECK(known.enclave_of("e-bob", kBob) == "lin");
    core::SignedList list;
    list.policies["lin"] = {"", "lin-gpu", {kBob}};
    CHECK(core::known_of(list) == known);
    auto both = core::known_of(hel());
    CHECK_FALSE(both.has_all_of(known));
    both.add(known);
    CHECK(both.has_all_of(known));
    CHECK(both.concerns("e-alice", kAlice, "open"));
    CHECK(both.concerns("carol", kCarol, "lin-gpu"));
}
