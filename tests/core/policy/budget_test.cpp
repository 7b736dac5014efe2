#include "core/policy/budget.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/published.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

constexpr std::int64_t kNow = 1'790'000'000, kHour = 3600;

// A node that has the budgets of G-1: 100 node hours and 40 GPU hours.
struct Node {
    test::Scratch scratch;
    Site site = test::host_site(scratch.path());
    test::Published published{site, kNow - 10, kNow + 290};
    Grant grant{"G-1", "A-7", "e-alice", 70001, "hel", {}, {}, kNow - 100, kNow + 3600, 100, 40};
    Budgets budgets;

    Node() {
        site.revocation_stale_seconds = 300;
        budgets.issued = budgets.complete = kNow;
        budgets.grants["G-1"] = {{60 * kHour, 10 * kHour}, {{17, {20 * kHour, 5 * kHour}}}};
        write(published.key);
    }
    void write(const SigningKey& key) const {
        make_directories((site.mirror / kBudgetsFile).parent_path());
        write_atomically(site.mirror / kBudgetsFile, sign_budgets(budgets, key));
    }
    std::string refusal(std::uint32_t job, const Used& cost, std::int64_t now = kNow) const {
        try {
            require_budget(site, grant, job, cost, now);
        } catch (const Error& e) {
            return e.fault() == Fault::refused ? e.what() : "wrong fault";
        }
        return "";
    }
};

}  // namespace

TEST_CASE("a job may use at its time limit what is left, and not a second more") {
    const Node node;
    CHECK(node.refusal(18, {40 * kHour, 30 * kHour}) == "");
    CHECK_THAT(node.refusal(18, {40 * kHour + 1, 0}),
               Contains("grant G-1 has 40.0 of its 100 node hours left") && Contains("may use 40.1") &&
                   Contains("aloft grant issue A-7 --node-hours"));
    CHECK_THAT(node.refusal(18, {kHour, 30 * kHour + 1}), Contains("30.0 of its 40 gpu hours left"));
}

TEST_CASE("what counts already for a job's other nodes, or its lost run, counts for it") {
    const Node node;
    CHECK(node.refusal(17, {60 * kHour, 35 * kHour}) == "");
    CHECK_THAT(node.refusal(17, {60 * kHour + 1, 0}), Contains("60.0 of its 100 node hours left"));
}

TEST_CASE("of a budget that is spent nothing is left, whatever a job costs") {
    Node node;
    node.budgets.grants["G-1"].used.gpu_seconds = 41 * kHour;
    node.write(node.published.key);
    CHECK_THAT(node.refusal(18, {kHour, 0}), Contains("has 0.0 of its 40 gpu hours left"));
    node.grant.gpu_hours = 0;  // no bound
    CHECK(node.refusal(18, {kHour, 1000 * kHour}) == "");
}

TEST_CASE(
    "budgets that are missing, old, of the future, of another key or of another grant refuse, and a grant "
    "without one asks for none") {
    Node node;
    CHECK(node.refusal(18, {kHour, 0}, kNow + 299) == "");
    CHECK_THAT(node.refusal(18, {kHour, 0}, kNow + 300), Contains("was last known in full at"));
    CHECK_THAT(node.refusal(18, {kHour, 0}, kNow - 61), Contains("was last known in full at"));
    node.budgets.issued = kNow + 299;  // signed anew, of what is as old
    node.write(node.published.key);
    CHECK_THAT(node.refusal(18, {kHour, 0}, kNow + 300), Contains("was last known in full at"));
    node.budgets.issued = kNow;
    node.write(node.published.key);
    node.grant.id = "G-2";
    CHECK_THAT(node.refusal(18, {kHour, 0}), Contains("G-2 has not reached this host yet"));
    node.grant.id = "G-1";
    node.write(SigningKey::generate());
    CHECK_THAT(node.refusal(18, {kHour, 0}), Contains("the list of budgets"));
    write_atomically(node.site.mirror / kBudgetsFile,
                     "{half");  // damaged: no fault of the node, which would be drained
    CHECK_THAT(node.refusal(18, {kHour, 0}), Contains("the list of budgets"));
    std::filesystem::remove_all(node.site.mirror / kBudgetsOuter);
    CHECK_THAT(node.refusal(18, {kHour, 0}), Contains("has not reached this host. Tell the admin"));
    node.grant.node_hours = node.grant.gpu_hours = 0;
    CHECK(node.refusal(18, {1000 * kHour, 0}) == "");
}

TEST_CASE("budgets and the grant that has one are read as they were signed") {
    const SigningKey key = SigningKey::generate();
    const Node node;
    const Budgets read = parse_budgets(sign_budgets(node.budgets, key), {key.verify_key()});
    CHECK(read.issued == kNow);
    CHECK(read.complete == kNow);
    CHECK(read.grants.at("G-1").used.gpu_seconds == 10 * kHour);
    CHECK(read.grants.at("G-1").running.at(17).node_seconds == 20 * kHour);
    const Grant grant = parse_grant(sign_grant(node.grant, key), {key.verify_key()});
    CHECK(grant.node_hours == 100);
    CHECK(grant.gpu_hours == 40);
    CHECK(has_budget(grant));
    for (
        const char* bad :
        {R"({"issued":"2026-11-23T20:35:08Z","complete":"2026-11-23T20:35:08Z"})",
         R"({"issued":"2026-11-23T20:35:08Z","grants":{}})",
         R"({"issued":"2026-11-23T20:35:08Z","complete":"2026-11-23T20:35:08Z","grants":{"G-1":{"used":[1],"running":{}}}})",
         R"({"issued":"2026-11-23T20:35:08Z","complete":"2026-11-23T20:35:08Z","grants":{"G-1":{"used":[1,2],"running":{"x":[1,2]}}}})"})
        CHECK_THROWS_WITH(
            parse_budgets(dsse_sign(key, "application/vnd.aloft.budgets+json", bad), {key.verify_key()}),
            Contains("not of this version"));
}
