#include "slurm/node/agent.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/gate.h"
#include "slurm/fence/wall.h"
#include "slurm/node/begin.h"
#include "slurm/node/boot.h"
#include "slurm/node/cgroup.h"
#include "slurm/node/end.h"
#include "slurm/node/metrics.h"
#include "slurm/node/outcome.h"
#include "slurm/node/reconcile.h"
#include "slurm/node/records.h"
#include "slurm/preflight/last_look.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds kSecondLook{1000};  // a file system's hiccup is not a reason to end a job
constexpr milliseconds kTelling{5000};     // for all of Slurm's commands, while the job is frozen
constexpr milliseconds kLockPatience{2000};
constexpr milliseconds kFellows{2000}, kForward{5000}, kListen{500};
constexpr seconds kReconcile{60}, kSoon{5}, kLook{60}, kMetrics{15};
constexpr unsigned kThorough = 60;  // open jobs' traces: every so many times
constexpr auto kReport = std::chrono::hours(6);

std::optional<Policy> policy_in(const JobFiles& files) {
    try {
        return parse_policy(core::read_text(files.policy));
    } catch (const Error&) {
        return std::nullopt;
    }
}

void freeze_tasks(std::uint32_t job) {
    for (const fs::path& tasks : task_cgroups(job))
        if (!freeze_cgroup(tasks)) core::Event("warning", "job_not_frozen_yet").with("job", job);
}

void thaw_tasks(std::uint32_t job) {
    for (const fs::path& tasks : task_cgroups(job)) thaw_cgroup(tasks);
}

void kill_tasks(std::uint32_t job) {
    for (const Part part : {Part::batch, Part::step}) kill_users(part_cgroup(job, part));
    for (const fs::path& tasks : task_cgroups(job)) kill_cgroup(tasks);
}

template <class T>
bool is_free(const std::future<T>& work) {
    return !work.valid() || work.wait_for(seconds(0)) == std::future_status::ready;
}

// Starts it if it does not run any more.
template <class Work>
void in_background(std::future<void>& slot, const char* what, Work work) {
    if (!is_free(slot)) return;
    slot = std::async(std::launch::async, [what, work] {
        try {
            work();
        } catch (const std::exception& e) {
            core::Event("error", "not_done").with("what", what).with("text", e.what());
        }
    });
}

}  // namespace

Agent::Agent(core::Site site, std::string slurm_conf, fs::path state)
    : site_(std::move(site)),
      slurm_conf_(std::move(slurm_conf)),
      state_(std::move(state)),
      host_(core::short_host_name()),
      heartbeat_(site_) {
    reconciled_ = looked_ = asked_ = metered_ = steady_clock::now() - std::chrono::hours(1);
    take_stray_walls_down(site_);
    close_once();
    listener_ = std::jthread([this](const std::stop_token& stop) {
        while (!stop.stop_requested())
            port_.answer(site_, kListen, [this](const Farewell& one) { return on_left(one); });
    });
    heartbeat_.beat();
}

Agent::~Agent() = default;

// Before anything was published to this host nobody can say whose fellow it was, and before slurmd has fetched its
// slurm.conf nobody has those fellows' addresses: again at the next round. A gate that stands from before stays until then.
void Agent::close_once() {
    try {
        close_after_boot(site_, host_, core::now_seconds(), slurm_conf_, remembered_fellows(state_));
        open_stray_gate(site_);
        end_closing_before_network();
        is_closed_ = true;
    } catch (const Error& e) {
        if (!has_told_open_) core::Event("warning", "not_closed_after_boot").with("text", e.what());
        has_told_open_ = true;
    }
}

void Agent::make_round() {
    heartbeat_.beat();
    if (!is_closed_) close_once();
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
    const auto is_gone = [&](const auto& one) { return !fs::exists(JobFiles(site_, one.first).folder); };
    std::erase_if(slurm_knows_, is_gone);
    std::erase_if(held_, is_gone);
    std::erase_if(recorded_, is_gone);
    cut_again();
    work_in_background(folders.empty());
}

void Agent::look_at(const fs::path& folder) {
    const std::uint32_t job = job_number(folder.filename().string());
    if (!job) return;
    auto policy = policy_in(JobFiles(site_, job));
    if (!policy) {
        if (is_young(folder)) return;  // Prolog is at work, or Epilog
        policy = Policy{};
        policy->job = job;
        return end(*policy, "this node's policy of the job is missing or damaged");
    }
    if (policy->ruling == Ruling::ended) return finish_ended(*policy);
    if (policy->ruling != Ruling::enclave) return;
    auto objection = objection_to(site_, *policy, host_, core::now_seconds());
    if (!objection) return let_go(job);
    hold(*policy, *objection);
    if (!objection->doubt) {
        std::this_thread::sleep_for(kSecondLook);
        objection = objection_to(site_, *policy, host_, core::now_seconds());
        if (!objection) return let_go(job);
    }
    if (!objection->doubt || is_doubted_too_long(*policy, *objection->doubt)) end(*policy, objection->reason);
}

