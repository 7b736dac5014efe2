#include "slurm/decide/policy.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/enclave_keys.h"
#include "core/policy/grant.h"
#include "support/published.h"
#include "support/scratch.h"

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

// A site with one enclave, one granted dataset and its key; the account is whoever runs the test.
struct World {
    test::Scratch scratch;
    core::Site site;
    std::unique_ptr<test::Published> published;
    core::OpeningKey enclave = core::OpeningKey::generate();
    core::SecretKey dataset = core::SecretKey::generate();
    slurm::Job job;

    World() {
        site.name = "test";
        site.datasets = scratch / "datasets";
        site.workspaces = scratch / "workspaces";
        site.mirror = scratch / "published";
        site.config = scratch / "etc";
        site.run = scratch / "run";
        for (const auto& path :
             {site.datasets / "digits" / "1", site.workspaces / "hel" / "e-alice", site.mirror / "grants",
              site.mirror / "keys" / "hel", site.config / "keys", site.run})
            core::make_directories(path);
        core::Enclave policy;
        policy.name = policy.partition = "hel";
        policy.accounts = {"e-alice"};
        policy.nodes = {"node1", "node2"};
        policy.software = {"/opt/aloft"};
        policy.images = {{"monai", "/srv/images/monai.sqfs", std::string(64, 'a')}};
        policy.max_minutes = 60;
        published = std::make_unique<test::Published>(site, kNow - 10, kNow + 100);
        published->list.open_enclaves = {"hel", "other"};
        published->policy(policy, {{"e-alice", ::getuid()}});
        enclave.save(site.config / "keys" / "hel.enclave.key");
        core::write_atomically(site.mirror / "keys" / "hel" / "digits@1.sealed",
                               core::to_base64(enclave.sealing_key().seal(dataset)) + "\n");
        job = {17, ::getuid(), "e-alice", "hel", {"node1", "node2"}};
        publish("e-alice", "hel", kNow + 3600);
    }
    void publish(const std::string& account, const std::string& enclave_name, std::int64_t end) {
        core::Grant grant;
        grant.id = "G-1";
        grant.application = "A-1";
        grant.account = account;
        grant.uid = job.uid;
        grant.enclave = enclave_name;
        grant.datasets = {"digits@1"};
        grant.not_before = kNow - 100;
        grant.not_after = end;
        published->grant(grant);
    }
    slurm::Policy decide() const { return slurm::decide(site, job, "node1", kNow); }
};

void check_denied(const World& world, const std::string& why) {
    const auto policy = world.decide();
    CHECK(policy.ruling == slurm::Ruling::deny);
    CHECK_THAT(policy.reason, Catch::Contains(why));
}

}  // namespace

TEST_CASE("a job with everything in order is fenced") {
    const World world;
    const auto policy = world.decide();
    CHECK(policy.reason.empty());
    REQUIRE(policy.ruling == slurm::Ruling::enclave);
    CHECK(policy.grant == "G-1");
    CHECK(policy.enclave == "hel");
    CHECK(policy.workspace == world.site.workspaces / "hel" / "e-alice");
    CHECK(policy.datasets == std::vector<std::string>{"digits@1"});
}

TEST_CASE("a job that has nothing to do with an enclave is left alone") {
    World world;
    world.job.account = "carol";
    world.job.partition = "open";
    world.job.uid += 1;
    CHECK(world.decide().ruling == slurm::Ruling::unfenced);
}

