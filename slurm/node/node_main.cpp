#include <signal.h>

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/journal.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "core/keys/enclave_keys.h"
#include "core/ledger/spool.h"
#include "core/policy/names.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/wall.h"
#include "slurm/node/agent.h"
#include "slurm/node/begin.h"
#include "slurm/node/boot.h"
#include "slurm/node/end.h"
#include "slurm/node/farewell.h"
#include "slurm/node/forget.h"
#include "slurm/node/keys.h"
#include "slurm/node/leftovers.h"
#include "slurm/node/records.h"
#include "slurm/preflight/kernel_settings.h"
#include "slurm/preflight/preflight.h"

namespace {

using core::Error;
using core::Fault;

std::string slurm_conf_path(const std::string& option) {
    if (!option.empty()) return option;
    const char* given = std::getenv("SLURM_CONF");
    return given ? given : "";  // load_slurm_conf looks where Slurm does
}

void print_checks(const std::vector<slurm::Check>& checks, bool json) {
    const auto misses = std::count_if(checks.begin(), checks.end(), [](const slurm::Check& one) {
        return one.verdict == slurm::Verdict::bad;
    });
    if (json)
        core::print_json(
            nlohmann::json{
                {"host", core::short_host_name()}, {"checks", slurm::to_json(checks)}, {"misses", misses}},
            1);
    for (const slurm::Check& one : checks) {
        if (json) break;
        const bool bad = one.verdict == slurm::Verdict::bad;
        std::cout << std::left << std::setw(9) << (bad ? "BAD" : core::name_of(one.verdict)) << std::setw(6)
                  << one.layer << one.what << ": " << one.found << '\n';
        if (!one.remedy.empty()) std::cout << "               -> " << one.remedy << '\n';
    }
    if (misses > 0)
        throw Error(Fault::refused,
                    "this node cannot hold an enclave's jobs yet; the checks marked bad say why");
}

void run_agent(const core::Site& site, const std::string& conf, int every_seconds) {
    slurm::apply_kernel_settings();
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    slurm::Agent agent(site, conf);
    core::Event("info", "agent_started").with("every_seconds", every_seconds);
    const timespec pause{every_seconds, 0};
    do agent.make_round();
    while (::sigtimedwait(&ends, nullptr, &pause) < 0);
    core::end_log_to_journal();
    core::Event("info", "agent_ended");
    std::_Exit(0);  // what hangs in a file system in the background must not hold this up
}

std::string rotate_node_key(const core::Site& site, bool is_switch, bool is_finish, bool dry_run) {
    const auto keys = site.config / "keys";
    const std::string host = core::short_host_name(), open = (keys / "node.next.pub").string();
    if (is_finish)
        throw core::Error(core::Fault::usage,
                          "a node's old key is gone with --switch; on aloftd's host move keys/nodes/" + host +
                              "~next.pub to " + host + ".pub");
    if (is_switch) {
        if (!dry_run) slurm::forward_records(site);  // what the old key signed goes before it
        const bool switched =
            dry_run ? std::filesystem::exists(keys / "node.next.key") : slurm::switch_node_key(site);
        return std::string(!switched ? "the new key signs already, or there is none"
                           : dry_run ? "the new key would sign"
                                     : "the new key signs") +
               "\nNext: when " + (site.spool / host).string() +
               " is empty (what was signed before is in the ledger then), on aloftd's host move keys/nodes/" +
               host + "~next.pub to " + host + ".pub";
    }
    const bool made =
        dry_run ? !std::filesystem::exists(keys / "node.next.key") : slurm::make_next_node_key(site);
    return (dry_run ? "would make "
            : made  ? "made "
                    : "kept ") +
           (keys / "node.next.key").string() + "\nNext: copy " + open + " to aloftd's host as keys/nodes/" +
           host + "~next.pub; then: aloft-node rotate node --switch";
}

std::string rotate_enclave_key(const core::Site& site, const std::string& enclave, bool is_switch,
                               bool is_finish, bool dry_run) {
    const auto keys = site.config / "keys";
    core::check_plain_name(enclave, "enclave");
    if (!is_switch && !is_finish)
        throw core::Error(core::Fault::usage,
                          "an enclave's next key is made on aloftd's host: aloft admin enclave rekey " +
                              enclave + "; here: --switch, then --finish");
    if (dry_run) {
        std::string out;
        for (const auto& file : core::enclave_keys(keys, enclave))
            out += (out.empty() ? "here: " : ", ") + file.string();
        return out + "; nothing was changed";
    }
    const core::Fd held =
        slurm::lock_jobs(site, std::chrono::seconds(60));  // no job begins between two files
    if (is_switch)
        return core::switch_enclave_key(keys, enclave)
                   ? "the next key of enclave " + enclave + " took over; the old one is kept"
                   : "the next key of enclave " + enclave + " has taken over already";
    return slurm::drop_old_enclave_key(site, enclave) ? "the old key of enclave " + enclave + " is removed"
                                                      : "there is no old key of enclave " + enclave;
}

}  // namespace

