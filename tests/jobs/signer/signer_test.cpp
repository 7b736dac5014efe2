#include "jobs/signer/signer.h"

#include <pwd.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <tuple>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/ledger.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

// A login host: a ledger, the facts that aloftd found out, a policy that names an account of this machine.
struct Office {
    test::Scratch scratch;
    Site site;
    std::string account = ::getpwuid(::getuid())->pw_name;
    nlohmann::json facts = {{"grants", nlohmann::json::array()},
                            {"enclaves", {{"hel", "open"}}},
                            {"losses", nlohmann::json::array()}};

    Office() {
        site.config = scratch / "etc";
        site.state = scratch / "state";
        site.published = site.mirror = scratch / "published";
        for (const auto& folder :
             {site.config / "enclaves", site.config / "keys", site.state / "keys", site.published})
            make_directories(folder);
        const SigningKey key = SigningKey::generate();
        key.save(site.state / "keys" / "grant.key");
        key.verify_key().save(site.config / "keys" / "grant.pub");
        SigningKey::generate().save(site.state / "keys" / "ledger.key");
        policy("hel", account);
        grant("G-1", 70001);
        record();
    }
    void policy(const std::string& name, const std::string& who) const {
        write_atomically(site.config / "enclaves" / (name + ".toml"),
                         "name = \"" + name + "\"\naccounts = [\"" + who + "\"]\n");
    }
    void grant(const std::string& id, std::uint32_t uid) {
        facts["grants"].push_back({{"id", id},
                                   {"application", "A-1"},
                                   {"account", "e-alice"},
                                   {"uid", uid},
                                   {"enclave", "hel"},
                                   {"datasets", {"digits@1"}},
                                   {"purpose", {"DUO:0000006"}},
                                   {"not_before", rfc3339(kNow - 100)},
                                   {"not_after", rfc3339(kNow + 3600)}});
    }
    // What is in `facts` is on record now.
    void record() {
        Ledger ledger(site.state / "ledger.jsonl", SigningKey::load(site.state / "keys" / "ledger.key"));
        ledger.add("admin", "k", "s", {});
        ledger.commit();
        facts["seq"] = ledger.head().seq;
        facts["sha256"] = to_hex(ledger.head().sha256);
        write_atomically(site.state / "facts.json", facts.dump() + "\n");
    }
    SignedList list() const { return read_list(site); }
    fs::path file(const std::string& name) const { return site.published / name; }
};

}  // namespace

TEST_CASE("what aloftd found out is signed, and hosts can use it") {
    const Office office;
    jobs::Signer(office.site).make_round(kNow);
    CHECK(open_grant(office.site, 70001, kNow).id == "G-1");
    CHECK(enclave_of_user(office.site, office.account, ::getuid())->name == "hel");
    CHECK(office.list().seq == 1);
    CHECK(office.list().sha256 == office.facts.at("sha256"));
}

TEST_CASE("a change is signed at once, and without one the list four times before it is stale") {
    Office office;
    office.site.revocation_stale_seconds = 100;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    signer.make_round(kNow + 24);
    CHECK(office.list().issued == kNow);
    signer.make_round(kNow + 25);
    CHECK(office.list().issued == kNow + 25);
    CHECK(office.list().expires == kNow + 125);
    office.facts["grants"] = nlohmann::json::array();
    office.record();
    signer.make_round(kNow + 25);
    CHECK(office.list().grants.empty());
    CHECK_FALSE(fs::exists(office.file("grants/G-1.json")));
    signer.make_round(kNow - 1000);  // the clock was set back
    CHECK(office.list().issued == kNow - 1000);
}

TEST_CASE("what somebody changed among the published files is put right") {
    const Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    write_atomically(office.file("grants/G-1.json"), std::string("something else"));
    write_atomically(office.file("grants/G-9.json"), std::string("something more"));
    fs::remove(office.file("enclaves/hel.json"));
    signer.make_round(kNow + 5);
    CHECK(open_grant(office.site, 70001, kNow).id == "G-1");
    CHECK(enclave_of_user(office.site, office.account, ::getuid())->name == "hel");
    signer.make_round(kNow + 500);
    CHECK_FALSE(fs::exists(office.file("grants/G-9.json")));
}

TEST_CASE("a policy that is not sound leaves the one before in force, and others alone") {
    Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    const auto before = office.list().policies.at("hel");
    const auto toml = office.site.config / "enclaves" / "hel.toml";
    SECTION("half written") {
        write_atomically(toml, std::string("name = \"he"));
    }
    SECTION("gone, while the enclave is open") {
        fs::remove(toml);
    }
    SECTION("an account that does not exist") {
        office.policy("hel", "nobody-has-this-name");
    }
    office.facts["enclaves"]["new"] = "created";
    write_atomically(office.site.config / "enclaves" / "new.toml", std::string("name = \"new\"\n"));
    office.record();
    signer.make_round(kNow + 5);
    CHECK(office.list().policies.at("hel").sha256 == before.sha256);
    CHECK(office.list().policies.contains("new"));
    CHECK(enclave_of_user(office.site, office.account, ::getuid())->name == "hel");
    jobs::Signer(office.site).make_round(kNow + 10);  // the process was started anew
    CHECK(office.list().policies.at("hel").sha256 == before.sha256);
}

