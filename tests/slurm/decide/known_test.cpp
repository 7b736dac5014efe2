#include "slurm/decide/known.h"

#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "support/scratch.h"

namespace {

slurm::Known hel() {
    core::Enclave enclave;
    enclave.name = "hel";
    enclave.partition = "hel-gpu";
    enclave.accounts = {"e-alice", "e-bob"};
    return slurm::known_of({enclave});
}

}  // namespace

TEST_CASE("what was known last is there when nothing can be read any more") {
    const test::Scratch scratch;
    const auto folder = scratch / "state";
    CHECK_FALSE(slurm::load_known(folder).concerns("e-alice", "hel-gpu"));
    REQUIRE(slurm::keep_known(hel(), folder));
    const auto known = slurm::load_known(folder);
    CHECK(known == hel());
    CHECK(known.accounts.at("e-bob") == "hel");
    CHECK(known.concerns("e-alice", "open"));
    CHECK(known.concerns("carol", "hel-gpu"));
    CHECK(known.concerns("", "hel-gpu"));
    CHECK_FALSE(known.concerns("carol", "open"));
    CHECK_FALSE(known.concerns("", "open"));
    CHECK_FALSE(known.concerns("hel-gpu", "e-alice"));
}

TEST_CASE("a snapshot that cannot be kept leaves the one before") {
    const test::Scratch scratch;
    REQUIRE(slurm::keep_known(hel(), scratch / "state"));
    core::write_atomically(scratch / "file", "x");
    CHECK_FALSE(slurm::keep_known(hel(), scratch / "file" / "below"));
    CHECK(slurm::load_known(scratch / "state") == hel());
}