int main(int argc, char** argv) {
    core::log_to_journal();
    CLI::App app{
        "Root's helper on a compute node: fences an enclave's jobs, and ends them.\n"
        "Example: aloft-node serve            the node's agent, in the foreground\n"
        "         aloft-node preflight        can this node hold an enclave's jobs?\n"
        "         aloft-node status --json    the jobs that are fenced here now"};
    app.require_subcommand(1);
    std::string site_file, conf_file, part, cgroup;
    std::string key;
    bool json = false, dry_run = false, reports = false, is_switch = false, is_finish = false;
    std::uint32_t job = 0;
    std::vector<std::string> former;
    int every_seconds = 5;
    app.add_option("--site", site_file, "site.toml (default: /etc/aloft/site.toml)");
    app.add_option("--slurm-conf", conf_file,
                   "slurm.conf (default: $SLURM_CONF, /etc/slurm/slurm.conf, or what slurmd has fetched)");
    app.add_flag("--json", json, "Print JSON");
    app.fallthrough();
    auto* prolog = app.add_subcommand(
        "prolog", "Slurm's Prolog: decide about the job in the environment, and prepare it");
    auto* epilog = app.add_subcommand(
        "epilog", "Slurm's Epilog: kill what is left of the job, destroy its keys, record it");
    auto* serve = app.add_subcommand(
        "serve",
        "The node's agent (as a service): ends the jobs whose grant ended, was revoked or cannot be\n"
        "checked, and clears what lost jobs left");
    serve->add_option("--every", every_seconds, "Seconds between two looks at the jobs")
        ->check(CLI::Range(1, 30))
        ->capture_default_str();
    auto* close = app.add_subcommand(
        "close", "Before the network starts: close this node to those that it may have shared a job with");
    auto* forward = app.add_subcommand("forward", "Hand this node's records on to aloftd's spool");
    auto* state = app.add_subcommand("status", "List the jobs that have a policy on this node");
    auto* init = app.add_subcommand("init", "Make this node's signing key, if it has none");
    init->add_flag("--dry-run", dry_run, "Say what would be made");
    auto* rotate = app.add_subcommand(
        "rotate",
        "Let another key take over here: this node's own (make it; --switch, when aloftd's host\n"
        "has its public half), or an enclave's (--switch, when all its nodes have the next one;\n"
        "--finish, when nothing is sealed to the old one: aloft admin enclave rekey says when)");
    rotate->add_option("key", key, "node, or an enclave's name")->required();
    auto* switches = rotate->add_flag("--switch", is_switch, "The next key takes over");
    rotate->add_flag("--finish", is_finish, "Remove an enclave's old key")->excludes(switches);
    rotate->add_flag("--dry-run", dry_run, "Say what would be done");
    auto* forgets = app.add_subcommand(
        "forget",
        "Take former fellows of an enclave out of this node's memory and open the node to them: when\n"
        "you know that no job runs on them any more, and they will never say so themselves");
    forgets->add_option("enclave", key, "The enclave's name")->required();
    forgets->add_option("address", former, "Of a former fellow (default: all of the enclave)");
    forgets->add_flag("--dry-run", dry_run, "Say which");
    auto* look = app.add_subcommand(
        "preflight", "Check kernel, cgroups, plugins and keys; exit 5 if jobs would be refused");
    look->add_flag("--report", reports, "Also leave it as a signed record for aloftd");
    auto* attach =
        app.add_subcommand("attach", "Fence a cgroup of a job (called by the plugin on pure cgroup v2)");
    attach->add_option("--job", job)->required();
    attach->add_option("--part", part)->required()->check(CLI::IsMember({"batch", "step"}));
    attach->add_option("--cgroup", cgroup)->required();

    return core::run_tool(app, argc, argv, [&] {
        core::forbid_core_dumps();
        const std::string conf = slurm_conf_path(conf_file);
        if (*prolog) return slurm::run_prolog(site_file, conf);
        if (*epilog) return slurm::run_epilog(site_file, conf);
        if (*close) return slurm::close_before_network(conf);
        const core::Site site = core::Site::load(site_file);
        if (*forward) {
            slurm::forward_records(site);
        } else if (*serve) {
            run_agent(site, conf, every_seconds);
        } else if (*state) {
            const auto jobs = slurm::status(site);
            if (json)
                core::print_json(jobs, 1);
            else
                for (const auto& one : jobs)
                    std::cout << "job " << one.at("job") << "  " << one.at("ruling").get<std::string>()
                              << "  " << one.at("enclave").get<std::string>() << "  blocked "
                              << one.at("blocked").dump() << '\n';
        } else if (*init) {
            const auto path = (site.config / "keys" / "node.key").string();
            if (dry_run)
                std::cout << "would make " << path << " if it is not there\n";
            else
                std::cout << (slurm::make_node_key(site) ? "made " : "kept ") << path << '\n';
        } else if (*rotate) {
            std::cout << (key == "node" ? rotate_node_key(site, is_switch, is_finish, dry_run)
                                        : rotate_enclave_key(site, key, is_switch, is_finish, dry_run))
                      << '\n';
        } else if (*forgets) {
            const auto gone = slurm::forget(site, core::short_host_name(), slurm::load_slurm_conf(conf), key,
                                            {former.begin(), former.end()}, dry_run);
            for (const std::string& address : gone)
                std::cout << (dry_run ? "would forget " : "forgot ") << address << ' ' << key << '\n';
            if (gone.empty()) std::cout << "no former fellow of enclave " << key << " is remembered\n";
        } else if (*look) {
            const auto checks = slurm::preflight(site, conf);
            if (reports) slurm::report(site, checks);
            print_checks(checks, json);
        } else if (*attach) {
            auto policy = slurm::parse_policy(core::read_text(slurm::JobFiles(site, job).policy));
            const auto gone = slurm::closed_by(site, policy);  // a node that left is nobody's fellow
            std::erase_if(policy.peers, [&](const slurm::Peer& one) { return gone.contains(one.address); });
            const slurm::FencedPart fenced{cgroup, part == "batch" ? slurm::Part::batch : slurm::Part::step};
            slurm::attach_fence(fenced.first, fenced.second, policy);
            slurm::extend_wall(job, fenced);
        }
    });
}
