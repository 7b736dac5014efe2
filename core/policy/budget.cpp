#include "core/policy/budget.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"

namespace core {
namespace {

constexpr std::string_view kBudgetsType = "application/vnd.aloft.budgets+json";
constexpr std::uint64_t kLimitBytes = 16 << 20;

nlohmann::json pair_of(const Used& used) {
    return {used.node_seconds, used.gpu_seconds};
}
Used used_of(const nlohmann::json& pair) {
    return {pair.at(0).get<std::int64_t>(), pair.at(1).get<std::int64_t>()};
}

std::string hours(std::int64_t seconds) {  // one digit, rounded down
    const std::int64_t tenths = std::max<std::int64_t>(seconds, 0) / 360;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

void require(const Grant& grant, const char* what, std::int64_t budget_hours, std::int64_t used,
             std::int64_t cost) {
    if (budget_hours == 0) return;
    const std::int64_t left = budget_hours * 3600 - used;
    if (left > 0 && cost <= left) return;
    throw Error(Fault::refused,
                "grant " + grant.id + " has " + hours(left) + " of its " + std::to_string(budget_hours) +
                    " " + what +
                    " hours left, jobs that run at their time limit "
                    "counted, and this job may use " +
                    hours(cost + 359) +
                    ". Ask for less time or fewer nodes; for more hours, ask the admin (aloft grant issue " +
                    grant.application + " --" + what + "-hours)");
}

}  // namespace

void make_budgets_folder(const std::filesystem::path& root) {
    namespace fs = std::filesystem;
    make_directories(root / kBudgetsOuter, 0700);
    std::error_code error;
    if (fs::status(root / kBudgetsOuter, error).permissions() != fs::perms::owner_all && !error)
        fs::permissions(root / kBudgetsOuter, fs::perms::owner_all, error);  // put back by hand, perhaps
    if (error)
        throw Error(Fault::system,
                    "cannot close " + (root / kBudgetsOuter).string() + ": " + error.message());
    make_directories((root / kBudgetsFile).parent_path(), 0700);
}

bool has_budget(const Grant& grant) {
    return grant.node_hours > 0 || grant.gpu_hours > 0;
}

Budgets parse_budgets(std::string_view envelope, const std::vector<VerifyKey>& keys) {
    Budgets budgets;
    try {
        const std::string payload = dsse_open(envelope, kBudgetsType, keys, "the list of budgets");
        const auto json = nlohmann::json::parse(payload);
        budgets.issued = parse_rfc3339(json.at("issued").get<std::string>());
        budgets.complete = parse_rfc3339(json.at("complete").get<std::string>());
        for (const auto& [grant, one] : json.at("grants").items()) {
            Budgets::Of& of = budgets.grants[grant];
            of.used = used_of(one.at("used"));
            for (const auto& [job, used] : one.at("running").items())
                of.running[static_cast<std::uint32_t>(std::stoul(job))] = used_of(used);
        }
    } catch (const Error& e) {
        throw Error(Fault::refused, e.what());
    } catch (const std::logic_error&) {  // of std::stoul
        throw Error(Fault::refused, "the list of budgets is not of this version. Tell the admin");
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::refused, "the list of budgets is not of this version. Tell the admin");
    }
    return budgets;
}

std::string sign_budgets(const Budgets& budgets, const SigningKey& key) {
    nlohmann::ordered_json grants = nlohmann::ordered_json::object();
    for (const auto& [grant, of] : budgets.grants) {
        nlohmann::ordered_json running = nlohmann::ordered_json::object();
        for (const auto& [job, used] : of.running) running[std::to_string(job)] = pair_of(used);
        grants[grant] = {{"used", pair_of(of.used)}, {"running", running}};
    }
    return dsse_sign(
        key, kBudgetsType,
        nlohmann::ordered_json{
            {"issued", rfc3339(budgets.issued)}, {"complete", rfc3339(budgets.complete)}, {"grants", grants}}
            .dump());
}

void require_budget(const Grant& grant, const Used& used, const Used& cost) {
    require(grant, "node", grant.node_hours, used.node_seconds, cost.node_seconds);
    require(grant, "gpu", grant.gpu_hours, used.gpu_seconds, cost.gpu_seconds);
}

void require_budget(const Site& site, const Grant& grant, std::uint32_t job, const Used& cost,
                    std::int64_t now) {
    if (!has_budget(grant)) return;
    std::string envelope;
    try {
        envelope = read_text(site.mirror / kBudgetsFile, kLimitBytes);
    } catch (const Error&) {
        throw Error(Fault::refused,
                    "what is left of grant " + grant.id +
                        " has not reached this host. Tell the admin: are aloft-sign and, on this host, "
                        "aloft-mirror running?");
    }
    const Budgets budgets = parse_budgets(envelope, publishing_keys(site));
    if (std::max(budgets.issued, budgets.complete) > now + kClockSkewSeconds ||
        now - budgets.complete >= site.revocation_stale_seconds)
        throw Error(
            Fault::refused,
            "what is left of grant " + grant.id + " was last known in full at " + rfc3339(budgets.complete) +
                ". Tell the admin: do aloftd, which must be able to read all of the spool, aloft-sign "
                "and, on this host, aloft-mirror run?");
    const auto of = budgets.grants.find(grant.id);
    if (of == budgets.grants.end())
        throw Error(Fault::refused,
                    "what is left of grant " + grant.id + " has not reached this host yet. Submit again");
    Used used = of->second.used;
    if (const auto own = of->second.running.find(job); own != of->second.running.end()) {
        used.node_seconds -= own->second.node_seconds;
        used.gpu_seconds -= own->second.gpu_seconds;
    }
    require_budget(grant, used, cost);
}

}  // namespace core
