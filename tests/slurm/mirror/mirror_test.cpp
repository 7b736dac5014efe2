#include "slurm/mirror/mirror.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/record.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "core/policy/known.h"
#include "support/published.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

// A login host that published a grant, a policy and a sealed key, and a host that has nothing yet.
struct Cluster {
    test::Scratch scratch;
    Site site;       // as the host sees it
    Site publisher;  // test::Published writes into a mirror: here that is the published folder itself
    test::Published published;
    SigningKey ledger = SigningKey::generate();
    Grant grant;

    static Site site_in(const test::Scratch& scratch, const char* mirror) {
        Site site;
        site.config = scratch / "etc";
        site.published = scratch / "published";
        site.mirror = scratch / mirror;
        site.known = scratch / "known";
        return site;
    }
    Cluster()
        : site(site_in(scratch, "mirror")),
          publisher(site_in(scratch, "published")),
          published(publisher, kNow - 10, kNow + 290) {
        ledger.verify_key().save(site.config / "keys" / "ledger.pub");
        published.list.open_enclaves = {"hel"};
        published.policy(enclave({"e-alice"}), {{"e-alice", 70001}});
        grant.id = "G-1";
        grant.account = "e-alice";
        grant.uid = 70001;
        grant.enclave = "hel";
        grant.datasets = {"digits@1"};
        grant.not_before = kNow - 100;
        grant.not_after = kNow + 3600;
        published.grant(grant);
        make_directories(at_source("keys/hel"));
        write_atomically(at_source("keys/hel/digits@1.sealed"), "c2VhbGVk\n");
        witness(41);
    }
    static Enclave enclave(const std::vector<std::string>& accounts) {
        Enclave enclave;
        enclave.name = enclave.partition = "hel";
        enclave.accounts = accounts;
        enclave.nodes = {"n1"};
        enclave.max_minutes = 60;
        return enclave;
    }
    void witness(std::uint64_t seq) const {
        write_atomically(at_source("witness.json"), Witness::sign({seq, {}}, ledger).to_json() + "\n");
    }
    fs::path at_source(const std::string& name) const { return site.published / name; }
    fs::path here(const std::string& name) const { return site.mirror / name; }
    bool is_open() const {
        try {
            return open_grant(site, 70001, kNow).id == "G-1";
        } catch (const Error&) {
            return false;
        }
    }
};

}  // namespace

TEST_CASE("a host gets what was published, as it was published, and nothing else") {
    const Cluster cluster;
    CHECK_FALSE(cluster.is_open());
    slurm::mirror_once(cluster.site);
    CHECK(cluster.is_open());
    CHECK(enclave_of_user(cluster.site, "e-alice", 70001)->name == "hel");
    for (const char* name :
         {"list.json", "grants/G-1.json", "enclaves/hel.json", "keys/hel/digits@1.sealed", "witness.json"})
        CHECK(read_text(cluster.here(name)) == read_text(cluster.at_source(name)));
    write_atomically(cluster.at_source("grants/G-9.json"), sign_grant(cluster.grant, cluster.published.key));
    write_atomically(cluster.at_source("something"), "else");
    slurm::mirror_once(cluster.site);
    CHECK_FALSE(fs::exists(cluster.here("grants/G-9.json")));
    CHECK_FALSE(fs::exists(cluster.here("something")));
}

TEST_CASE("what is gone from the list goes from the host, the key too") {
    Cluster cluster;
    slurm::mirror_once(cluster.site);
    cluster.published.revoke("G-1");
    fs::remove(cluster.at_source("keys/hel/digits@1.sealed"));
    slurm::mirror_once(cluster.site);
    CHECK_FALSE(cluster.is_open());
    CHECK_FALSE(fs::exists(cluster.here("grants/G-1.json")));
    CHECK_FALSE(fs::exists(cluster.here("keys/hel/digits@1.sealed")));
    CHECK(fs::exists(cluster.here("enclaves/hel.json")));
    cluster.published.list.policies.clear();
    cluster.published.write();
    slurm::mirror_once(cluster.site);
    CHECK_FALSE(fs::exists(cluster.here("enclaves/hel.json")));
    CHECK_FALSE(fs::exists(cluster.here("keys/hel")));
}