TEST_CASE("what is wrong is said, and the job does not run") {
    World world;
    SECTION("another partition") {
        world.job.partition = "open";
        check_denied(world, "partition hel only");
    }
    SECTION("another account") {
        world.job.account = "carol";
        world.job.uid += 1;
        check_denied(world, "belongs to no enclave");
    }
    SECTION("a node that is not the enclave's") {
        world.job.nodes.push_back("node9");
        check_denied(world, "not a node of enclave hel");
    }
    SECTION("on such a node") {
        CHECK(slurm::decide(world.site, world.job, "node9", kNow).ruling == slurm::Ruling::deny);
    }
    SECTION("no workspace") {
        std::filesystem::remove_all(world.site.workspaces / "hel" / "e-alice");
        check_denied(world, "has no workspace");
    }
    SECTION("a symbolic link for a workspace") {
        std::filesystem::remove_all(world.site.workspaces / "hel" / "e-alice");
        std::filesystem::create_symlink("/", world.site.workspaces / "hel" / "e-alice");
        check_denied(world, "has no workspace");
    }
    SECTION("no grant") {
        world.published->revoke("G-1");
        check_denied(world, "has no grant");
    }
    SECTION("an ended grant") {
        world.publish("e-alice", "hel", kNow);
        check_denied(world, "ended at");
    }
    SECTION("a grant for another enclave") {
        world.publish("e-alice", "other", kNow + 60);
        check_denied(world, "another account or enclave");
    }
    SECTION("a stale revocation list") {
        world.job.id = 18;
        CHECK(slurm::decide(world.site, world.job, "node1", kNow + 1000).reason.find("stale") !=
              std::string::npos);
    }
    SECTION("a clock that was set back") {
        CHECK(slurm::decide(world.site, world.job, "node1", kNow - 80).reason.find("in the future") !=
              std::string::npos);
    }
    SECTION("a dataset that is not here") {
        std::filesystem::remove_all(world.site.datasets / "digits");
        check_denied(world, "dataset digits@1");
    }
}

TEST_CASE("a running job goes on while all holds, and ends for the reason that is new") {
    World world;
    const auto running = world.decide();
    bool is_doubt = false;
    const auto reason = [&](std::int64_t now = kNow) {
        const auto objection = slurm::objection_to(world.site, running, "node1", now);
        is_doubt = objection && objection->doubt;
        return objection ? objection->reason : std::string();
    };
    CHECK(reason().empty());
    SECTION("revoked") {
        world.published->revoke("G-1");
        CHECK_THAT(reason(), Catch::Contains("grant G-1 was revoked"));
        CHECK_FALSE(is_doubt);
    }
    SECTION("the enclave was suspended") {
        world.published->list.open_enclaves = {"other"};
        world.published->write();
        CHECK_THAT(reason(), Catch::Contains("hel"));
    }
    SECTION("ended at this very second") {
        world.publish("e-alice", "hel", kNow);
        CHECK_THAT(reason(), Catch::Contains("ended at"));
    }
    SECTION("a stale list") {
        CHECK_THAT(reason(kNow + 100), Catch::Contains("stale"));
        CHECK(is_doubt);
        CHECK(slurm::decide(world.site, world.job, "node1", kNow + 100).doubt->issued == kNow - 10);
    }
    SECTION("the dataset's key was withdrawn from the enclave") {
        std::filesystem::remove(world.site.mirror / "keys" / "hel" / "digits@1.sealed");
        CHECK_THAT(reason(), Catch::Contains("digits@1 was taken from enclave hel"));
    }
    SECTION("no list") {
        std::filesystem::remove(world.site.mirror / "list.json");
        CHECK_THAT(reason(), Catch::Contains("missing"));
        CHECK(is_doubt);
    }
    SECTION("a grant that counts, and whose file is not here") {
        std::filesystem::remove(world.site.mirror / "grants" / "G-1.json");
        CHECK_THAT(reason(), Catch::Contains("not on this host"));
        CHECK(is_doubt);
    }
    SECTION("a grant by somebody else") {
        const core::SigningKey ours = std::exchange(world.published->key, core::SigningKey::generate());
        world.publish("e-alice", "hel", kNow + 3600);
        core::write_atomically(world.site.mirror / "list.json", core::sign_list(world.published->list, ours));
        CHECK_FALSE(reason().empty());
        CHECK_FALSE(is_doubt);
    }
    SECTION("a new grant over the same data is no reason") {
        world.publish("e-alice", "hel", kNow + 9999);
        CHECK(reason().empty());
    }
    SECTION("the node left the enclave, or the account, or the enclave is gone") {
        core::Enclave enclave = core::load_enclaves(world.site).at(0);
        const auto uid = ::getuid();
        enclave.nodes = {"node2"};
        world.published->policy(enclave, {{"e-alice", uid}});
        CHECK_THAT(reason(), Catch::Contains("not a node of enclave hel"));
        enclave.nodes = {"node1", "node2"};
        enclave.accounts = {"e-bob"};
        world.published->policy(enclave, {{"e-bob", uid + 1}});
        CHECK_THAT(reason(), Catch::Contains("no enclave"));
        world.published->list.policies.clear();
        world.published->write();
        CHECK_THAT(reason(), Catch::Contains("not enclave hel's any more"));
    }
    SECTION("policies that cannot be read are a reason, not an exception") {
        core::write_atomically(world.site.mirror / "enclaves" / "hel.json", "damaged");
        CHECK_THAT(reason(), Catch::Contains("enclave hel cannot be used on this host"));
    }
    SECTION("no key to check with") {
        std::filesystem::remove(world.site.config / "keys" / "grant.pub");
        CHECK_FALSE(reason().empty());
    }
}