// The job's tasks stop where they are: not one more byte is read.
void Agent::hold(const Policy& policy, const Objection& objection) {
    if (!held_.contains(policy.job)) {
        const fs::path mark = JobFiles(site_, policy.job).folder / "held";
        std::int64_t since = boot_seconds();
        try {  // by an agent that was here before
            since = std::min(since, static_cast<std::int64_t>(std::stoll(core::read_text(mark, 32))));
        } catch (const std::exception&) {
        }
        held_[policy.job] = since;
        freeze_tasks(policy.job);
        core::Event("warning", "job_held").with("job", policy.job).with("reason", objection.reason);
        try {
            core::write_atomically(mark, std::to_string(since), 0400);
        } catch (const Error&) {  // a full /run: then this agent's own memory must do
        }
        return;
    }
    freeze_tasks(policy.job);  // those that came since
}

void Agent::let_go(std::uint32_t job) {
    const fs::path mark = JobFiles(site_, job).folder / "held";
    std::error_code none;
    if (!held_.erase(job) && !fs::exists(mark, none)) return;
    fs::remove(mark, none);
    thaw_tasks(job);
    core::Event("info", "job_goes_on").with("job", job);
}

bool Agent::is_doubted_too_long(const Policy& policy, const Doubt& doubt) {
    const std::int64_t now = core::now_seconds(), bound = site_.revocation_end_seconds;
    if (doubt.issued > 0 && doubt.issued <= now && now - doubt.issued >= bound) return true;
    return boot_seconds() - held_[policy.job] >= bound - site_.revocation_stale_seconds;
}

// What cannot fail comes first: a full /run keeps nothing from being stopped.
void Agent::end(const Policy& running, const std::string& reason) {
    Policy ended = running;
    ended.ruling = Ruling::ended;
    ended.reason = reason;
    const JobFiles files(site_, running.job);
    freeze_tasks(running.job);
    // Against Epilog, and Prolog of the same job's next run. Who waits in vain for it looks again next round.
    const core::Fd lock = lock_jobs(site_, kLockPatience);
    if (!lock.is_open()) return;
    const auto now = policy_in(files);
    if (!fs::exists(files.folder) || (now ? now->began : 0) != running.began) return thaw_tasks(running.job);
    for (const Part part : {Part::batch, Part::step}) kill_users(part_cgroup(running.job, part));
    destroy_keys(files);
    try {
        core::write_atomically(files.policy, to_json(ended), 0400);  // no step begins here any more
    } catch (const Error& e) {
        core::Event("error", "end_not_written").with("job", running.job).with("text", e.what());
    }
    if (!slurm_knows_.contains(running.job))
        core::Event("warning", "job_stopped").with("job", running.job).with("reason", reason);
    ask_slurm_to_end(ended);
    kill_tasks(running.job);
    finish_ended(ended);
}

void Agent::finish_ended(const Policy& policy) {
    ask_slurm_to_end(policy);
    const fs::path mark = JobFiles(site_, policy.job).folder / "recorded";
    if (fs::exists(mark) || recorded_.contains({policy.job, policy.start})) return;
    record_job(site_, "job-stopped", policy, {{"reason", policy.reason}});
    recorded_.emplace(policy.job, policy.start);
    core::write_atomically(mark, "", 0400);
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

// Another node has left a job. True once nothing of that run reaches the network from here.
bool Agent::on_left(const Farewell& farewell) {
    try {
        if (farewell.job == 0) return on_left_all(farewell);
        const JobFiles files(site_, farewell.job);
        const auto policy = policy_in(files);
        std::error_code none;
        if (!policy) {
            if (fs::exists(files.folder, none)) return false;  // Prolog is at work, or Epilog: ask again
            if (!is_populated(job_cgroup(farewell.job))) return true;
            kill_cgroup(job_cgroup(farewell.job));  // nobody knows whose they are
            return false;
        }
        if (policy->ruling == Ruling::unfenced || policy->ruling == Ruling::deny) return true;
        if (policy->start != farewell.start) return true;  // Prolog has removed that run
        if (policy->enclave != farewell.enclave) return false;
        return cut(*policy, farewell);
    } catch (const std::exception& e) {
        core::Event("error", "farewell_not_obeyed").with("job", farewell.job).with("text", e.what());
        return false;
    }
}

// A node lost power: all that began here before the second in which it came back has it as a fellow no more. The
// clocks of the two nodes may differ by less than a boot takes.
bool Agent::on_left_all(const Farewell& farewell) {
    const std::int64_t back = std::strtoll(farewell.start.c_str(), nullptr, 10);
    bool is_cut = !farewell.own.empty();  // else nobody knows whose fellow it was
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site_.run / "jobs", none)) {
        const auto policy = policy_in(JobFiles(site_, job_number(entry.path().filename().string())));
        if (!policy || policy->began >= back || policy->enclave != farewell.enclave) continue;
        if (policy->ruling != Ruling::enclave && policy->ruling != Ruling::ended) continue;
        const bool is_fellow = std::any_of(policy->peers.begin(), policy->peers.end(), [&](const Peer& one) {
            return one.kind == PEER_FELLOW &&
                   std::find(farewell.own.begin(), farewell.own.end(), one.address) != farewell.own.end();
        });
        if (is_fellow && !cut(*policy, farewell)) is_cut = false;
    }
    return is_cut;
}