TEST_CASE("a second enclave with the same number is not published") {
    Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    office.policy("lin", office.account);
    office.facts["enclaves"]["lin"] = "created";
    office.record();
    signer.make_round(kNow + 5);
    CHECK(office.list().policies.contains("hel"));
    CHECK_FALSE(office.list().policies.contains("lin"));
}

TEST_CASE("what a policy that stays in force has is no other enclave's") {
    Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    const auto before = office.list().policies.at("hel");
    write_atomically(office.site.config / "enclaves" / "hel.toml", std::string("name = \"he"));
    SECTION("as its file says") {}
    SECTION("as the list says, where that file is gone") {
        fs::remove(office.file("enclaves/hel.json"));
    }
    for (const char* name : {"fir", "lin"}) {
        office.policy(name, office.account);
        office.facts["enclaves"][name] = "created";
    }
    write_atomically(office.site.config / "enclaves" / "elm.toml",
                     std::string("name = \"elm\"\npartition = \"hel\"\n"));
    office.facts["enclaves"]["elm"] = "created";
    office.record();
    signer.make_round(kNow + 5);
    const auto policies = office.list().policies;
    CHECK(policies.size() == 1);
    CHECK(policies.at("hel").sha256 == before.sha256);
    office.policy("hel", "daemon");  // it is mended, and gives the account up: the first of the two has it
    office.facts["enclaves"]["elm"] = "closed";
    office.record();
    signer.make_round(kNow + 10);
    CHECK(office.list().policies.contains("fir"));
    CHECK_FALSE(office.list().policies.contains("lin"));
    CHECK(office.list().policies.at("hel").sha256 != before.sha256);
}

TEST_CASE("a new enclave takes nothing of one that is published, and that one can be changed") {
    Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    const auto before = office.list().policies.at("hel");
    office.policy("fir", office.account);
    office.facts["enclaves"]["fir"] = "created";
    write_atomically(office.site.config / "enclaves" / "hel.toml",
                     "name = \"hel\"\nmax_minutes = 7\naccounts = [\"" + office.account + "\"]\n");
    office.record();
    signer.make_round(kNow + 5);
    CHECK_FALSE(office.list().policies.contains("fir"));
    CHECK(office.list().policies.at("hel").sha256 != before.sha256);
    CHECK(enclave_of_user(office.site, office.account, ::getuid())->max_minutes == 7);
}

TEST_CASE("two enclaves that are published may change accounts with each other, and none takes the other's") {
    Office office;
    office.policy("lin", "daemon");
    office.facts["enclaves"]["lin"] = "open";
    office.record();
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    REQUIRE(office.list().policies.size() == 2);
    const auto before = office.list().policies;
    office.policy("hel", "daemon");
    signer.make_round(kNow + 5);
    CHECK(office.list().policies.at("hel").sha256 == before.at("hel").sha256);
    CHECK(office.list().policies.at("lin").sha256 == before.at("lin").sha256);
    // Who asks for nothing of another's is held back by nobody, whatever the names.
    const auto changed = office.site.config / "enclaves" / "lin.toml";
    write_atomically(changed, read_text(changed) + "\n# another line\n");
    signer.make_round(kNow + 7);
    CHECK(office.list().policies.at("lin").sha256 != before.at("lin").sha256);
    CHECK(office.list().policies.at("hel").sha256 == before.at("hel").sha256);
    office.policy("lin", office.account);
    signer.make_round(kNow + 10);
    CHECK(enclave_of_user(office.site, office.account, ::getuid())->name == "lin");
    CHECK(office.list().policies.at("hel").uids == before.at("lin").uids);
}

TEST_CASE("what a policy has that cannot be written goes to nobody else") {
    Office office;
    office.policy("lin", "daemon");
    office.facts["enclaves"]["lin"] = office.facts["enclaves"]["zed"] = "open";
    office.record();
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    const auto before = office.list().policies;
    fs::remove(office.file("enclaves/lin.json"));
    fs::create_directories(office.file("enclaves/lin.json") / "no file");
    office.policy("lin", "bin");
    office.policy("zed", "daemon");
    signer.make_round(kNow + 5);
    CHECK(office.list().policies.at("lin").uids == before.at("lin").uids);
    CHECK_FALSE(office.list().policies.contains("zed"));
    fs::remove_all(office.file("enclaves/lin.json"));
    signer.make_round(kNow + 10);
    CHECK(office.list().policies.at("zed").uids == before.at("lin").uids);
}

TEST_CASE("a closed enclave is one no more") {
    Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    office.facts["enclaves"]["hel"] = "closed";
    office.record();
    signer.make_round(kNow + 5);
    CHECK(office.list().policies.empty());
    CHECK(office.list().open_enclaves.empty());
    CHECK_FALSE(fs::exists(office.file("enclaves/hel.json")));
}

