#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/enclave.h"
#include "support/published.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

// A host to which the policies of "hel" and "lin" were published.
struct Host {
    test::Scratch scratch;
    Site site;
    test::Published published;

    static Enclave enclave(const std::string& name, const std::vector<std::string>& accounts) {
        Enclave enclave;
        enclave.name = enclave.partition = name;
        enclave.accounts = accounts;
        enclave.nodes = {"n1"};
        enclave.max_minutes = 60;
        return enclave;
    }
    Host() : site(test::host_site(scratch.path())), published(site, 0, 1) {
        published.policy(enclave("hel", {"e-alice", "e-bob"}), {{"e-alice", 70001}, {"e-bob", 70002}});
        published.policy(enclave("lin", {"e-dan"}), {{"e-dan", 70003}});
    }
    std::filesystem::path file(const std::string& name) const {
        return site.mirror / "enclaves" / (name + ".json");
    }
};

}  // namespace

TEST_CASE("a host knows the enclaves that were published to it, however old the list is") {
    const Host host;
    std::vector<UnusableEnclave> unusable;
    const auto enclaves = load_enclaves(host.site, &unusable);
    REQUIRE(enclaves.size() == 2);
    CHECK(enclaves[0].name == "hel");
    CHECK(enclaves[0].uids.at("e-bob") == 70002);
    CHECK(unusable.empty());
    CHECK(enclave_of_user(host.site, "e-dan", 70003)->name == "lin");
    CHECK(Enclaves::load(host.site).of_partition("lin")->name == "lin");
    CHECK(enclave_of_account(host.site, "e-alice")->name == "hel");
    CHECK_FALSE(enclave_of_user(host.site, "carol", 1000));
    CHECK_FALSE(Enclaves::load(host.site).of_partition("open"));
}

TEST_CASE("one policy that cannot be used hides no other, and its accounts and partition stay its own") {
    Host host;
    const std::string whole = read_text(host.file("hel"));
    SECTION("half written") {
        write_atomically(host.file("hel"), whole.substr(0, whole.size() / 2));
    }
    SECTION("empty") {
        write_atomically(host.file("hel"), std::string());
    }
    SECTION("gone") {
        std::filesystem::remove(host.file("hel"));
    }
    SECTION("signed by somebody else") {
        write_atomically(host.file("hel"),
                         sign_enclave(to_toml(Host::enclave("hel", {})), {}, SigningKey::generate()));
    }
    SECTION("an older one put back") {
        host.published.policy(Host::enclave("hel", {"e-alice"}), {{"e-alice", 70001}, {"e-bob", 70002}});
        write_atomically(host.file("hel"), whole);
    }
    SECTION("another enclave's") {
        write_atomically(host.file("hel"), read_text(host.file("lin")));
    }
    std::vector<UnusableEnclave> unusable;
    const auto enclaves = load_enclaves(host.site, &unusable);
    REQUIRE(enclaves.size() == 1);
    CHECK(enclaves[0].name == "lin");
    REQUIRE(unusable.size() == 1);
    CHECK(unusable[0].name == "hel");
    CHECK(unusable[0].partition == "hel");
    CHECK(unusable[0].uids == std::vector<std::uint32_t>{70001, 70002});
    CHECK_THROWS_WITH(enclave_of_user(host.site, "e-alice", 70001), Contains("enclave hel cannot be used"));
    CHECK_THROWS_WITH(Enclaves::load(host.site).of_partition("hel"), Contains("enclave hel cannot be used"));
    CHECK(enclave_of_user(host.site, "e-dan", 70003)->name == "lin");
    CHECK_FALSE(enclave_of_user(host.site, "carol", 1000));
}

TEST_CASE("where nothing was published, or a forged list lies, nobody is called open") {
    Host host;
    write_atomically(host.site.mirror / "list.json", sign_list({}, SigningKey::generate()));
    CHECK_THROWS_WITH(enclave_of_user(host.site, "carol", 1000), Contains("signature is not valid"));
    std::filesystem::remove(host.site.mirror / "list.json");
    CHECK_THROWS_WITH(load_enclaves(host.site), Contains("nothing that is published has reached this host"));
}

TEST_CASE("a name and a number belong together as they were signed") {
    const Host host;
    CHECK_THROWS_WITH(enclave_of_user(host.site, "alice", 70001), Contains("has not the number"));
    CHECK_THROWS_WITH(enclave_of_user(host.site, "e-alice", 1000), Contains("has not the number"));
}

TEST_CASE("two names of one number are refused, in two enclaves and in one") {
    Enclave hel = Host::enclave("hel", {"e-alice"}), lin = Host::enclave("lin", {"e-dan"});
    hel.uids = {{"e-alice", 70001}};
    lin.uids = {{"e-dan", 70001}};
    CHECK_THROWS_WITH(check_apart({hel, lin}), Contains("another name of uid 70001"));
    lin.uids = {{"e-dan", 70003}, {"e-eve", 70003}};
    CHECK_THROWS_WITH(check_apart({hel, lin}), Contains("another name of uid 70003"));
    lin.uids = {{"e-dan", 70003}};
    CHECK_NOTHROW(check_apart({hel, lin}));
}

TEST_CASE("a policy is not taken without the number of each account") {
    const Host host;
    const std::string envelope =
        sign_enclave(to_toml(Host::enclave("hel", {"e-alice"})), {}, host.published.key);
    CHECK_THROWS_WITH(open_enclave(envelope, "hel", {host.published.key.verify_key()}),
                      Contains("without the number of an account"));
}
