#include "slurm/node/begin.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/base/accounts.h"
#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/hosts.h"
#include "core/base/split.h"
#include "core/base/time.h"
#include "core/base/wait.h"
#include "core/keys/keys.h"
#include "core/ledger/spool.h"
#include "core/policy/budget.h"
#include "core/policy/job_options.h"
#include "core/policy/known.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/gate.h"
#include "slurm/fence/wall.h"
#include "slurm/node/boot.h"
#include "slurm/node/cgroup.h"
#include "slurm/node/controller.h"
#include "slurm/node/end.h"
#include "slurm/node/farewell.h"
#include "slurm/node/leftovers.h"
#include "slurm/node/network.h"
#include "slurm/node/peers.h"
#include "slurm/node/records.h"
#include "slurm/preflight/heartbeat.h"
#include "slurm/preflight/last_look.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr std::chrono::milliseconds kAgentPatience{5000};  // systemd starts it again within one
constexpr std::chrono::milliseconds kLockPatience{60000};  // for the Epilog of the job before
constexpr std::chrono::milliseconds kControllerPatience{30000};
constexpr std::chrono::milliseconds kControllerPause{200};
constexpr std::chrono::milliseconds kForwardPatience{2000};
constexpr std::chrono::milliseconds kFellowPatience{3000};
constexpr std::chrono::milliseconds kClosedPatience{20000};  // two rounds of an agent
constexpr std::chrono::milliseconds kLookPatience{20000};    // an agent looks again at a bad node within 5 s
constexpr std::chrono::milliseconds kDrainPatience{15000};
constexpr std::chrono::milliseconds kNamePatience{2000};
constexpr std::chrono::milliseconds kBudgetPatience{
    10000};  // the end of the job before goes by aloftd, aloft-sign and the mirror
constexpr std::chrono::milliseconds kBudgetPause{500};
constexpr std::chrono::milliseconds kMirrorPatience{
    10000};  // the node has just booted, or its share answers again
constexpr std::chrono::milliseconds kMirrorPause{200};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

std::uint32_t number(const char* name) {
    const std::string value = variable(name);
    if (value.empty() || value.find_first_not_of("0123456789") != std::string::npos || value.size() > 10)
        throw Error(Fault::usage, std::string(name) + " is not set: Slurm starts this as Prolog or Epilog");
    return static_cast<std::uint32_t>(std::stoul(value));
}

void hand_over(const fs::path& path, std::uint32_t uid) {
    if (::lchown(path.c_str(), uid, static_cast<gid_t>(-1)))
        throw Error(Fault::system, core::with_errno("cannot hand over a job's file", errno));
}

// May still refuse: a key that is not there, or not for this enclave, or a grant that was revoked meanwhile.
void lay_down(const core::Site& site, const Job& job, const SlurmConf& conf, const core::Enclave& enclave,
              Policy& policy, const JobFiles& files) {
    std::string grant;
    try {
        grant = text_of_grant(site, policy.grant);
        unseal_keys(site, policy, files);
        auto tokens = step_tokens(site, policy);
        policy.token = tokens.front();
        policy.other_tokens.assign(tokens.begin() + 1, tokens.end());
    } catch (const Error& e) {
        if (e.fault() != Fault::refused) throw;
        policy.ruling = Ruling::deny;
        policy.reason = e.what();
        return;
    }
    core::write_atomically(files.grant, grant, 0444);
    core::write_atomically(files.token, policy.token, 0400);
    hand_over(files.token, job.uid);
    policy.peers = peers_of(job, conf, enclave, core::short_host_name(), look_at_network(conf));
    policy.slurmd_port = conf.slurmd_port;
    remember_fellows(policy);
    close_gate(site, policy);
    // On pure cgroup v2 the plugin has Slurm's own cgroups fenced (aloft-node attach).
    std::vector<FencedPart> parts;
    if (!is_pure_cgroup2())
        for (const Part part : {Part::batch, Part::step}) parts.emplace_back(part_cgroup(job.id, part), part);
    for (const auto& [cgroup, part] : parts) attach_fence(cgroup, part, policy);
    raise_wall(site, policy, parts);
}

}  // namespace

std::uint32_t job_id_from_environment() {
    return number("SLURM_JOB_ID");
}