TEST_CASE("from an older ledger nothing is signed, though it grew again since") {
    Office office;
    const fs::path ledger = office.site.state / "ledger.jsonl";
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    const std::string old = read_text(ledger);
    const nlohmann::json then = office.facts;
    office.facts["grants"] = nlohmann::json::array();  // G-1 is revoked
    office.record();
    signer.make_round(kNow + 5);
    write_atomically(ledger, old);
    office.facts = then;
    write_atomically(office.site.state / "facts.json", office.facts.dump() + "\n");
    CHECK_THROWS_WITH(signer.make_round(kNow + 10), Contains("Nothing is signed"));
    CHECK_THROWS_WITH(jobs::Signer(office.site).make_round(kNow + 10), Contains("Nothing is signed"));
    write_atomically(ledger, old);
    {
        Ledger second(ledger, SigningKey::load(office.site.state / "keys" / "ledger.key"));
        second.add("admin", "another", "s", {});
        second.commit();
    }
    for (int i = 0; i < 3; ++i) office.record();
    CHECK(office.facts.at("seq").get<std::uint64_t>() > office.list().seq);
    CHECK_THROWS_WITH(jobs::Signer(office.site).make_round(kNow + 10), Contains("Nothing is signed"));
    CHECK(office.list().grants.empty());
}

TEST_CASE("an older ledger whose loss is on record signs again, from past the numbers that were lost") {
    Office office;
    const fs::path ledger = office.site.state / "ledger.jsonl";
    const std::string old = read_text(ledger);
    const nlohmann::json then = office.facts;
    office.record();
    office.record();
    jobs::Signer(office.site).make_round(kNow);
    const std::uint64_t lost = office.list().seq;
    write_atomically(ledger, old);
    office.facts = then;
    office.facts["losses"] = {{lost - 1, lost}};
    write_atomically(office.site.state / "facts.json", office.facts.dump() + "\n");
    CHECK_THROWS_WITH(jobs::Signer(office.site).make_round(kNow + 10),
                      Contains("Nothing is signed"));  // not filled yet
    while (office.facts.at("seq").get<std::uint64_t>() <= lost) office.record();
    jobs::Signer(office.site).make_round(kNow + 10);
    CHECK(office.list().seq == lost + 1);
}

TEST_CASE("budgets are signed beside the list, for root alone, and change nothing that others can see") {
    Office office;
    office.site.revocation_stale_seconds = 100;
    jobs::Signer signer(office.site);
    const auto budgets = [&](int seconds) {
        write_atomically(
            office.site.state / "budgets.json",
            R"({"complete":")" + rfc3339(kNow - 5) + R"(","grants":[{"grant":"G-1","node_seconds":)" +
                std::to_string(seconds) +
                R"(,"gpu_seconds":7,"running":[{"job":17,"node_seconds":3,"gpu_seconds":1}]}]})");
    };
    signer.make_round(kNow);
    CHECK_FALSE(fs::exists(office.file("private")));  // an aloftd of an earlier version
    budgets(10);
    signer.make_round(kNow + 1);
    const auto signed_now = [&] {
        return parse_budgets(read_text(office.file(kBudgetsFile)), publishing_keys(office.site));
    };
    CHECK(signed_now().grants.at("G-1").used.node_seconds == 10);
    CHECK(signed_now().grants.at("G-1").running.at(17).gpu_seconds == 1);
    CHECK(fs::status(office.file(kBudgetsOuter)).permissions() == fs::perms::owner_all);
    const auto seen = [&] {
        return std::tuple(read_text(office.file("list.json")), fs::last_write_time(office.file("list.json")),
                          fs::last_write_time(office.file(kBudgetsOuter)),
                          fs::last_write_time(office.site.published));
    };
    const auto before = seen();
    budgets(20);
    signer.make_round(kNow + 2);
    CHECK(signed_now().grants.at("G-1").used.node_seconds == 20);
    CHECK(seen() == before);
    signer.make_round(kNow + 90);  // aloftd said nothing since: that is no newer than it was
    CHECK(signed_now().issued == kNow + 2);
    CHECK(signed_now().complete == kNow - 5);
    fs::permissions(office.file(kBudgetsOuter), fs::perms(0755));  // put back by hand
    budgets(30);
    signer.make_round(kNow + 91);
    CHECK(fs::status(office.file(kBudgetsOuter)).permissions() == fs::perms::owner_all);
}

TEST_CASE("what is wrong with budgets keeps no list from being signed") {
    Office office;
    jobs::Signer signer(office.site);
    signer.make_round(kNow);
    const auto revokes = [&](std::int64_t now) {
        office.record();  // one more
        signer.make_round(now);
        return office.list().issued == now;
    };
    write_atomically(office.site.state / "budgets.json", "{}");
    CHECK(revokes(kNow + 1));
    write_atomically(office.site.state / "budgets.json",
                     R"({"complete":")" + rfc3339(kNow) + R"(","grants":[]})");
    write_atomically(office.file(kBudgetsOuter), "no folder");
    CHECK(revokes(kNow + 2));
    fs::remove(office.file(kBudgetsOuter));
    CHECK(revokes(kNow + 3));
    CHECK(fs::exists(office.file(kBudgetsFile)));
}
