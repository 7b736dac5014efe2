#include "slurm/node/end.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <exception>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/fence/gate.h"
#include "slurm/fence/wall.h"
#include "slurm/node/begin.h"
#include "slurm/node/cgroup.h"
#include "slurm/node/farewell.h"
#include "slurm/node/leftovers.h"
#include "slurm/node/outcome.h"
#include "slurm/node/records.h"
#include "slurm/node/residue.h"
#include "slurm/node/scrub.h"
#include "slurm/step/blocked.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;

constexpr std::int64_t kYoungSeconds = 30;
constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::milliseconds kFellowPatience{2000};  // one that is lost costs each end so long
constexpr std::chrono::milliseconds kLockPatience{120000}, kForwardPatience{2000};

// Nothing without a policy, or with one that cannot be read any more: there is nobody to name in a record.
std::optional<Policy> read_policy(const JobFiles& files) {
    try {
        return parse_policy(core::read_text(files.policy));
    } catch (const Error&) {
        return std::nullopt;
    }
}

// Of the same account on this node: what it has here is not left over.
bool has_another_job(const core::Site& site, const Policy& ended) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site.run / "jobs", none)) {
        const auto other = read_policy(JobFiles(site, job_number(entry.path().filename().string())));
        if (other && other->job != ended.job && other->uid == ended.uid) return true;
    }
    return false;
}

// It is in the job's cgroup, and Slurm calls Epilog while it is still putting its sockets, its PMIx folder
// and Slurm's cgroups away. The user's processes go at once; who kills slurmstepd with them inherits all
// that.
void let_slurmstepd_leave(std::uint32_t job) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (is_populated(job_cgroup(job)) && std::chrono::steady_clock::now() < end) {
        for (const Part part : {Part::batch, Part::step}) kill_users(part_cgroup(job, part));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

enum class How { ended, lost };

// With the lock held.
void finish(const core::Site& site, std::uint32_t job, std::int64_t now, How how) {
    destroy_keys(JobFiles(site, job));  // first: what follows writes, and a full /run must not keep them
    const auto policy = read_policy(JobFiles(site, job));
    const bool was_fenced = policy && (policy->ruling == Ruling::enclave || policy->ruling == Ruling::ended);
    std::future<bool> told;
    Parted parted;
    if (was_fenced) {
        parted = {cgroup_ids(job_cgroup(job)), closed_by(site, *policy)};
        close_to_fellows(site, *policy);  // before the gate opens, and before Slurm may call the node free
        told = std::async(std::launch::async, [site, run = *policy] {
            return tell_fellows(site, kFellowPatience, [&](const Leaving& one) {
                return one.job == run.job && one.start == run.start;
            });
        });
    }
    nlohmann::json details = blocked_so_far(site, job);  // it dies with the cgroup
    if (how == How::ended) let_slurmstepd_leave(job);
    remove_job(site, job);
    // A lost job may run on other nodes, and its wrapper may be counting.
    if (policy && how == How::ended) remove_marks(*policy);
    if (!policy || policy->ruling == Ruling::unfenced || policy->enclave.empty()) return;
    const bool refused = policy->ruling == Ruling::deny;
    details.update({{"state", refused                           ? "refused"
                              : policy->ruling == Ruling::ended ? "stopped"
                              : how == How::lost                ? "lost"
                                                                : "ended"},
                    {"start", policy->start},
                    {"seconds", now - policy->began},
                    {"gpus", policy->gpus},
                    {"reason", policy->reason}});
    Scrubbed scrubbed;
    if (!refused && !has_another_job(site, *policy)) {
        scrubbed =
            scrub(policy->uid, writable_folders("/proc/self/mountinfo", {site.datasets, site.workspaces}),
                  site.run);
        details["scrubbed"] = scrubbed.to_json();
        const Residue residue = clear_residue(*policy, parted);
        details["cleared"] = residue.to_json();
        if (!residue.left.empty()) scrubbed.left += (scrubbed.left.empty() ? "" : "; ") + residue.left;
    }
    record_job(site, refused ? "job-refused" : "job-ended", *policy, std::move(details));
    if (!refused) try {
            remember_end(*policy);
        } catch (const Error& e) {  // its end is on record
            core::Event("warning", "outcome_not_asked_for").with("job", job).with("text", e.what());
        }
    if (told.valid() && !told.get())  // the node stays closed to them; the agent goes on telling
        core::Event("warning", "fellows_not_told_yet").with("job", job);
    if (!scrubbed.left.empty())
        throw Error(core::Fault::system, "job " + std::to_string(job) + " left what cannot be removed: " +
                                             scrubbed.left + ". Clean this node by hand, then resume it");
}

}  // namespace