TEST_CASE("a job goes on when its grant is issued again, but not under one that covers less") {
    World world;
    const auto running = world.decide();
    core::Grant again;
    again.id = "G-2";
    again.application = "A-1";
    again.account = "e-alice";
    again.uid = world.job.uid;
    again.enclave = "hel";
    again.datasets = {"digits@1"};
    again.not_before = kNow - 1;
    again.not_after = kNow + 9999;
    world.published->revoke("G-1");
    world.published->grant(again);
    CHECK_FALSE(slurm::objection_to(world.site, running, "node1", kNow));
    again.datasets = {"wdbc@1"};
    world.published->grant(again);
    const auto objection = slurm::objection_to(world.site, running, "node1", kNow);
    REQUIRE(objection);
    CHECK_THAT(objection->reason, Catch::Contains("G-1 was revoked"));
    CHECK_FALSE(objection->doubt);
}

TEST_CASE("a policy that is unusable here closes its enclave and nobody else's job") {
    World world;
    core::write_atomically(world.site.mirror / "enclaves" / "hel.json", "half writ");
    check_denied(world, "enclave hel cannot be used");
    world.job.account = "carol";
    world.job.uid += 1;
    check_denied(world, "enclave hel cannot be used");  // the partition is still its own
    world.job.partition = "open";
    CHECK(world.decide().ruling == slurm::Ruling::unfenced);
}

TEST_CASE("a second name of an enclave's number is no way out") {
    World world;
    world.job.partition = "open";
    world.job.account = "alice";
    check_denied(world, "has not the number");
}

TEST_CASE("a job has the image that it was admitted with, with those bytes, or does not run") {
    World world;
    CHECK_FALSE(world.decide().image);
    world.job.asked_image = "monai@sha256:" + std::string(64, 'a');
    REQUIRE(world.decide().image);
    CHECK(world.decide().image->file == "/srv/images/monai.sqfs");
    world.job.asked_image = "monai@sha256:" + std::string(64, 'b');
    check_denied(world, "not the enclave's any more");
    world.job.asked_image = "monai";
    check_denied(world, "not the enclave's any more");
}

TEST_CASE("a policy survives its file, and a damaged one is none") {
    const World world;
    auto policy = world.decide();
    policy.peers = {{"10.0.0.1", 1, {2, 3}}, {"10.0.0.2", 3, {2}}};
    policy.allowed = {{core::parse_network("10.0.0.0/24"), true, false, 8004}};
    policy.token = "abc";
    policy.other_tokens = {"def"};
    policy.gpus = 3;
    const auto text = slurm::to_json(policy);
    CHECK(slurm::to_json(slurm::parse_policy(text)) == text);
    policy.image = core::Image{"monai", "/srv/images/monai.sqfs", std::string(64, 'a')};
    CHECK(slurm::parse_policy(slurm::to_json(policy)).image == policy.image);
    for (const std::string& damaged : {std::string(), text.substr(0, text.size() / 2), std::string("{}"),
                                       std::string("{\"ruling\":\"open\"}")})
        CHECK_THROWS_AS(slurm::parse_policy(damaged), core::Error);
}

TEST_CASE("a dataset's key is unsealed for the job's user only") {
    const World world;
    const auto policy = world.decide();
    const slurm::JobFiles files(world.site, 17);
    slurm::unseal_keys(world.site, policy, files);
    const auto path = files.keys / "digits@1.key";
    CHECK(core::SecretKey::load(path).id() == world.dataset.id());
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms::owner_read);
    std::filesystem::remove_all(files.folder);
    core::write_atomically(
        world.site.mirror / "keys" / "hel" / "digits@1.sealed",
        core::to_base64(core::OpeningKey::generate().sealing_key().seal(world.dataset)) + "\n");
    CHECK_THROWS_AS(slurm::unseal_keys(world.site, policy, files), core::Error);
    std::filesystem::remove(world.site.mirror / "keys" / "hel" / "digits@1.sealed");
    CHECK_THROWS_WITH(slurm::unseal_keys(world.site, policy, files),
                      Catch::Contains("not sealed for enclave hel"));
}

