#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "core/keys/keys.h"
#include "core/policy/grant.h"

// What a grant's jobs may use until it ends: node hours and GPU hours, both of whole nodes. A job is refused if what it would
// use at its time limit is more than what is left.

namespace core {

// Of nodes and of GPUs, in seconds of one.
struct Used {
    std::int64_t node_seconds = 0, gpu_seconds = 0;
};

// What is used of each grant that has a budget, as aloft-sign publishes it for root of the nodes alone (FORMAT.md, "Budgets"): jobs
// that run count at their time limit, so who reads it sees when and for how long jobs were asked for.
struct Budgets {
    struct Of {
        Used used;  // with what `running` has
        std::map<std::uint32_t, Used>
            running;  // by job, what is left to it of its time limit on all nodes that told of it
    };
    std::map<std::string, Of> grants;
    std::int64_t issued = 0;    // when it was signed
    std::int64_t complete = 0;  // when aloftd last had all that nodes had told by then
};

// "private/budgets/list.json" of SITE.published and SITE.mirror. The outer folder is closed, so that nobody sees the inner one's times.
inline constexpr const char* kBudgetsFile = "private/budgets/list.json";
inline constexpr const char* kBudgetsOuter = "private";

// The folders of it under `root`. Throws Error(system), also if others may enter the outer one and that cannot be changed.
void make_budgets_folder(const std::filesystem::path& root);

bool has_budget(const Grant& grant);

// Throws Error(refused) if none of `keys` signed it or it is not of this version, or if it is no envelope: a damaged copy is no fault of
// the node.
Budgets parse_budgets(std::string_view envelope, const std::vector<VerifyKey>& keys);
std::string sign_budgets(const Budgets& budgets, const SigningKey& key);

// Throws Error(refused), which says what is left and whom to ask, if `cost` is more than that.
void require_budget(const Grant& grant, const Used& used, const Used& cost);

// The same on a node, as root, by SITE.mirror, for the job `job`: what of it counts already counts for it. Without a budget
// nothing is read. Throws Error(refused) also if the budgets are missing, complete only up to longer ago than the signed list may be
// old, from the future, or do not name the grant.
void require_budget(const Site& site, const Grant& grant, std::uint32_t job, const Used& cost,
                    std::int64_t now);

}  // namespace core
