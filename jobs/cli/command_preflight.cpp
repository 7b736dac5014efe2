// aloft admin preflight, and the checks that aloft admin enclave open makes before it asks aloftd.
#include <iostream>

#include "core/base/error.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "core/ledger/spool.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/recognised.h"
#include "jobs/slurm/cluster_checks.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

std::vector<Report> reports_of(const json& rows) {
    std::vector<Report> reports;
    for (const json& one : rows)
        reports.push_back({one.at("node").get<std::string>(), one.at("time").get<std::int64_t>(),
                           one.at("received").get<std::int64_t>(), one.at("report")});
    return reports;
}

namespace {

void preflight(const Common& common, const std::string& name) {
    const core::Site site = common.site();
    std::vector<core::Enclave> enclaves;
    if (name.empty())
        enclaves = core::load_enclave_sources(site);
    else
        enclaves.push_back(core::load_enclave(site, name));
    if (enclaves.empty())
        throw failure(Fault::usage, "this site has no enclave yet; see: aloft admin enclave create --help");
    const Listing known = list_of(common, "preflight.reports");
    const auto reports = reports_of(known.rows);
    json rows = json::array();
    std::size_t misses = 0;
    bool asked_slurm = false;
    for (const core::Enclave& enclave : enclaves) {
        std::optional<std::vector<std::string>> logins;
        if (known.rest.contains("logins") && known.rest.at("logins").contains(enclave.name))
            logins = known.rest.at("logins").at(enclave.name).get<std::vector<std::string>>();
        auto checks = checks_of_enclave(enclave, policy_sha256(site, enclave.name), logins, reports,
                                        known.rest.at("version").get<std::string>(), core::now_seconds());
        const auto slurm = slurm_checks_here(enclave);
        asked_slurm = slurm.has_value();
        if (slurm) checks.insert(checks.end(), slurm->begin(), slurm->end());
        for (const Check& check : checks) {
            json row = core::to_json(check);
            row["enclave"] = enclave.name;
            rows.push_back(std::move(row));
            misses += check.is_miss();
        }
    }
    if (common.json)
        core::print_json(
            json{{"checks", rows}, {"misses", misses}, {"slurm", asked_slurm ? "checked" : "not asked"}});
    else
        print_checks(common, rows, kEnclaveChecks);
    if (!asked_slurm && !common.json)
        std::cout << tr("Slurm's settings were not looked at: there is no scontrol on this host") << '\n';
    if (misses > 0)
        throw failure(
            Fault::refused,
            "{} required checks fail; the table says what to do about each. No enclave opens with one",
            misses);
}

}  // namespace

std::optional<std::vector<Check>> slurm_checks_here(const core::Enclave& enclave) {
    const std::string host = core::short_host_name();
    try {
        const auto settings = ask_slurm();
        if (!settings) return std::nullopt;
        return checks_of_slurm(enclave, *settings, host);
    } catch (const Error& e) {  // scontrol is there and fails: unknown is not good
        return std::vector<Check>{{host, "slurm", "scontrol", Verdict::bad, true, e.what(),
                                   "make scontrol work here, then ask again"}};
    }
}

void print_checks(const Common& common, json rows, const std::vector<std::string>& columns) {
    for (json& row : rows) {
        const bool miss = row.at("required") == true && row.at("verdict") == "bad";
        if (miss) row["verdict"] = "BAD";
        for (const char* text : {"check", "found", "remedy"})
            row[text] = recognised(row.at(text).get<std::string>());
    }
    print_rows(common, "checks", rows, columns);
    for (const json& row : rows)
        if (row.at("verdict") != "good" && row.at("remedy") != "")
            std::cout << printable(row.at("verdict")) << "  " << printable(row.at("host")) << ": "
                      << printable(row.at("check")) << "\n     -> " << printable(row.at("remedy")) << '\n';
}

void add_preflight(CLI::App& admin, Common& common) {
    static std::string name;
    CLI::App* verb = add_verb(
        admin, common, "preflight",
        "Whether enclaves can be open: what their nodes reported about themselves (node layer) and the site "
        "around them (site layer), what their login hosts did (login layer), and Slurm's settings; exit 5 if "
        "a "
        "required check fails",
        "aloft admin preflight hel", Changes::nothing, [&common] { preflight(common, name); });
    verb->add_option("enclave", name, "Only this enclave (default: all)");
}

}  // namespace jobs
