#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "slurm/preflight/preflight.h"
#include "support/scratch.h"

namespace {

core::Enclave hel() {
    core::Enclave enclave;
    enclave.name = "hel";
    enclave.uids = {{"e-alice", 70001}, {"e-bob", 70002}};
    return enclave;
}

const std::string kOwn =
    "root:x:0:0::/root:/bin/sh\ncarol:x:70010:70010::/home/carol:/bin/bash\n"
    "e-alice:x:70001:70001::/:/bin/sh\ne-bob:x:70002:70002::/:/bin/sh\n";

using Accounts = std::vector<core::Account>;

// Good; or what was found. `directory`: what the host's name service has.
std::string says(const std::string& passwd, const Accounts& directory = {{"e-bob", 70002, 1, "/", ""}}) {
    const test::Scratch scratch;
    core::write_atomically(scratch / "passwd", passwd);
    std::vector<std::string> asked;
    const core::Check check =
        slurm::check_own_numbers(hel(), scratch / "passwd", [&](const std::vector<std::string>& keys) {
            asked = keys;
            return directory;
        });
    CHECK(asked == std::vector<std::string>{"e-alice", "70001", "e-bob", "70002"});
    CHECK(check.what == "accounts of enclave hel");
    if (check.verdict == core::Verdict::good) return "good";
    return check.is_miss() && !check.remedy.empty() ? check.found : "no miss";
}

}  // namespace

TEST_CASE(
    "an enclave's account whose number is an ordinary account's too is found on a host that knows both") {
    CHECK(says(kOwn) == "good");
    CHECK(says(kOwn + "alice:x:70001:1::/home/alice:/bin/bash\n") == "70001 is e-alice's and alice's");
    CHECK(says("bob:x:70002:1::/home/bob:/bin/bash\n" + kOwn) == "70002 is e-bob's and bob's");
    CHECK(says(kOwn, {{"bob", 70002, 1, "/", ""}}) ==
          "70002 is e-bob's and bob's");  // by the site's directory
    CHECK(says("", {{"e-bob", 70005, 1, "/", ""}}) == "e-bob has the number 70005 here, 70002 in the policy");
    CHECK(says("e-alice:x:1001:1::/:/bin/sh\n") == "e-alice has the number 1001 here, 70001 in the policy");
}

TEST_CASE("accounts that a host does not know, and lines that are none, are no fault") {
    CHECK(says("root:x:0:0::/root:/bin/sh\n") == "good");
    CHECK(says("", {}) == "good");
    CHECK(says("# 70001\n+::::::\nalice:x:\nalice:x:x70001:1::\nalice:x::70001::\n") == "good");
}

TEST_CASE("while the name service does not answer nobody can say whose their numbers are") {
    const test::Scratch scratch;
    core::write_atomically(scratch / "passwd", kOwn);
    const core::Check check =
        slurm::check_own_numbers(hel(), scratch / "passwd", [](const std::vector<std::string>&) -> Accounts {
            throw core::Error(core::Fault::system, "no answer");
        });
    CHECK(check.is_miss());
    CHECK(check.found == "no answer");
}
