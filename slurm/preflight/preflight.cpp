#include "slurm/preflight/preflight.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/ledger/spool.h"
#include "core/policy/enclave.h"

namespace slurm {
namespace {

constexpr std::size_t kTextBytes = 96;  // of a field in a node's record, which has 16 KiB

std::string cut(const std::string& text) {
    return text.size() <= kTextBytes ? text : text.substr(0, kTextBytes - 3) + "...";
}

}  // namespace

std::vector<Check> check_node(const core::Site& site, const std::string& slurm_conf) {
    std::vector<Check> checks = check_quickly(site, slurm_conf);
    for (Check& check : check_slowly(site)) checks.push_back(std::move(check));
    for (Check& check : checks) check.layer = "node";
    return checks;
}

std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf) {
    return preflight(site, slurm_conf, check_node(site, slurm_conf));
}

std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf,
                             std::vector<Check> checks) {
    for (Check& check : check_published(site)) {
        check.layer = "node";
        checks.push_back(std::move(check));
    }
    for (Check& check : check_site(site, slurm_conf)) {
        check.layer = "site";
        checks.push_back(std::move(check));
    }
    return checks;
}

bool is_ready(const std::vector<Check>& checks) {
    for (const Check& check : checks)
        if (check.verdict == Verdict::bad) return false;
    return true;
}

std::string outcome_of(const std::vector<Check>& checks) {
    std::string outcome;
    for (const Check& check : checks) {
        outcome.append(check.what).append(1, ' ').append(core::name_of(check.verdict));
        if (check.what.starts_with("policy of enclave")) outcome.append(1, ' ').append(check.found);
        outcome.append(1, '\n');
    }
    return outcome;
}

nlohmann::json to_json(const std::vector<Check>& checks) {
    nlohmann::json list = nlohmann::json::array();
    for (Check check : checks) {
        check.found = cut(check.found);
        check.remedy = cut(check.remedy);
        list.push_back(core::to_json(check));
    }
    return list;
}

void report(const core::Site& site, const std::vector<Check>& checks) {
    const std::string host = core::short_host_name();
    nlohmann::json enclaves = nlohmann::json::array();
    try {
        for (const core::Enclave& enclave : core::load_enclaves(site))
            if (enclave.has_node(host)) enclaves.push_back(enclave.name);
    } catch (const core::Error&) {  // the checks say so
    }
    core::spool_record(site, "preflight", "node:" + host,
                       {{"version", ALOFT_VERSION}, {"enclaves", enclaves}, {"checks", to_json(checks)}});
}

}  // namespace slurm