std::optional<std::uint32_t> count_gpus(std::string_view list) {
    constexpr std::uint32_t kMost = 1024;  // of one node
    std::uint32_t count = 0;
    for (const std::string& one : core::split(std::string(list), ',')) {
        std::uint32_t first = 0, last = 0;
        const char* end = one.data() + one.size();
        auto read = std::from_chars(one.data(), end, first);
        last = first;
        if (read.ec == std::errc{} && read.ptr != end && *read.ptr == '-')
            read = std::from_chars(read.ptr + 1, end, last);
        if (read.ec != std::errc{} || read.ptr != end || last < first || last - first >= kMost)
            return std::nullopt;
        count += last - first + 1;
        if (count > kMost) return std::nullopt;
    }
    return count;
}

Job job_from_environment() {
    Job job;
    job.id = job_id_from_environment();
    job.uid = number("SLURM_JOB_UID");
    job.partition = variable("SLURM_JOB_PARTITION");
    job.nodes = core::expand_hosts(variable("SLURM_JOB_NODELIST").empty() ? variable("SLURM_NODELIST")
                                                                          : variable("SLURM_JOB_NODELIST"));
    job.asked_grant = variable(core::kPrologGrantVariable.data());
    job.asked_image = variable(core::kPrologImageVariable.data());
    job.gpus = count_gpus(variable("SLURM_JOB_GPUS"));
    job.account = variable("SLURM_JOB_USER");
    return job;
}

namespace {

// What this host calls the number, if its name service says so in time: a name that is another one here is refused.
std::string name_here(const Job& job) {
    try {
        if (const auto account = core::account_numbered(job.uid, kNamePatience)) return account->name;
    } catch (const Error& e) {
        core::Event("warning", "no_answer_about_account").with("job", job.id).with("text", e.what());
    }
    return job.account;
}

}  // namespace