TEST_CASE("whoever can write into the published folder changes nothing on a host") {
    Cluster cluster;
    slurm::mirror_once(cluster.site);
    const std::string old_list = read_text(cluster.at_source("list.json"));
    SECTION("a grant that was revoked is put back, with its file and the list of then") {
        const std::string file = read_text(cluster.at_source("grants/G-1.json"));
        cluster.published.list.seq = 2;
        cluster.published.revoke("G-1");
        slurm::mirror_once(cluster.site);
        CHECK_FALSE(cluster.is_open());
        write_atomically(cluster.at_source("grants/G-1.json"), file);
        slurm::mirror_once(cluster.site);
        CHECK_FALSE(cluster.is_open());
        write_atomically(cluster.at_source("list.json"), old_list);
        slurm::mirror_once(cluster.site);
        CHECK_FALSE(cluster.is_open());
    }
    SECTION("an older list of the same facts is put back") {
        cluster.published.list.issued += 5;
        cluster.published.write();
        slurm::mirror_once(cluster.site);
        write_atomically(cluster.at_source("list.json"), old_list);
        slurm::mirror_once(cluster.site);
        CHECK(read_list(cluster.site).issued == kNow - 5);
    }
    SECTION("a list by another key") {
        write_atomically(cluster.at_source("list.json"), sign_list({}, SigningKey::generate()));
        CHECK_THROWS_WITH(slurm::mirror_once(cluster.site), Contains("signature is not valid"));
        CHECK(cluster.is_open());
    }
    SECTION("half a list, and none") {
        write_atomically(cluster.at_source("list.json"), old_list.substr(0, 100));
        CHECK_THROWS(slurm::mirror_once(cluster.site));
        CHECK(cluster.is_open());
        fs::remove(cluster.at_source("list.json"));
        CHECK_THROWS(slurm::mirror_once(cluster.site));
        CHECK(cluster.is_open());
    }
    SECTION("another text under a grant's name") {
        Grant wider = cluster.grant;
        wider.datasets.push_back("wdbc@1");
        write_atomically(cluster.at_source("grants/G-1.json"), sign_grant(wider, SigningKey::generate()));
        slurm::mirror_once(cluster.site);
        CHECK_FALSE(open_grant(cluster.site, 70001, kNow).covers("wdbc@1"));
    }
    SECTION(
        "a policy that is half written keeps the one that is here out of force, and no job of it is open") {
        cluster.published.policy(Cluster::enclave({"e-bob"}), {{"e-bob", 70002}});
        write_atomically(cluster.at_source("enclaves/hel.json"), "half writ");
        slurm::mirror_once(cluster.site);
        CHECK_THROWS_WITH(enclave_of_user(cluster.site, "e-bob", 70002), Contains("cannot be used"));
        CHECK_THROWS_WITH(Enclaves::load(cluster.site).of_partition("hel"), Contains("cannot be used"));
        CHECK_FALSE(enclave_of_user(cluster.site, "carol", 1000));
    }
    SECTION("an older witness, or a forged one") {
        cluster.witness(40);
        slurm::mirror_once(cluster.site);
        CHECK(Witness::parse(read_text(cluster.here("witness.json"))).head.seq == 41);
        write_atomically(cluster.at_source("witness.json"),
                         Witness::sign({99, {}}, SigningKey::generate()).to_json());
        slurm::mirror_once(cluster.site);
        CHECK(Witness::parse(read_text(cluster.here("witness.json"))).head.seq == 41);
        cluster.witness(42);
        slurm::mirror_once(cluster.site);
        CHECK(Witness::parse(read_text(cluster.here("witness.json"))).head.seq == 42);
    }
    SECTION("a symbolic link, a pipe, a name that leaves the folder") {
        fs::remove(cluster.at_source("keys/hel/digits@1.sealed"));
        fs::create_symlink("/etc/passwd", cluster.at_source("keys/hel/digits@1.sealed"));
        REQUIRE(::mkfifo(cluster.at_source("keys/hel/more@1.sealed").c_str(), 0600) == 0);
        cluster.published.list.grants[70001].push_back("../../etc/x");
        cluster.published.write();
        slurm::mirror_once(cluster.site);
        CHECK(read_text(cluster.here("keys/hel/digits@1.sealed")) == "c2VhbGVk\n");
        CHECK_FALSE(fs::exists(cluster.here("keys/hel/more@1.sealed")));
        CHECK(cluster.is_open());
    }
}

TEST_CASE("after a loss of power a host still knows who is an enclave's, and opens no grant by it") {
    Cluster cluster;
    slurm::mirror_once(cluster.site);
    fs::remove_all(cluster.site.mirror);
    CHECK_THROWS_WITH(enclave_of_user(cluster.site, "e-alice", 70001), Contains("nothing that is published"));
    slurm::recall(cluster.site);
    CHECK(enclave_of_user(cluster.site, "e-alice", 70001)->name == "hel");
    CHECK_FALSE(enclave_of_user(cluster.site, "carol", 1000));
    CHECK_FALSE(cluster.is_open());
    slurm::mirror_once(cluster.site);
    CHECK(cluster.is_open());
    cluster.published.list.issued = kNow;
    cluster.published.write();
    slurm::mirror_once(cluster.site);
    slurm::recall(cluster.site);  // a restart of the service goes back to nothing
    CHECK(read_list(cluster.site).issued == kNow);
}