void run_epilog(const fs::path& site_file, const fs::path& slurm_conf) {
    const std::uint32_t job = job_id_from_environment();
    core::Site site;
    site.run = "/run/aloft-node";  // until site.toml says otherwise
    try {
        site = core::Site::load(site_file);
    } catch (const Error& e) {
        // An open job's end is nobody's trouble; a fenced one must not be called over.
        core::Event("error", "site_not_read").with("text", e.what());
        std::error_code none;
        if (fs::exists(job_cgroup(job), none) || fs::exists(JobFiles(site, job).keys, none)) throw;
        fs::remove_all(JobFiles(site, job).folder, none);
        return;
    }
    std::exception_ptr fault;
    try {
        if (!end_job(site, job, core::now_seconds())) return;
    } catch (...) {
        fault = std::current_exception();  // what could not be removed is on record
    }
    try {
        remove_leftovers(spool_on(load_slurm_conf(slurm_conf), core::short_host_name()), job);
    } catch (...) {
        if (!fault) fault = std::current_exception();
    }
    try_to_forward(kForwardPatience);
    if (fault) std::rethrow_exception(fault);
}

bool end_job(const core::Site& site, std::uint32_t job, std::int64_t now) {
    const JobFiles files(site, job);
    std::error_code none;
    const bool has_cgroup = fs::exists(job_cgroup(job), none);
    const auto policy = read_policy(files);
    const bool is_open = policy ? policy->ruling == Ruling::unfenced : !fs::exists(files.folder, none);
    if (is_open && !has_cgroup) {
        fs::remove_all(files.folder, none);  // there is nothing else of ours, and nobody to wait for
        return false;
    }
    const core::Fd lock = lock_jobs(site, kLockPatience);
    if (!lock.is_open()) throw Error(core::Fault::system, "another job's end on this node does not end");
    finish(site, job, now, How::ended);
    return true;
}

void end_lost_job(const core::Site& site, std::uint32_t job, const std::string& start, std::int64_t now) {
    const core::Fd lock = lock_jobs(site, std::chrono::milliseconds(0));
    if (!lock.is_open()) return;
    const auto policy = read_policy(JobFiles(site, job));
    if ((policy ? policy->start : "") == start) finish(site, job, now, How::lost);
}

std::map<std::uint32_t, Trace> jobs_with_traces(const core::Site& site) {
    std::map<std::uint32_t, Trace> jobs;
    const auto add = [&](std::uint32_t job) {
        const JobFiles files(site, job);
        if (!job || is_young(files.folder)) return;
        const auto policy = read_policy(files);
        jobs.emplace(job, policy ? Trace{policy->start, policy->ruling == Ruling::unfenced} : Trace{});
    };
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site.run / "jobs", none))
        add(job_number(entry.path().filename().string()));
    for (const auto& entry : fs::directory_iterator(job_cgroup(0).parent_path(), none)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("job_") && !is_young(entry.path())) add(job_number(name.substr(4)));
    }
    return jobs;
}

void destroy_keys(const JobFiles& files) {
    std::error_code none;
    for (const auto& key : fs::directory_iterator(files.keys, none))  // tmpfs pages: overwritten, then freed
        if (const core::Fd fd(::open(key.path().c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC)); fd.is_open())
            core::write_all(fd.get(), core::Bytes(256, 0));
    fs::remove_all(files.keys, none);
}

void remove_job(const core::Site& site, std::uint32_t job) {
    remove_cgroup(job_cgroup(job));
    open_gate(site, job);
    take_wall_down(site, job);
    const JobFiles files(site, job);
    destroy_keys(files);
    // The agent, which waits for no lock, may write a mark into the folder while it goes.
    std::error_code error;
    for (int tries = 0; tries < 3 && fs::exists(files.folder); ++tries) fs::remove_all(files.folder, error);
    if (fs::exists(files.folder)) fs::remove_all(files.folder);
}

nlohmann::json blocked_so_far(const core::Site& site, std::uint32_t job) {
    const auto of = [](const fs::path& cgroup) {
        return blocked_by(core::Fd(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)).get());
    };
    if (!is_pure_cgroup2()) return of(part_cgroup(job, Part::step));
    const JobFiles files(site, job);
    nlohmann::json all = kept_blocked(files.folder);
    for (const fs::path& tasks : task_cgroups(job)) {  // .../step_N/user: of steps that go on
        const fs::path step = tasks.parent_path();
        const std::string name = step.filename().string();
        if (name.starts_with("step_") && name != "step_batch" &&
            !has_kept_blocked(files.folder, job_number(name.substr(5))))
            all = both_blocked(all, of(step));
    }
    return all;
}

bool is_young(const fs::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && core::now_seconds() - status.st_mtime < kYoungSeconds;
}

std::uint32_t job_number(std::string_view name) {
    std::uint32_t job = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), job);
    return error == std::errc() && end == name.data() + name.size() ? job : 0;
}

}  // namespace slurm
