#include "slurm/preflight/preflight.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/policy/enclave.h"
#include "core/ledger/spool.h"

namespace slurm {
namespace {

constexpr std::size_t kTextBytes = 160;  // of a field in a node's record, which has 16 KiB

std::string cut(const std::string& text) {
    return text.size() <= kTextBytes ? text : text.substr(0, kTextBytes - 3) + "...";
}

Check make(std::string what, bool good, std::string found, std::string remedy, Verdict otherwise) {
    Check check;
    check.what = std::move(what);
    check.found = std::move(found);
    check.required = otherwise == Verdict::bad;
    if (!good) {
        check.remedy = std::move(remedy);
        check.verdict = otherwise;
    }
    return check;
}

}  // namespace

std::string_view name_of(Layer layer) {
    return layer == Layer::node ? "node" : "site";
}

std::string_view name_of(Verdict verdict) {
    return verdict == Verdict::good ? "good" : verdict == Verdict::warning ? "warning" : "bad";
}

Check required(std::string what, bool good, std::string found, std::string remedy) {
    return make(std::move(what), good, std::move(found), std::move(remedy), Verdict::bad);
}

Check advised(std::string what, bool good, std::string found, std::string remedy) {
    return make(std::move(what), good, std::move(found), std::move(remedy), Verdict::warning);
}

std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf) {
    std::vector<Check> checks = check_node(site, slurm_conf);
    for (Check& check : check_site(site, slurm_conf)) {
        check.layer = Layer::site;
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
        outcome.append(check.what).append(1, ' ').append(name_of(check.verdict));
        if (check.what.starts_with("policy of enclave")) outcome.append(1, ' ').append(check.found);
        outcome.append(1, '\n');
    }
    return outcome;
}

nlohmann::json to_json(const std::vector<Check>& checks) {
    nlohmann::json list = nlohmann::json::array();
    for (const Check& check : checks)
        list.push_back({{"layer", name_of(check.layer)},
                        {"check", check.what},
                        {"verdict", name_of(check.verdict)},
                        {"required", check.required},
                        {"found", cut(check.found)},
                        {"remedy", cut(check.remedy)}});
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
