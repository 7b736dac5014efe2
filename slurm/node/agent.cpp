#include "slurm/node/agent.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "slurm/node/cgroup.h"
#include "core/base/child.h"
#include "slurm/node/end.h"
#include "slurm/fence/gate.h"
#include "slurm/node/leftovers.h"
#include "slurm/node/begin.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSecondLook{1000};  // a file system's hiccup is not a reason to end a job
constexpr milliseconds kTelling{5000};     // for all of Slurm's commands, while the job is frozen
constexpr auto kReconcile = std::chrono::seconds(60);
constexpr auto kCheck = std::chrono::seconds(60);
constexpr auto kReport = std::chrono::hours(6);

// When the policy that lies there was decided; 0 without one that can be read.
std::int64_t began(const JobFiles& files) {
    try {
        return parse_policy(core::read_text(files.policy)).began;
    } catch (const Error&) {
        return 0;
    }
}

// The job's processes stop where they are, at once and whatever Slurm does: not one more byte is read.
void freeze(std::uint32_t job) {
    for (const fs::path& tasks : task_cgroups(job))
        if (!freeze_cgroup(tasks))
            core::Event("warning", "job_not_frozen_yet").with("job", job);  // the kill comes all the same
    for (const Part part : {Part::batch, Part::step}) kill_users(part_cgroup(job, part));
}

}  // namespace

Agent::Agent(core::Site site, std::string slurm_conf)
    : site_(std::move(site)),
      slurm_conf_(std::move(slurm_conf)),
      host_(core::short_host_name()),
      heartbeat_(site_) {
    checked_ = asked_ = steady_clock::now() - std::chrono::hours(1);
    open_stray_gate(site_);
    heartbeat_.beat();
}

void Agent::make_round() {
    heartbeat_.beat();
    std::vector<fs::path> folders;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site_.run / "jobs", none))
        folders.push_back(entry.path());
    for (const fs::path& folder : folders) try {
            look_at(folder);
        } catch (const std::exception& e) {
            core::Event("error", "job_not_checked")
                .with("job", job_number(folder.filename().string()))
                .with("text", e.what());
        }
    reconcile();
    report_preflight(folders.empty());
}

void Agent::look_at(const fs::path& folder) {
    const std::uint32_t job = job_number(folder.filename().string());
    if (!job) return;
    Policy policy;
    try {
        policy = parse_policy(core::read_text(folder / "policy.json"));
    } catch (const Error&) {
        if (is_young(folder)) return;  // Prolog is at work, or Epilog
        policy.job = job;
        return end(policy, "this node's policy of the job is missing or damaged");
    }
    if (policy.ruling == Ruling::ended) return ask_slurm_to_end(policy);
    if (policy.ruling != Ruling::enclave) return;
    if (!reason_to_end(site_, policy, host_, core::now_seconds())) return;
    std::this_thread::sleep_for(kSecondLook);
    if (const auto reason = reason_to_end(site_, policy, host_, core::now_seconds())) end(policy, *reason);
}

void Agent::end(const Policy& running, const std::string& reason) {
    Policy ended = running;
    ended.ruling = Ruling::ended;
    ended.reason = reason;
    const JobFiles files(site_, running.job);
    {
        const core::Fd lock = lock_jobs(site_);  // against Epilog, and Prolog of the same job's next run
        if (!fs::exists(files.folder) || began(files) != running.began) return;
        freeze(running.job);
        core::write_atomically(files.policy, to_json(ended), 0400);  // no step begins here any more
    }
    core::Event("warning", "job_stopped").with("job", running.job).with("reason", reason);
    ask_slurm_to_end(ended);
    for (const fs::path& tasks : task_cgroups(running.job)) kill_cgroup(tasks);
    destroy_keys(files);
    record_job(site_, "job-stopped", ended, {{"reason", reason}});
}

// Until the controller has taken it: it may be down, and the job's nodes are not free before. The batch
// step's slurmstepd tells the reason in the job's output (spank_aloft.cpp); where it runs on a node that sees
// no reason itself, Slurm carries it there.
void Agent::ask_slurm_to_end(const Policy& policy) {
    if (slurm_knows_[policy.job]) return;
    const auto end = steady_clock::now() + kTelling;
    const auto run = [&](const std::vector<std::string>& words) {
        const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
        return left.count() > 0 ? core::output_of(words, left) : std::nullopt;
    };
    const std::string job = std::to_string(policy.job), text = "aloft: ended: " + policy.reason;
    const auto shown = run({"/usr/bin/scontrol", "show", "job", job});
    if (!shown) return;
    if (shown->find("AdminComment=aloft: ended") == std::string::npos) {
        run({"/usr/bin/scontrol", "update", "JobId=" + job, "AdminComment=" + text});
        if (!policy.nodes.empty() && policy.nodes.front() != host_)
            run({"/usr/bin/scontrol", "notify", job, text});
    }
    slurm_knows_[policy.job] = run({"/usr/bin/scancel", job}).has_value();
}

// Jobs that this node has something of, but Slurm does not run here: it was lost to the controller for a
// while, and its job went on elsewhere or is over. The controller is asked in the background: it may be down.
void Agent::reconcile() {
    if (jobs_here_.valid() && jobs_here_.wait_for(milliseconds(0)) == std::future_status::ready) {
        if (const auto known = jobs_here_.get()) clear_lost_jobs(*known);
    } else if (!jobs_here_.valid() && steady_clock::now() - asked_ > kReconcile) {
        asked_ = steady_clock::now();
        jobs_here_ = std::async(std::launch::async, [host = host_] {
            return core::output_of({"/usr/bin/squeue", "-h", "-a", "-w", host, "-o", "%A"}, milliseconds(5000));
        });
    }
}

// At the start, when the outcome changes (looked at once a minute while no job is here: the checks take time,
// and a job's own sockets are not the node's services), and every six hours.
void Agent::report_preflight(bool is_idle) {
    const auto now = steady_clock::now();
    const bool is_due = outcome_.empty() || now - reported_ > kReport;
    if (now - checked_ < kCheck || !(is_idle || is_due)) return;
    checked_ = now;
    try {
        const auto checks = preflight(site_, slurm_conf_);
        const std::string outcome = outcome_of(checks);
        if (!is_due && outcome == outcome_) return;
        report(site_, checks);
        outcome_ = outcome;
        reported_ = now;
        core::Event(is_ready(checks) ? "info" : "warning", "preflight").with("ready", is_ready(checks));
    } catch (const std::exception& e) {
        core::Event("warning", "preflight_not_reported").with("text", e.what());
    }
}

void Agent::clear_lost_jobs(const std::string& known_to_slurm) {
    std::set<std::uint32_t> known;
    std::istringstream numbers(known_to_slurm);
    for (std::uint32_t job = 0; numbers >> job;) known.insert(job);
    for (const std::uint32_t job : jobs_with_traces(site_))
        if (!known.contains(job)) try {
                end_lost_job(site_, job, core::now_seconds());
            } catch (const std::exception& e) {
                core::Event("error", "job_not_cleared").with("job", job).with("text", e.what());
            }
    const fs::path spool = spool_on(load_slurm_conf(slurm_conf_), host_);
    for (const std::uint32_t job : jobs_with_leftovers(spool))
        if (!known.contains(job)) remove_leftovers(spool, job);
    std::erase_if(slurm_knows_, [&](const auto& one) { return !known.contains(one.first); });
}

}  // namespace slurm