bool Agent::cut(const Policy& policy, const Farewell& farewell) {
    const std::lock_guard held(cutting_);
    Left& left = left_[policy.job];
    if (left.start != policy.start) {  // a requeued run has the cgroups of the one before, by name only
        cuts_.forget(policy.job);
        left.by.clear();
    }
    if (left.by.empty()) core::Event("info", "job_cut").with("job", policy.job);
    left.start = policy.start;
    left.by.insert(left.by.end(), farewell.own.begin(), farewell.own.end());
    try {
        cuts_.cut(policy.job, left.by);
    } catch (const Error& e) {
        core::Event("error", "job_not_cut").with("job", policy.job).with("text", e.what());
        freeze_tasks(policy.job);
        kill_tasks(policy.job);
        return false;
    }
    close_to(site_, policy, farewell.own);
    return true;
}

// For cgroups that are new; and jobs that are over are forgotten.
void Agent::cut_again() {
    const std::lock_guard held(cutting_);
    for (auto one = left_.begin(); one != left_.end();) {
        const auto policy = policy_in(JobFiles(site_, one->first));
        if (!policy || policy->start != one->second.start) {
            cuts_.forget(one->first);
            one = left_.erase(one);
            continue;
        }
        try {
            cuts_.cut(one->first, one->second.by);
        } catch (const Error& e) {
            core::Event("error", "job_not_cut").with("job", one->first).with("text", e.what());
            kill_tasks(one->first);
        }
        ++one;
    }
}

void Agent::work_in_background(bool is_idle) {
    const auto now = steady_clock::now();
    in_background(telling_, "telling fellows", [this] { tell_all_fellows(site_, kFellows); });
    in_background(forwarding_, "forwarding records", [] { try_to_forward(kForward); });
    if (is_free(asking_) && now - asked_ > kSoon) {
        asked_ = now;
        in_background(asking_, "asking how jobs ended", [this] { record_outcomes(site_, state_); });
    }

    if (is_free(metering_) && now - metered_ > kMetrics) {
        metered_ = now;
        in_background(metering_, "writing metrics", [this, is_closed = is_closed_] {
            core::save_metrics(site_, "aloft-node", [&] { return node_metrics(site_, is_closed, state_); });
        });
    }

    std::map<std::uint32_t, std::string> urgent;  // left by a fellow: perhaps Slurm has lost this node
    {
        const std::lock_guard held(cutting_);
        for (const auto& [job, left] : left_) urgent.emplace(job, left.start);
    }
    if (is_free(reconciling_) && now - reconciled_ > (urgent.empty() ? kReconcile : kSoon)) {
        reconciled_ = now;
        const auto how = rounds_++ % kThorough == 0 ? Thoroughly::yes : Thoroughly::no;
        in_background(reconciling_, "clearing lost jobs",
                      [this, urgent, how] { clear_lost_jobs(site_, slurm_conf_, host_, urgent, how); });
    }

    look_at_node(is_idle);
}

// Once a minute while no job is here, every six hours at least, and soon again if the node is bad: Prolog waits for
// it. Reported at the start, every six hours, and when the outcome changes while no job is here: a job's own sockets
// are not the node's services.
void Agent::look_at_node(bool is_idle) {
    const auto now = steady_clock::now();
    if (looking_.valid()) {
        if (!is_free(looking_)) return;
        const Look look = looking_.get();
        is_fit_ = look.is_fit;
        if (!look.outcome.empty()) {
            outcome_ = look.outcome;
            reported_ = now;
        }
    }
    const bool is_due = outcome_.empty() || now - reported_ > kReport;
    if (now - looked_ < (is_fit_ ? kLook : kSoon) || !(is_idle || is_due || !is_fit_)) return;
    looked_ = now;
    looking_ = std::async(std::launch::async, [this, is_idle, is_due, before = outcome_]() -> Look {
        Look look;
        try {
            const auto node = check_node(site_, slurm_conf_);
            keep_look(site_, node);
            look.is_fit = is_ready(node);
            if (!is_idle && !is_due) return look;
            const auto checks = preflight(site_, slurm_conf_, node);
            const std::string outcome = outcome_of(checks);
            if (!is_due && outcome == before) return look;
            report(site_, checks);
            core::Event(is_ready(checks) ? "info" : "warning", "preflight").with("ready", is_ready(checks));
            look.outcome = outcome;
        } catch (const std::exception& e) {
            core::Event("warning", "preflight_not_reported").with("text", e.what());
        }
        return look;
    });
}

}  // namespace slurm