TEST_CASE("a step's token is the same on all nodes, and another for every job and every start of it") {
    const World world, other;
    auto policy = world.decide();
    policy.start = "0";
    const auto token = [&](const World& where) { return slurm::step_tokens(where.site, policy); };
    const auto first = token(world);
    REQUIRE(first.size() == 1);
    CHECK(first[0].size() == 64);
    CHECK(token(world) == first);
    CHECK(token(other) != first);
    policy.start = "1";
    CHECK(token(world) != first);
    policy.start = "0";
    policy.job = 18;
    CHECK(token(world) != first);
}

TEST_CASE("while another key takes over from an enclave's, nodes on both sides of the change run its jobs") {
    const World before, after;
    const auto first = core::OpeningKey::load(before.site.config / "keys" / "hel.enclave.key"),
               next = core::OpeningKey::generate();
    next.save(before.site.config / "keys" / "hel.enclave.next.key");
    for (const char* name : {"hel.enclave.key", "hel.enclave.old.key"})
        std::filesystem::remove(after.site.config / "keys" / name);
    first.save(after.site.config / "keys" / "hel.enclave.key");
    next.save(after.site.config / "keys" / "hel.enclave.next.key");
    REQUIRE(core::switch_enclave_key(after.site.config / "keys", "hel"));
    auto policy = before.decide();
    policy.start = "0";
    const auto here = slurm::step_tokens(before.site, policy), there = slurm::step_tokens(after.site, policy);
    REQUIRE(here.size() == 2);
    REQUIRE(there.size() == 2);
    CHECK(here[0] != here[1]);
    CHECK(here[0] == there[1]);  // each shows the first, and takes both
    CHECK(here[1] == there[0]);
    // One that is being copied here holds nobody up.
    const World copying;
    core::write_atomically(copying.site.config / "keys" / "hel.enclave.next.key", "", 0400);
    CHECK(slurm::step_tokens(copying.site, policy).size() == 1);
    slurm::unseal_keys(copying.site, policy, slurm::JobFiles(copying.site, 17));
    // Both open what is sealed to either.
    for (const World* world : {&before, &after})
        for (const core::OpeningKey* key : {&first, &next}) {
            core::write_atomically(world->site.mirror / "keys" / "hel" / "digits@1.sealed",
                                   core::to_base64(key->sealing_key().seal(world->dataset)) + "\n");
            const slurm::JobFiles files(world->site, 17);
            slurm::unseal_keys(world->site, policy, files);
            CHECK(core::SecretKey::load(files.keys / "digits@1.key").id() == world->dataset.id());
            std::filesystem::remove_all(files.folder);
        }
    // When the old one is dropped, it opens nothing.
    REQUIRE(core::drop_old_enclave_key(after.site.config / "keys", "hel"));
    core::write_atomically(after.site.mirror / "keys" / "hel" / "digits@1.sealed",
                           core::to_base64(first.sealing_key().seal(after.dataset)) + "\n");
    CHECK_THROWS_AS(slurm::unseal_keys(after.site, policy, slurm::JobFiles(after.site, 17)), core::Error);
    CHECK(slurm::step_tokens(after.site, policy) == std::vector<std::string>{there[0]});
}

TEST_CASE("a job runs under the grant that its researcher asked for, and under no other") {
    World world;
    core::Grant other;
    other.id = "G-2";
    other.application = "A-2";
    other.account = "e-alice";
    other.uid = world.job.uid;
    other.enclave = "hel";
    other.datasets = {"digits@1"};
    other.not_before = kNow - 100;
    other.not_after = kNow + 3600;
    world.published->grant(other);
    CHECK(world.decide().grant == "G-2");  // the newest
    world.job.asked_grant = "G-1";
    CHECK(world.decide().grant == "G-1");
    world.job.asked_grant = "G-7";
    check_denied(world, "grant G-7 was revoked");
}
