#include "slurm/node/begin.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "core/base/error.h"
#include "core/policy/budget.h"
#include "support/published.h"
#include "support/scratch.h"

using namespace std::chrono_literals;
using Catch::Contains;

TEST_CASE("the GPUs of a node that Slurm names are counted") {
    for (const auto& [list, count] :
         {std::pair{"", 0u}, {"0", 1u}, {"0,1", 2u}, {"0-3", 4u}, {"0-3,7", 5u}, {"1023", 1u}})
        CHECK(slurm::count_gpus(list) == count);
}

TEST_CASE("what is no list of GPUs is no number of them") {
    for (const char* list :
         {"a100", ",0", "-1", "3-1", "0-", "0-4294967295", "0-1023,5000", "99999999999", "0 1", "1,x"})
        CHECK_FALSE(slurm::count_gpus(list));
}

namespace {

constexpr std::int64_t kNow = 1'790'000'000, kHour = 3600;

// A node whose grant G-1 has 10 node hours and 40 GPU hours, of which `used` node hours are used.
struct Budgeted {
    test::Scratch scratch;
    core::Site site = test::host_site(scratch.path());
    test::Published published{site, kNow - 10, kNow + 290};
    slurm::Policy policy;
    std::optional<std::uint32_t> gpus = 4;

    Budgeted() {
        published.grant(
            {"G-1", "A-7", "e-alice", 70001, "hel", {}, {}, kNow - 100, kNow + 3600 * 1000, 10, 40});
        published.list.open_enclaves = {"hel"};
        published.write();
        policy.job = 18, policy.uid = 70001, policy.nodes = {"n1", "n2"}, policy.grant = "G-1";
        used(6);
    }
    void used(std::int64_t hours) const {
        core::Budgets budgets;
        budgets.issued = budgets.complete = kNow;
        budgets.grants["G-1"].used = {hours * kHour, 0};
        core::make_budgets_folder(site.mirror);
        core::write_atomically(site.mirror / core::kBudgetsFile, core::sign_budgets(budgets, published.key));
    }
    std::string refusal(std::int64_t seconds, std::chrono::milliseconds patience = 0ms) const {
        try {
            slurm::check_budget(site, policy, gpus, seconds, kNow, patience);
        } catch (const core::Error& e) {
            return e.fault() == core::Fault::refused ? e.what() : std::string("wrong fault: ") + e.what();
        }
        return "";
    }
};

}  // namespace

TEST_CASE("a job of two nodes costs its time limit on both") {
    const Budgeted node;
    CHECK(node.refusal(2 * kHour) == "");
    CHECK_THAT(node.refusal(2 * kHour + 1), Contains("has 4.0 of its 10 node hours left"));
    CHECK_THAT(node.refusal(0), Contains("no time limit"));
}

TEST_CASE("a job whose cost is not known is refused under a budget") {
    Budgeted node;
    node.gpus.reset();
    CHECK_THAT(node.refusal(kHour), Contains("does not tell this node which GPUs"));
    node.gpus = 4;
    node.policy.nodes.clear();
    CHECK_THAT(node.refusal(kHour), Contains("does not tell this node which nodes"));
}

TEST_CASE("what the end of the job before gives back is waited for") {
    const Budgeted node;
    CHECK(node.refusal(5 * kHour) != "");
    std::thread later([&] {
        std::this_thread::sleep_for(100ms);
        node.used(0);
    });
    CHECK(node.refusal(5 * kHour, 60s) == "");
    later.join();
}

TEST_CASE("a grant that is revoked while its job begins refuses the job, and drains no node") {
    const Budgeted node;
    CHECK_FALSE(slurm::text_of_grant(node.site, "G-1").empty());
    const auto file = node.site.mirror / "grants" / "G-1.json";
    const auto fault = [&] {
        try {
            slurm::text_of_grant(node.site, "G-1");
        } catch (const core::Error& e) {
            return std::pair(e.fault(), std::string(e.what()));
        }
        return std::pair(core::Fault::bug, std::string("no error"));
    };
    std::filesystem::remove(file);
    CHECK(fault().first == core::Fault::refused);
    CHECK_THAT(fault().second, Contains("revoked as the job began"));
    std::filesystem::create_directory(file);  // is there, and cannot be read
    CHECK(fault().first != core::Fault::refused);
}
