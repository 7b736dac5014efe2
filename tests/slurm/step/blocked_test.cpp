#include "slurm/step/blocked.h"

#include <fcntl.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using nlohmann::json;

namespace {

json tried(std::uint64_t connects, const std::string& to, std::uint64_t count) {
    return {{"blocked", {{"connect", connects}}},
            {"attempts", {{{"what", "TCP"}, {"to", to}, {"count", count}}}}};
}

}  // namespace

TEST_CASE("what steps were blocked outlives their cgroups, together and in rough counts") {
    const test::Scratch scratch;
    const std::filesystem::path folder = scratch / "job";
    core::make_directories(folder, 0700);
    CHECK(slurm::kept_blocked(folder) == json{{"blocked", json::object()}, {"attempts", json::array()}});
    CHECK_FALSE(slurm::has_kept_blocked(folder, 0));
    const core::Fd open(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    slurm::keep_blocked(open.get(), 0, tried(100, "https", 1));
    slurm::keep_blocked(open.get(), 1, tried(1, "ssh", 10));
    slurm::keep_blocked(open.get(), 1, tried(1, "https", 1));  // told again: the last word counts
    CHECK(slurm::has_kept_blocked(folder, 0));
    CHECK_FALSE(slurm::has_kept_blocked(folder, 10));
    CHECK(slurm::kept_blocked(folder) == tried(100, "https", 1));
    CHECK(slurm::both_blocked(tried(9, "https", 5), tried(1, "ssh", 6)).at("attempts").size() == 2);
}

TEST_CASE("what cannot be kept is an error") {
    CHECK_THROWS_AS(slurm::keep_blocked(-1, 0, json::object()), core::Error);
}
