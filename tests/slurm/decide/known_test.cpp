#include "slurm/decide/known.h"

#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "support/scratch.h"

namespace {

constexpr std::uint32_t kAlice = 70001, kBob = 70002, kCarol = 70010;

slurm::Known hel() {
    core::Enclave enclave;
    enclave.name = "hel";
    enclave.partition = "hel-gpu";
    enclave.accounts = {"e-alice", "e-bob"};
    enclave.uids = {{"e-alice", kAlice}, {"e-bob", kBob}};
    return slurm::known_of({enclave});
}

}  // namespace

TEST_CASE("what was known last is there when nothing can be read any more") {
    const test::Scratch scratch;
    const auto folder = scratch / "state";
    CHECK_FALSE(slurm::load_known(folder).concerns("e-alice", kCarol, "hel-gpu"));
    REQUIRE(slurm::keep_known(hel(), folder));
    const auto known = slurm::load_known(folder);
    CHECK(known == hel());
    CHECK(known.accounts.at("e-bob") == "hel");
    CHECK(known.concerns("e-alice", kCarol, "open"));
    CHECK(known.concerns("carol", kCarol, "hel-gpu"));
    CHECK(known.concerns("", kCarol, "hel-gpu"));
    CHECK_FALSE(known.concerns("carol", kCarol, "open"));
    CHECK_FALSE(known.concerns("", kCarol, "open"));
    CHECK_FALSE(known.concerns("hel-gpu", kCarol, "e-alice"));
}

TEST_CASE("a snapshot that cannot be kept leaves the one before") {
    const test::Scratch scratch;
    REQUIRE(slurm::keep_known(hel(), scratch / "state"));
    core::write_atomically(scratch / "file", "x");
    CHECK_FALSE(slurm::keep_known(hel(), scratch / "file" / "below"));
    CHECK(slurm::load_known(scratch / "state") == hel());
}

TEST_CASE("an account is known by its number too, whatever it is called here") {
    const test::Scratch scratch;
    REQUIRE(slurm::keep_known(hel(), scratch / "state"));
    const auto known = slurm::load_known(scratch / "state");
    CHECK(known.concerns("another-name", kAlice, "open"));
    CHECK(known.concerns("", kAlice, "open"));
    CHECK(known.enclave_of("another-name", kAlice) == "hel");
    CHECK(known.enclave_of("e-alice", kCarol) == "hel");
    CHECK(known.enclave_of("carol", kCarol).empty());
}

TEST_CASE("an enclave whose policy is unusable here is known by the signed list") {
    const core::UnusableEnclave lin{"lin", "half written", "lin-gpu", {kBob}};
    const auto known = slurm::known_of({}, {lin});
    CHECK(known.concerns("e-bob", kBob, "open"));
    CHECK(known.concerns("carol", kCarol, "lin-gpu"));
    CHECK_FALSE(known.concerns("carol", kCarol, "open"));
    CHECK(known.enclave_of("e-bob", kBob) == "lin");
    auto both = hel();
    both.add(known);
    CHECK(both.concerns("e-alice", kAlice, "open"));
    CHECK(both.concerns("carol", kCarol, "lin-gpu"));
}
