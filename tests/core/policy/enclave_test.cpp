#include "core/policy/enclave.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
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
    enclave.images = {{"monai-1.4", "/srv/images/monai.sqfs", std::string(64, 'a')},
                      {"r", "/srv/images/r.sqfs", std::string(64, '0')}};
    policies.put("hel", to_toml(enclave));
    const Enclave read = load_enclave(policies.site, "hel");
    CHECK(read.partition == "hel-gpu");
    CHECK(read.accounts == enclave.accounts);
    CHECK(read.infiniband_pkey == 0x12);
    CHECK(read.nodes == enclave.nodes);
    CHECK(read.software == enclave.software);
    CHECK(read.images == enclave.images);
    CHECK(read.asked_image("r").file == "/srv/images/r.sqfs");
    CHECK_THROWS_WITH(read.asked_image("R"), Contains("no image of that name; it has monai-1.4, r"));
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
    const std::string hash(64, 'a'), image = "name = \"x\"\n[[image]]\nname = ";
    const auto [toml, key] = GENERATE_COPY(table<std::string, std::string>({
        {image + "\"i\"\nfile = \"/i\"\nsha256 = \"" + hash + "a\"", "sha256"},
        {image + "\"i\"\nfile = \"/i\"\nsha256 = \"" + std::string(64, 'A') + "\"", "sha256"},
        {image + "\"i\"\nfile = \"i\"\nsha256 = \"" + hash + "\"", "file"},
        {image + "\"i j\"\nfile = \"/i\"\nsha256 = \"" + hash + "\"", "name"},
        {image + "\"i\"\nfile = \"/i\"", "sha256"},
        {image + "\"i\"\nfile = \"/i\"\nsha256 = \"" + hash +
             "\"\n[[image]]\nname = \"i\"\nfile = \"/j\"\nsha256 = \"" + hash + "\"",
         "an image above"},
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

TEST_CASE("an enclave's networks, addresses and allowances are read, and survive being written") {
    const std::string text =
        "name = \"hel\"\nnodes = [\"n1\", \"n2\"]\nnetworks = [\"10.0.0.0/24\", \"10.1.0.0/16\"]\n"
        "interfaces = [\"eth0\", \"ib0\"]\n[addresses]\nn1 = [\"10.0.0.11\", \"10.1.0.11\"]\n"
        "[[allow]]\nfrom = \"10.0.0.0/24\"\nprotocol = \"tcp\"\nport = 1191\n"
        "[[allow]]\nto = \"10.9.0.1\"\nprotocol = \"udp\"\nport = 53\ndirection = \"out\"\n";
    const auto enclave = core::parse_enclave(text, "hel.toml");
    CHECK(enclave.networks.size() == 2);
    CHECK(enclave.has_address(core::parse_ip4("10.1.200.1")));
    CHECK_FALSE(enclave.has_address(core::parse_ip4("10.2.0.1")));
    CHECK(enclave.addresses.at("n1").back() == core::parse_ip4("10.1.0.11"));
    REQUIRE(enclave.allowed.size() == 2);
    CHECK(enclave.allowed[0] == core::Allowance{core::parse_network("10.0.0.0/24"), true, true, 1191});
    CHECK(enclave.allowed[1] == core::Allowance{core::parse_network("10.9.0.1/32"), false, false, 53});
    const auto again = core::parse_enclave(core::to_toml(enclave), "hel.toml");
    CHECK(again.networks == enclave.networks);
    CHECK(again.interfaces == enclave.interfaces);
    CHECK(again.addresses == enclave.addresses);
    CHECK(again.allowed == enclave.allowed);
}

TEST_CASE("a policy whose network cannot be meant is refused by name of its key") {
    const auto refuse = [](const std::string& more) {
        std::string said;
        try {
            core::parse_enclave("name = \"hel\"\nnodes = [\"n1\"]\n" + more, "hel.toml");
        } catch (const core::Error& e) {
            said = e.what();
        }
        return said;
    };
    const std::string allow = "[[allow]]\nfrom = \"10.0.0.0/8\"\n";
    CHECK_THAT(refuse("networks = [\"10.0.0.5/24\"]"),
               Catch::Contains("networks") && Catch::Contains("beyond its mask"));
    CHECK_THAT(refuse("networks = [\"n1\"]"), Catch::Contains("networks"));
    CHECK_THAT(refuse("networks = [\"10.0.0.0/33\"]"), Catch::Contains("networks"));
    CHECK_THAT(refuse("interfaces = [\"lo\"]"), Catch::Contains("interfaces"));
    CHECK_THAT(refuse("[addresses]\nn2 = [\"10.0.0.1\"]"), Catch::Contains("n2"));
    CHECK_THAT(refuse("networks = [\"10.0.0.0/24\"]\n[addresses]\nn1 = [\"10.1.0.1\"]"),
               Catch::Contains("none of `networks`"));
    CHECK_THAT(refuse(allow + "protocol = \"sctp\"\nport = 1191"), Catch::Contains("protocol"));
    CHECK_THAT(refuse(allow + "protocol = \"tcp\"\nport = 22"), Catch::Contains("port"));
    CHECK_THAT(refuse(allow + "protocol = \"tcp\"\nport = 1191\nprot = 1"), Catch::Contains("prot"));
    CHECK_THAT(refuse("[[allow]]\nto = \"10.0.0.0/8\"\nprotocol = \"tcp\"\nport = 1191\ndirection = \"out\""),
               Catch::Contains("needs no allowance"));
}

TEST_CASE("a network holds the addresses of its prefix and no other") {
    const auto all = core::parse_network("0.0.0.0/0"), one = core::parse_network("10.0.0.1");
    CHECK(all.contains(core::parse_ip4("255.255.255.255")));
    CHECK(one.contains(core::parse_ip4("10.0.0.1")));
    CHECK_FALSE(one.contains(core::parse_ip4("10.0.0.0")));
    CHECK(core::parse_network("10.128.0.0/9").text() == "10.128.0.0/9");
}