core::Fd lock_jobs(const core::Site& site, std::chrono::milliseconds patience) {
    core::Fd lock(::open((site.run / "jobs.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock.is_open())
        throw Error(Fault::system, core::with_errno("cannot lock the jobs of this node", errno));
    const bool is_held = core::wait_until(patience, std::chrono::milliseconds(10),
                                          [&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0; });
    return is_held ? std::move(lock) : core::Fd();
}

std::string text_of_grant(const core::Site& site, const std::string& grant) {
    const fs::path file = site.mirror / "grants" / (grant + ".json");
    try {
        return core::read_text(file);
    } catch (const Error&) {
        std::error_code error;
        if (fs::exists(file, error) || error) throw;
        throw Error(Fault::refused,
                    "grant " + grant + " was revoked as the job began. See: aloft grant list");
    }
}

// Once it runs nobody asks again: it counts already.
void check_budget(const core::Site& site, const Policy& policy, std::optional<std::uint32_t> gpus,
                  std::int64_t most_seconds, std::int64_t now, std::chrono::milliseconds patience) {
    const core::Grant grant = core::open_grant(site, policy.uid, now, {policy.grant, {}});
    if (!core::has_budget(grant)) return;
    const std::string its = "grant " + grant.id + " has a budget";
    if (most_seconds == 0)
        throw Error(Fault::refused, "this job has no time limit, and " + its + ". Submit it with --time");
    if (policy.nodes.empty() || (grant.gpu_hours > 0 && !gpus))
        throw Error(Fault::refused, its + ", and Slurm does not tell this node which " +
                                        (policy.nodes.empty() ? "nodes" : "GPUs") +
                                        " the job has. Tell the admin");
    const auto node_seconds = static_cast<std::int64_t>(policy.nodes.size()) * most_seconds;
    std::optional<Error> refusal;
    core::wait_until(patience, kBudgetPause, [&] {
        try {
            core::require_budget(site, grant, policy.job, {node_seconds, node_seconds * gpus.value_or(0)},
                                 now);
            refusal.reset();
        } catch (const Error& e) {
            if (e.fault() != Fault::refused) throw;
            refusal = e;
        }
        return !refusal;
    });
    if (refusal) throw *refusal;
}

Policy begin_job(const core::Site& site, const Job& job, const fs::path& slurm_conf) {
    const SlurmConf conf = load_slurm_conf(slurm_conf);
    make_run_folder(site);
    // Without the lock, so that nothing else waits.
    core::wait_until(kMirrorPatience, kMirrorPause,
                     [&] { return !decide(site, job, core::short_host_name(), core::now_seconds()).doubt; });
    const core::Fd lock = lock_jobs(site, kLockPatience);
    if (!lock.is_open())
        throw Error(Fault::refused,
                    "this node is still cleaning up after another job. Tell the admin; the job can be "
                    "submitted again");
    remove_job(site, job.id);  // requeued to a node that lost power, or Prolog run again
    remove_leftovers(spool_on(conf, core::short_host_name()), job.id);
    const JobFiles files(site, job.id);
    core::make_directories(files.folder, 0700);
    core::Enclave enclave;
    const std::int64_t now = core::now_seconds();
    Policy policy = decide(site, job, core::short_host_name(), now, &enclave);
    // Whose job it is was known a moment ago, and is not now: the refusal must be written where its account sees it.
    if (policy.ruling == Ruling::deny && policy.enclave.empty()) throw Error(Fault::refused, policy.reason);
    const auto deny = [&](const std::string& reason) {
        policy.ruling = Ruling::deny;
        policy.reason = reason;
    };
    if (policy.ruling == Ruling::enclave && !has_agent(site, kAgentPatience))
        deny(
            "this node's agent (aloft-node serve) does not run, so the end of a grant could not be enforced "
            "here. Tell the admin; the job can be submitted again");
    if (policy.ruling == Ruling::enclave && !has_closed_after_boot(site, kClosedPatience))
        deny(
            "this node's agent has not closed it yet to the nodes that it shared jobs with before it was "
            "started: its log says why. Tell the admin; the job can be submitted again");
    std::int64_t most_seconds = 0;
    if (policy.ruling == Ruling::enclave) {
        ControllersWord word;  // one that restarts, or that another takes over from, answers soon
        core::wait_until(kControllerPatience, kControllerPause, [&] {
            word = ask_about(job.id, kControllerPatience);
            return word.knows != Knows::no_answer;
        });
        most_seconds = word.most_seconds;
        policy.start = word.start;
        if (word.knows != Knows::job)
            deny("Slurm's controller does not tell this node about the job. Submit it again");
    }
    if (policy.ruling == Ruling::enclave) {
        const auto misses = misses_at_begin(site, check_quickly(site, slurm_conf.string()), kLookPatience);
        if (!misses)
            deny(
                "this node's agent has not looked yet whether the node is fit. Tell the admin; the job can "
                "be "
                "submitted again");
        else if (!misses->empty())
            throw Error(Fault::system, reason_of(*misses));
    }
    if (policy.ruling == Ruling::enclave) try {
            check_budget(site, policy, job.gpus, most_seconds, now, kBudgetPatience);
        } catch (const Error& e) {
            if (e.fault() != Fault::refused) throw;
            deny(e.what());
        }
    if (policy.ruling == Ruling::enclave) lay_down(site, job, conf, enclave, policy, files);
    if (policy.ruling == Ruling::enclave)
        record_job(site, "job-started", policy,
                   {{"datasets", policy.datasets},
                    {"start", policy.start},
                    {"most_seconds", most_seconds},
                    {"image", policy.image ? nlohmann::json(policy.image->text()) : nlohmann::json()},
                    {"gpus", policy.gpus}});
    if (policy.ruling == Ruling::deny)
        core::Event("warning", "job_refused")
            .with("job", job.id)
            .with("account", job.account)
            .with("reason", policy.reason);
    // This node may still be closed to one of them, which did not answer when an earlier job parted.
    if (policy.ruling == Ruling::enclave && !tell_all_fellows(site, kFellowPatience))
        core::Event("warning", "begins_closed_to_a_node").with("job", job.id);
    policy.reason = site.with_contact(policy.reason);
    core::write_atomically(files.policy, to_json(policy), 0400);  // last: without it nothing starts
    return policy;
}

namespace {

// What the plugin asks for, even for a job that is not our business. Without locks: there may be a thousand
// such jobs a minute.
void write_policy(const core::Site& site, const Policy& policy) {
    const JobFiles files(site, policy.job);
    core::make_directories(site.run, 0755);
    core::make_directories(site.run / "jobs", 0700);
    core::make_directories(files.folder, 0700);
    core::write_atomically(files.policy, to_json(policy), 0400);
}

Policy policy_for(const Job& job, Ruling ruling, const std::string& reason) {
    Policy policy;
    policy.ruling = ruling;
    policy.reason = reason;
    policy.job = job.id;
    policy.uid = job.uid;
    policy.account = job.account;
    policy.partition = job.partition;
    policy.nodes = job.nodes;
    policy.began = core::now_seconds();
    return policy;
}

void pass(const core::Site& site, const Job& job) noexcept {
    try {
        if (fs::exists(job_cgroup(job.id))) {  // of a run as an enclave's job, which no Epilog ended
            const core::Fd lock = lock_jobs(site, kLockPatience);
            remove_job(site, job.id);
        }
        write_policy(site, policy_for(job, Ruling::unfenced, ""));
    } catch (const std::exception& e) {
        core::Event("warning", "open_job_without_policy").with("job", job.id).with("text", e.what());
    }
}

// A refusal stands in the job's output, in its workspace. Where there is none, its record with Slurm has it, from the job's first
// node: `aloft watch` shows it.
void tell_without_workspace(const Policy& policy) noexcept {
    if (policy.ruling != Ruling::deny || policy.enclave.empty() || !policy.workspace.empty()) return;
    if (!policy.nodes.empty() && policy.nodes.front() != core::short_host_name()) return;
    try {
        core::output_of({"/usr/bin/scontrol", "update", "JobId=" + std::to_string(policy.job),
                         "AdminComment=aloft: refused: " + policy.reason},
                        kDrainPatience);
    } catch (const std::exception& e) {
        core::Event("warning", "refusal_not_told").with("job", policy.job).with("text", e.what());
    }
}

void refuse(const core::Site& site, const Job& job, const core::Known& known,
            const std::string& why) noexcept {
    core::Event("warning", "job_refused").with("job", job.id).with("reason", why);
    try {
        Policy policy = policy_for(job, Ruling::deny, site.with_contact(why));
        policy.enclave = known.enclave_of(job.account, job.uid);
        if (!policy.enclave.empty()) {  // so that the reason finds its way into the workspace
            const auto workspace = site.workspaces / policy.enclave / policy.account;
            struct stat status {};
            if (!site.workspaces.empty() && ::lstat(workspace.c_str(), &status) == 0 &&
                S_ISDIR(status.st_mode) && status.st_uid == job.uid)
                policy.workspace = workspace;
        }
        write_policy(site, policy);
        tell_without_workspace(policy);
    } catch (const std::exception& e) {  // without a policy the plugin refuses too
        core::Event("warning", "job_without_policy").with("job", job.id).with("text", e.what());
    }
}

// Slurm itself would say "Prolog error".
void tell_why_drained(const std::string& reason) noexcept {
    try {
        core::output_of({"/usr/bin/scontrol", "update", "NodeName=" + core::short_host_name(), "State=DRAIN",
                         "Reason=aloft: " + reason},
                        kDrainPatience);
    } catch (const std::exception&) {  // then it says that
    }
}

}  // namespace

void run_prolog(const fs::path& site_file, const fs::path& slurm_conf) {
    Job job = job_from_environment();
    core::Site site;
    site.run = "/run/aloft-node";  // until site.toml says otherwise
    std::string unsound;
    core::Enclaves enclaves;
    try {
        site = core::Site::load(site_file);
        enclaves = core::Enclaves::load(site);
        make_run_folder(site);
    } catch (const std::exception& e) {
        unsound = e.what();
    }
    core::Known known;
    if (!unsound.empty() || !enclaves.unusable.empty()) known = core::load_known(site.known);
    known.add(core::known_of(enclaves));
    if (!known.concerns(job.account, job.uid, job.partition)) return pass(site, job);
    job.account = name_here(job);  // others' jobs do not wait for a name service
    const std::string enclave = known.enclave_of(job.account, job.uid);
    for (const core::UnusableEnclave& one : enclaves.unusable)
        if (one.name == enclave || one.partition == job.partition) unsound = one.why;
    if (!unsound.empty())
        return refuse(site, job, known,
                      "this node's configuration is not sound (" + unsound + "). Tell the admin");
    try {
        tell_without_workspace(begin_job(site, job, slurm_conf));
    } catch (const Error& e) {
        if (e.fault() == Fault::refused) return refuse(site, job, known, e.what());
        tell_why_drained(e.what());
        throw;
    }
    try_to_forward(kForwardPatience);
}

nlohmann::json status(const core::Site& site) {
    nlohmann::json jobs = nlohmann::json::array();
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site.run / "jobs", none)) {
        if (!fs::exists(entry.path() / "policy.json")) continue;  // Prolog or Epilog is at work
        const Policy policy = parse_policy(core::read_text(entry.path() / "policy.json"));
        nlohmann::json one = blocked_so_far(site, policy.job);
        one.update({{"job", policy.job},
                    {"ruling", name_of(policy.ruling)},
                    {"enclave", policy.enclave},
                    {"account", policy.account},
                    {"grant", policy.grant}});
        jobs.push_back(std::move(one));
    }
    return jobs;
}

}  // namespace slurm
