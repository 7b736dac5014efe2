#include "slurm/node/farewell.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/enclave_keys.h"
#include "support/scratch.h"

namespace {

struct Node {
    test::Scratch scratch;
    core::Site site;
    explicit Node(const core::OpeningKey& key) {
        site.config = scratch / "etc";
        site.run = scratch / "run";
        core::make_directories(site.config / "keys");
        key.save(site.config / "keys" / "hel.enclave.key");
    }
};

slurm::Farewell left() {
    slurm::Farewell farewell;
    farewell.enclave = "hel";
    farewell.job = 17;
    farewell.start = "1";
    farewell.own = {"10.0.0.12", "10.1.0.12"};
    farewell.to = "10.0.0.11";
    farewell.nonce = "0011223344556677";
    return farewell;
}

}  // namespace

TEST_CASE("what one node of the enclave says, another understands") {
    const auto key = core::OpeningKey::generate();
    const Node one(key), other(key);
    const auto got = slurm::open_farewell(other.site, slurm::seal(one.site, left()));
    CHECK(got.kind == slurm::Farewell::Kind::left);
    CHECK(got.enclave == "hel");
    CHECK(got.job == 17);
    CHECK(got.start == "1");
    CHECK(got.own == left().own);
    CHECK(got.to == "10.0.0.11");
    CHECK(got.nonce == left().nonce);
}

TEST_CASE("a farewell that was changed anywhere, or made with another key, is refused") {
    const Node node(core::OpeningKey::generate()), stranger(core::OpeningKey::generate());
    const std::string sealed = slurm::seal(node.site, left());
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        std::string changed = sealed;
        changed[at] = changed[at] == '0' ? '1' : '0';
        CHECK_THROWS_AS(slurm::open_farewell(node.site, changed), core::Error);
        CHECK_THROWS_AS(slurm::open_farewell(node.site, sealed.substr(0, at)), core::Error);
    }
    CHECK_THROWS_AS(slurm::open_farewell(node.site, slurm::seal(stranger.site, left())), core::Error);
}

TEST_CASE("nodes before and after a change of the enclave's key understand one another") {
    const auto key = core::OpeningKey::generate(), next = core::OpeningKey::generate();
    const Node before(key), after(key), late(key);
    for (const Node* node : {&before, &after}) next.save(node->site.config / "keys" / "hel.enclave.next.key");
    REQUIRE(core::switch_enclave_key(after.site.config / "keys", "hel"));
    CHECK(slurm::open_farewell(after.site, slurm::seal(before.site, left())).job == 17);
    CHECK(slurm::open_farewell(before.site, slurm::seal(after.site, left())).job == 17);
    CHECK_THROWS_AS(slurm::open_farewell(late.site, slurm::seal(after.site, left())), core::Error);
    REQUIRE(core::drop_old_enclave_key(after.site.config / "keys", "hel"));
    CHECK_THROWS_AS(slurm::open_farewell(after.site, slurm::seal(before.site, left())), core::Error);
}

TEST_CASE("a farewell that names a file elsewhere as its enclave's key is refused") {
    const Node node(core::OpeningKey::generate());
    for (const char* text :
         {"aloft-left ../x 17 1 - 10.0.0.1 ab cd", "aloft-left hel", "", "aloft-left  17 1 - a b c"})
        CHECK_THROWS_AS(slurm::open_farewell(node.site, text), core::Error);
}

TEST_CASE("an answer is no question") {
    const Node node(core::OpeningKey::generate());
    auto farewell = left();
    farewell.kind = slurm::Farewell::Kind::cut;
    farewell.own.clear();
    const auto got = slurm::open_farewell(node.site, slurm::seal(node.site, farewell));
    CHECK(got.kind == slurm::Farewell::Kind::cut);
    CHECK(got.own.empty());
}

TEST_CASE(
    "a run whose last fellow answers while this node looks at it keeps no job from beginning or ending") {
    const Node node(core::OpeningKey::generate());
    const auto folder = node.site.run / "closing", file = folder / "17.5", away = node.scratch / "away";
    core::make_directories(folder);
    core::write_atomically(
        file,
        R"({"job":17,"start":"5","enclave":"hel","own":["10.0.0.12"],"closed":["10.0.0.11"],"slurmd_port":6818})");
    slurm::Policy policy;
    policy.job = 17, policy.start = "5";
    CHECK(slurm::closed_by(node.site, policy) == std::set<std::string>{"10.0.0.11"});
    std::atomic<bool> is_over = false;
    std::thread answering([&] {
        while (!is_over) {
            std::filesystem::rename(file, away);
            std::filesystem::rename(away, file);
        }
    });
    for (int i = 0; i < 5000; ++i) {
        slurm::closed_by(node.site, policy);
        slurm::tell_fellows(node.site, std::chrono::milliseconds(0),
                            [](const slurm::Leaving&) { return false; });
    }
    is_over = true;
    answering.join();
    core::write_atomically(file, "{");  // one that is there and damaged is told
    CHECK_THROWS_AS(slurm::closed_by(node.site, policy), core::Error);
}