TEST_CASE(
    "a host remembers who was an enclave's, by name, number and partition, until its admin forgets it") {
    Cluster cluster;
    slurm::mirror_once(cluster.site);
    const Known first{{{"e-alice", "hel"}}, {{70001, "hel"}}, {{"hel", "hel"}}};
    CHECK(load_known(cluster.site.known) == first);
    cluster.published.policy(Cluster::enclave({"e-bob"}), {{"e-bob", 70002}});
    slurm::mirror_once(cluster.site);
    const Known both{
        {{"e-alice", "hel"}, {"e-bob", "hel"}}, {{70001, "hel"}, {70002, "hel"}}, {{"hel", "hel"}}};
    CHECK(load_known(cluster.site.known) == both);
    fs::remove(cluster.site.known / "known");  // all forgotten: what counts now comes back, names too
    slurm::mirror_once(cluster.site);
    const Known now{{{"e-bob", "hel"}}, {{70002, "hel"}}, {{"hel", "hel"}}};
    CHECK(load_known(cluster.site.known) == now);
    cluster.published.list.policies["lin"] = {std::string(64, '0'), "lin-gpu", {70009}};  // no file of it
    cluster.published.write();
    slurm::mirror_once(cluster.site);
    CHECK(load_known(cluster.site.known).concerns("", 70009, "open"));
    CHECK(load_known(cluster.site.known).concerns("", 1000, "lin-gpu"));
}

TEST_CASE("a grant that another key signed again is taken again while keys change") {
    Cluster cluster;
    slurm::mirror_once(cluster.site);
    SigningKey next = SigningKey::generate();
    next.verify_key().save(cluster.site.config / "keys" / "grant.next.pub");
    cluster.published.key = std::move(next);
    cluster.published.policy(Cluster::enclave({"e-alice"}), {{"e-alice", 70001}});
    cluster.published.grant(cluster.grant);
    slurm::mirror_once(cluster.site);
    CHECK(cluster.is_open());
    fs::remove(cluster.site.config / "keys" / "grant.pub");
    CHECK(cluster.is_open());  // the file here is of the new key already
    slurm::mirror_once(cluster.site);
    CHECK(cluster.is_open());
}

TEST_CASE("work that hangs holds its own child only, and is begun again when it is gone") {
    int pipes[2];
    REQUIRE(::pipe(pipes) == 0);
    slurm::Attempts attempts(
        [&] {
            char byte;
            if (::read(pipes[0], &byte, 1) < 0) return;  // until the other side says something
        },
        std::chrono::milliseconds(0));
    attempts.tick();
    CHECK(attempts.started() == 1);
    CHECK_FALSE(attempts.is_stuck());
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    attempts.tick();
    CHECK(attempts.is_stuck());
    while (attempts.started() == 1) attempts.tick();  // the killed one is seen to be gone, and another begins
    CHECK_FALSE(attempts.is_stuck());
    CHECK(attempts.started() == 2);
    ::close(pipes[1]);
}

TEST_CASE("budgets come for root alone, and no older ones") {
    Cluster cluster;
    cluster.published.write();
    const auto lay = [&](std::int64_t issued, const SigningKey& key) {
        Budgets budgets;
        budgets.issued = issued;
        make_directories(cluster.at_source(kBudgetsFile).parent_path());
        write_atomically(cluster.at_source(kBudgetsFile), sign_budgets(budgets, key));
        slurm::mirror_once(cluster.site);
    };
    const auto issued = [&] {
        return parse_budgets(read_text(cluster.here(kBudgetsFile)), publishing_keys(cluster.site)).issued;
    };
    slurm::mirror_once(cluster.site);
    CHECK_FALSE(fs::exists(cluster.here(kBudgetsFile)));
    lay(kNow, cluster.published.key);
    CHECK(issued() == kNow);
    CHECK(fs::status(cluster.here(kBudgetsOuter)).permissions() == fs::perms::owner_all);
    lay(kNow - 1, cluster.published.key);
    CHECK(issued() == kNow);
    lay(kNow + 2, SigningKey::generate());
    CHECK(issued() == kNow);
    lay(kNow + 1, cluster.published.key);
    CHECK(issued() == kNow + 1);
    fs::permissions(cluster.here(kBudgetsOuter), fs::perms(0755));
    lay(now_seconds() + 100000, cluster.published.key);  // of a clock that was ahead
    CHECK(fs::status(cluster.here(kBudgetsOuter)).permissions() == fs::perms::owner_all);
    lay(kNow + 2, cluster.published.key);
    CHECK(issued() == kNow + 2);
}

TEST_CASE("a grant that was signed without its budget is replaced by the one with it") {
    Cluster cluster;
    Grant grant = cluster.grant;
    slurm::mirror_once(cluster.site);
    grant.node_hours = 10;
    cluster.published.grant(grant);
    slurm::mirror_once(cluster.site);
    const auto here = [&] {
        return parse_grant(read_text(cluster.here("grants/G-1.json")), publishing_keys(cluster.site))
            .node_hours;
    };
    CHECK(here() == 10);
    write_atomically(cluster.at_source("grants/G-1.json"), "damaged");
    slurm::mirror_once(cluster.site);
    fs::remove(cluster.at_source("grants/G-1.json"));
    slurm::mirror_once(cluster.site);
    CHECK(here() == 10);
}
