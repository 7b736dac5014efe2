#include "slurm/preflight/last_look.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <thread>

#include "core/base/files.h"
#include "slurm/preflight/heartbeat.h"
#include "support/scratch.h"

namespace {

using core::advised;
using core::required;
using std::chrono::milliseconds;
using Checks = std::vector<slurm::Check>;

constexpr milliseconds kNone{0}, kLong{60000};

// A node whose run folder is a scratch folder.
struct Node {
    Node() { site.run = scratch.path(); }
    core::Site site;
    test::Scratch scratch;
};

bool is_fit(const std::optional<Checks>& misses) {
    return misses && misses->empty();
}

core::Check good(const char* what) {
    return required(what, true, "as it should be", "");
}
core::Check bad(const char* what) {
    return required(what, false, "gone", "mend it");
}

}  // namespace

TEST_CASE("a look is kept for root alone and read as it was") {
    const Node node;
    CHECK_FALSE(slurm::kept_look(node.site));
    slurm::keep_look(node.site, {good("kernel"), bad("wall"), advised("swap", false, "\xff", "swapoff")});
    struct stat status {};
    REQUIRE(::stat((node.site.run / "preflight.json").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0400);
    const auto look = slurm::kept_look(node.site);
    REQUIRE(look);
    REQUIRE(look->size() == 3);
    CHECK(look->at(1).what == "wall");
    CHECK(look->at(1).is_miss());
    CHECK_FALSE(look->at(2).is_miss());
}

TEST_CASE("a look that is old, damaged or deep is none") {
    const Node node;
    const auto write = [&](const std::string& text) {
        core::write_atomically(node.site.run / "preflight.json", text, 0400);
    };
    const auto of = [](std::int64_t seconds) {
        return R"({"boot_seconds":)" + std::to_string(seconds) + R"(,"checks":[]})";
    };
    write(of(slurm::boot_seconds()));
    CHECK(slurm::kept_look(node.site));
    write(of(slurm::boot_seconds() - 13 * 3600));
    CHECK_FALSE(slurm::kept_look(node.site));
    write(of(slurm::boot_seconds()).substr(0, 20));
    CHECK_FALSE(slurm::kept_look(node.site));
    write(R"({"boot_seconds":1e9,"checks":)" + std::string(100000, '[') + std::string(100000, ']') + "}");
    CHECK_FALSE(slurm::kept_look(node.site));
}

TEST_CASE("a job begins on no node that is bad now, or was at the agent's last look") {
    const Node node;
    CHECK_FALSE(slurm::misses_at_begin(node.site, {good("kernel")}, kNone));  // nobody has looked
    slurm::keep_look(node.site, {bad("kernel"), good("wall")});
    // What Prolog sees itself counts, not what the agent saw of the same.
    CHECK(is_fit(slurm::misses_at_begin(node.site, {good("kernel")}, kNone)));
    const auto now = slurm::misses_at_begin(node.site, {good("kernel"), bad("plugin"), bad("key")}, kLong);
    REQUIRE(now);
    CHECK(now->size() == 2);
    CHECK(slurm::reason_of(*now) == "preflight: plugin: gone (and 1 more)");
    slurm::keep_look(node.site, {good("kernel"), bad("wall"), advised("swap", false, "plain", "swapoff")});
    const auto last = slurm::misses_at_begin(node.site, {good("kernel")}, kNone);
    REQUIRE(last);
    REQUIRE(last->size() == 1);
    CHECK(slurm::reason_of(*last) == "preflight: wall: gone");
}

TEST_CASE("a job waits for the look after a node was mended") {
    const Node node;
    const bool had_look = GENERATE(false, true);
    if (had_look) slurm::keep_look(node.site, {bad("wall")});
    std::jthread agent([&] { slurm::keep_look(node.site, {good("wall")}); });
    CHECK(is_fit(slurm::misses_at_begin(node.site, {}, kLong)));
}
