#include "core/policy/enclave.h"

#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "core/policy/names.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

struct Policies {
    test::Scratch scratch;
    Site site;
    Policies() {
        site.config = scratch.path();
        make_directories(scratch / "enclaves");
    }
    void put(const std::string& name, const std::string& toml) const {
        write_atomically(scratch / "enclaves" / (name + ".toml"), toml);
    }
};

}  // namespace

TEST_CASE("a policy written is the policy read") {
    const Policies policies;
    Enclave enclave;
    enclave.name = "hel";
    enclave.partition = "hel-gpu";
    enclave.accounts = {"e-alice", "e-bob"};
    enclave.nodes = {"n1", "n2"};
    enclave.software = {"/opt/aloft", "/opt/more"};
    enclave.max_minutes = 60;
    enclave.infiniband_pkey = 0x12;
    policies.put("hel", to_toml(enclave));
    const Enclave read = load_enclave(policies.site, "hel");
    CHECK(read.partition == "hel-gpu");
    CHECK(read.accounts == enclave.accounts);
    CHECK(read.infiniband_pkey == 0x12);
    CHECK(read.nodes == enclave.nodes);
    CHECK(read.software == enclave.software);
    CHECK(read.max_minutes == 60);
    CHECK(read.source == to_toml(enclave));
    CHECK(source_of_account(policies.site, "e-bob")->name == "hel");
    CHECK_FALSE(source_of_account(policies.site, "carol"));
}

TEST_CASE("an account or a partition belongs to one enclave only") {
    const Policies policies;
    policies.put("a", "name = \"a\"\naccounts = [\"e-alice\"]\n");
    policies.put("b", "name = \"b\"\naccounts = [\"e-alice\"]\n");
    CHECK_THROWS_WITH(load_enclave_sources(policies.site), Contains("two enclaves"));
    policies.put("b", "name = \"b\"\npartition = \"a\"\n");
    CHECK_THROWS_WITH(load_enclave_sources(policies.site), Contains("another enclave has it"));
}

TEST_CASE("a policy is judged as a text as it is as a file, and beside others before it is written") {
    Enclave enclave;
    enclave.name = enclave.partition = "hel";
    enclave.accounts = {"e-alice"};
    enclave.max_minutes = 60;
    CHECK(parse_enclave(to_toml(enclave), "/etc/aloft/enclaves/hel.toml").accounts == enclave.accounts);
    CHECK_THROWS_WITH(parse_enclave(to_toml(enclave), "/etc/aloft/enclaves/other.toml"),
                      Contains("other.toml") && Contains("the name of its file"));
    Enclave other = enclave;
    other.name = other.partition = "other";
    CHECK_THROWS_WITH(check_apart({enclave, other}), Contains("enclave other") && Contains("two enclaves"));
    other.accounts = {"e-bob", "e-bob"};
    CHECK_THROWS_WITH(check_apart({enclave, other}), Contains("twice here"));
    other.accounts = {"e-bob"};
    CHECK_NOTHROW(check_apart({enclave, other}));
}

TEST_CASE("an unsound policy is refused with its key") {
    const Policies policies;
    const auto [toml, key] = GENERATE(table<std::string, std::string>({
        {"name = \"other\"", "name"},
        {"name = \"x\"\naccount = [\"a\"]", "did you mean \"accounts\""},
        {"name = \"x\"\naccounts = [\"-a\"]", "accounts"},
        {"name = \"x\"\nnodes = [\"n[1-4]\"]", "nodes"},
        {"name = \"x\"\nsoftware = [\"opt\"]", "software"},
        {"name = \"x\"\nsoftware = [\"/\"]", "software"},
        {"name = \"x\"\nsoftware = [\"/opt/../etc\"]", "software"},
        {"name = \"x\"\nmax_minutes = 0", "max_minutes"},
        {"name = \"x\"\ninfiniband_pkey = 0x7fff", "infiniband_pkey"},
        {"name = \"x\"\ninfiniband_pkey = 0x8012", "infiniband_pkey"},
    }));
    policies.put("x", toml);
    CHECK_THROWS_WITH(load_enclave(policies.site, "x"), Contains(key));
}

TEST_CASE("a name cannot leave its folder or look like an option") {
    for (const char* bad : {"", "-x", "a/b", "..", ".x", "a b", "a\n", "\xc3\xa4"})
        CHECK_FALSE(is_plain_name(bad));
    CHECK_FALSE(is_plain_name(std::string(65, 'a')));
    CHECK(is_plain_name("e-alice"));
    CHECK(parse_dataset_name("digits@1").version == "1");
    for (const char* bad : {"digits", "@1", "digits@", "a/b@1", "a@1@2"})
        CHECK_THROWS(parse_dataset_name(bad));
}
