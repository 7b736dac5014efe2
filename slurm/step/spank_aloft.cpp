// slurmstepd's door: the SPANK plugin that puts a job into its fence. It runs as root in every slurmstepd, so
// no exception may leave, and a job that cannot be fenced must not start. Two kinds of "no":
//
//   a refusal   no policy, no grant, a step that aloft-run did not start. Each task ends with its reason in
//               the job's output and exit code 5. The node is sound and stays in service.
//   a failure   the fence could not be built: the node is at fault. The hook returns a negative code (Slurm
//               goes on at a positive one, and ESPANK_ERROR is 3000) before slurmstepd has opened any output.
//               What Slurm 22.05 makes of that: the node of a batch script is drained, but the job called
//               completed; a step's node is left in service, to eat the queue. So the plugin itself has
//               slurmctld drain the node, with the reason, and hold the job. Where a step fails, aloft-run
//               ends the job, and its output says so.
//
// The ruling is a denial until init has come to its end, and again once a hook has failed: should Slurm go on
// all the same, no task gets to the user's program.
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "slurm/admit/script.h"
#include "slurm/decide/policy.h"
#include "slurm/fence/fence_check.h"
#include "slurm/step/again.h"
#include "slurm/step/blocked.h"
#include "slurm/step/confine.h"
#include "slurm/step/image.h"
#include "slurm/step/mark.h"
#include "slurm/step/names.h"
#include "slurm/step/output.h"
#include "slurm/step/view.h"
#include "slurm/step/written.h"

extern "C" {  // spank.h has no guard of its own; without this no hook is found
#include <slurm/slurm.h>
#include <slurm/spank.h>
#define ALOFT_HOOK __attribute__((visibility("default")))
// const is local to a C++ file unless declared first; slurmd looks these up.
extern ALOFT_HOOK const char plugin_name[], plugin_type[];
extern ALOFT_HOOK const unsigned int plugin_version, spank_plugin_version;
SPANK_PLUGIN(aloft_fence, 1)
extern ALOFT_HOOK const char aloft_fence_version[];  // for preflight, which cannot load this file
const char aloft_fence_version[] = "aloft-fence-version=" ALOFT_VERSION;
ALOFT_HOOK int slurm_spank_init(spank_t spank, int count, char** arguments);
ALOFT_HOOK int slurm_spank_user_init(spank_t spank, int count, char** arguments);
ALOFT_HOOK int slurm_spank_task_init_privileged(spank_t spank, int count, char** arguments);
ALOFT_HOOK int slurm_spank_task_init(spank_t spank, int count, char** arguments);
ALOFT_HOOK int slurm_spank_task_exit(spank_t spank, int count, char** arguments);
}

namespace {

using core::Error;
using core::Fault;
using slurm::Part;
using slurm::Policy;
using slurm::Ruling;

constexpr const char* kTokenVariable = "ALOFT_STEP_TOKEN";
constexpr std::size_t kLines = 20;
constexpr std::uint64_t kRoomBytes = 64 << 10;  // less room than this is none

// This slurmstepd's one step; SPANK hands us no place of our own.
struct Step {
    Policy policy;
    Part part = Part::step;
    slurm::SlurmPlaces places;
    std::uint32_t id = 0;
    core::Fd folder;         // of the job on the host, which the job's view does not show
    core::Fd fence;          // the cgroup that the fence is on
    bool has_begun = false;  // init came to its end
    bool in_view = false, has_told_end = false;
    std::uint32_t tasks_left = 0;
    std::set<std::string> told;                     // of what was blocked
    std::vector<std::filesystem::path> over_image;  // trees over the job's image; empty: it has none
};
Step g_step;

void refuse(const std::string& reason) {
    g_step.policy.ruling = Ruling::deny;
    g_step.policy.reason = reason;
}

// Takes the node out of service and holds the job, as Slurm itself does when Prolog fails.
void take_out_of_service(const std::string& reason) noexcept {
    std::string node = core::short_host_name();
    std::string text = "aloft: " + reason;
    update_node_msg_t message;
    slurm_init_update_node_msg(&message);
    message.node_names = node.data();
    message.node_state = NODE_STATE_DRAIN;
    message.reason = text.data();
    if (slurm_update_node(&message)) slurm_error("aloft: cannot take this node out of service");
    if (g_step.part == Part::batch && slurm_requeue(g_step.policy.job, JOB_REQUEUE_HOLD | JOB_LAUNCH_FAILED))
        slurm_error("aloft: cannot hold job %u", g_step.policy.job);
}

enum class Failure { node, task };

template <class Work>
int at_boundary(const char* hook, Failure whose, Work work) noexcept {
    if (spank_context() != S_CTX_REMOTE) return ESPANK_SUCCESS;  // srun, sbatch, slurmd: nothing to fence
    std::string reason = "unknown failure";
    try {
        work();
        return ESPANK_SUCCESS;
    } catch (const std::exception& e) {
        reason = e.what();
    } catch (...) {
    }
    slurm_error("aloft: %s: %s", hook, reason.c_str());
    try {
        refuse("the fence could not be built on this node: " + reason);
        if (whose == Failure::node) take_out_of_service(reason);
        slurm::forbid_programs();
    } catch (...) {
        slurm_error("aloft: %s: cannot deny", hook);  // has_begun is not set, or the task ends
    }
    return -1;
}

// In a task, what a hook returns is not relied on.
template <class Work>
int in_task(const char* hook, Work work) noexcept {
    if (at_boundary(hook, Failure::task, work) == ESPANK_SUCCESS) return ESPANK_SUCCESS;
    ::_exit(static_cast<int>(Fault::system));
}

template <class T>
T item(spank_t spank, spank_item_t what) {
    T value{};
    if (spank_get_item(spank, what, &value) != ESPANK_SUCCESS)
        throw Error(Fault::system, "Slurm does not say which job this is");
    return value;
}

slurm::SlurmPlaces read_arguments(int count, char** arguments) {
    slurm::SlurmPlaces places;
    for (int i = 0; i < count; ++i) {
        const std::string argument = arguments[i];
        if (argument.starts_with("spool="))
            places.spool = argument.substr(6);
        else if (argument.starts_with("munge="))
            places.munge = argument.substr(6);
        else
            throw Error(Fault::usage, "plugstack.conf: aloft_fence.so knows spool= and munge= only");
    }
    return places;
}

// How often Slurm has started the job again.
int restarts(spank_t spank) {
    char count[16] = {};
    return spank_getenv(spank, "SLURM_RESTART_COUNT", count, sizeof count) == ESPANK_SUCCESS
               ? std::atoi(count)
               : 0;
}

// Of a denial that is no fault of the job's; empty: it is refused. Slurm sets the count for the task only, so that no
// earlier hook sees it.
std::string reason_to_start_again(spank_t spank) {
    if (g_step.policy.is_of_other_version)
        return "this node was given another version of Aloft as the job began";
    // A requeued job can come back to a node before slurmd has forgotten its last run there (cred_expire, counted from
    // the end of Epilog): slurmd then skips the Prolog.
    if (g_step.policy.began == 0 && restarts(spank) > 0)
        return "Slurm has not prepared this node for the job's next run yet";
    return {};
}

// In the task, as the user.
bool is_started_again(spank_t spank) {
    if (g_step.part == Part::step) return slurm::ask_to_run_again(g_step.policy.job, restarts(spank));
    // What is shown in a workspace's place is gone with this run, and the count in it.
    if (g_step.policy.workspace.empty()) return restarts(spank) <= slurm::kMostInARow;
    const slurm::Again again(g_step.policy.job);
    return again.count(again.take(), restarts(spank));
}

bool shows_token(spank_t spank, const Policy& policy) {
    char shown[128] = {};
    if (spank_getenv(spank, kTokenVariable, shown, sizeof shown) != ESPANK_SUCCESS) return false;
    const auto is_shown = [&](const std::string& token) {
        return !token.empty() && core::equal_secret(core::view(shown), core::view(token));
    };
    return is_shown(policy.token) ||
           std::any_of(policy.other_tokens.begin(), policy.other_tokens.end(), is_shown);
}

// On pure cgroup v2 slurmstepd must stay where Slurm put it, so the fence comes to it: .../job_N/step_M,
// above slurmstepd's and the tasks' own. Untested (PROMISE.md).
void fence_own_cgroup(const Step& step) {
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    while (std::getline(file, line) && !line.starts_with("0::")) {
    }
    if (!line.starts_with("0::")) throw Error(Fault::system, "no cgroup v2");
    const std::string cgroup =
        "/sys/fs/cgroup" + std::filesystem::path(line.substr(3)).parent_path().string();
    const std::string program = ALOFT_PREFIX "/libexec/aloft/aloft-node";
    const std::string job = std::to_string(step.policy.job),
                      part = step.part == Part::batch ? "batch" : "step";
    std::vector<std::string> words{program, "attach", "--job", job, "--part", part, "--cgroup", cgroup};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    char* environment[] = {nullptr};
    pid_t child = 0;
    int status = -1;
    if (::posix_spawn(&child, program.c_str(), nullptr, nullptr, argv.data(), environment) ||
        ::waitpid(child, &status, 0) != child || status != 0)
        throw Error(Fault::system, "aloft-node could not fence the step's cgroup");
    slurm::join_cgroup("/sys/fs/cgroup" + line.substr(3));
    g_step.fence = core::Fd(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

void enter_part(const std::filesystem::path& cgroup) {
    slurm::enter_cgroup(cgroup);
    g_step.fence = core::Fd(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// Memory of the job on this node; all of the node's where Slurm does not count memory.
std::uint64_t memory_bytes(spank_t spank) {
    std::uint64_t megabytes = 0;
    if (spank_get_item(spank, S_JOB_ALLOC_MEM, &megabytes) == ESPANK_SUCCESS && megabytes > 0 &&
        megabytes < (std::uint64_t{1} << 40))
        return megabytes << 20;
    return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// The mount of the job's image, if it has one. What is wrong with it is a refusal.
core::Fd mount_of_image(const core::Site& site) {
    const Policy& policy = g_step.policy;
    if (policy.ruling != Ruling::enclave || g_step.part != Part::step || !policy.image) return {};
    try {
        core::Fd mount = slurm::mount_image(site, *policy.image);
        g_step.over_image = {ALOFT_PREFIX};
        for (const auto& tree : policy.software)
            if (tree != ALOFT_PREFIX) g_step.over_image.push_back(tree);
        return mount;
    } catch (const Error& e) {
        refuse(e.what());
        return {};
    }
}

void begin_step(spank_t spank, int count, char** arguments) {
    g_step.places = read_arguments(count, arguments);
    g_step.id = item<std::uint32_t>(spank, S_JOB_STEPID);
    g_step.part = g_step.id == SLURM_BATCH_SCRIPT ? Part::batch : Part::step;
    Policy& policy = g_step.policy;
    policy.job = item<std::uint32_t>(spank, S_JOB_ID);
    policy.uid = item<uid_t>(spank, S_JOB_UID);
    const core::Site site = slurm::load_site(policy.job, policy.uid, core::version());
    policy = slurm::read_policy(site, policy.job, policy.uid, core::version());
    if (policy.ruling == Ruling::unfenced) {
        g_step.has_begun = true;
        return;
    }
    // PrologFlags=Contain: it takes in sessions of the job's user (pam_slurm_adopt), which no fence would
    // surround. It ends before it has taken in anybody.
    if (g_step.id == SLURM_EXTERN_CONT) return slurm::end_extern_step();
    if (policy.ruling == Ruling::ended) refuse(policy.reason);
    g_step.folder =
        core::Fd(::open(slurm::JobFiles(site, policy.job).folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (policy.ruling == Ruling::enclave && g_step.part == Part::step && !shows_token(spank, policy))
        refuse(
            "steps of an enclave's job are started by its batch script only. Run it with aloft submit "
            "--ntasks-per-node N");
    slurm::ViewPlan plan{g_step.part, g_step.places, memory_bytes(spank), {}, item<gid_t>(spank, S_JOB_GID)};
    if (policy.ruling == Ruling::enclave) {
        std::error_code none;
        plan.names = slurm::resolve_others(
            std::filesystem::exists("/etc/hosts", none) ? core::read_text("/etc/hosts") : "", policy);
        if (slurm::is_pure_cgroup2())
            fence_own_cgroup(g_step);
        else
            enter_part(slurm::part_cgroup(policy.job, g_step.part));
    }
    const core::Fd image = mount_of_image(site);
    if (policy.ruling == Ruling::deny) slurm::forbid_programs();
    if (!policy.enclave.empty()) {
        plan.image = image.get();
        slurm::enter_daemon_view(site, policy, plan);
        slurm::enter_landlock_scope();
        if (g_step.part == Part::batch) slurm::limit_waiting();  // a step's output goes to srun
        g_step.in_view = true;
    }
    g_step.has_begun = true;
}

std::string script_path(spank_t spank) {
    int count = 0;
    char** words = nullptr;
    if (spank_get_item(spank, S_JOB_ARGV, &count, &words) != ESPANK_SUCCESS || count < 1)
        throw Error(Fault::system, "Slurm does not say where the job's script is");
    return words[0];
}

// Whether this task may go on to become the user's program; what is missing is a refusal.
void require_begun() {
    if (!g_step.has_begun && g_step.policy.ruling != Ruling::deny)
        refuse("the fence was not built on this node. Tell the admin");
    if (g_step.policy.ruling == Ruling::enclave && !g_step.in_view)
        refuse("the job has no view on this node. Tell the admin");
}

// Before the view hides the cgroups.
void begin_task_as_root(spank_t spank) {
    require_begun();
    if (!g_step.in_view) return;
    const Policy& policy = g_step.policy;
    if (policy.ruling == Ruling::enclave && !slurm::is_pure_cgroup2())
        slurm::join_cgroup(slurm::task_cgroup(policy.job, g_step.part));
    const std::string script = g_step.part == Part::batch ? script_path(spank) : "";
    try {
        slurm::enter_task_view(policy.job, g_step.id, g_step.part, g_step.places, script, g_step.over_image);
    } catch (const Error& e) {
        if (g_step.over_image.empty()) throw;
        refuse("image " + policy.image->name + " cannot be shown on this node: " + e.what() +
               ". Tell the admin");
        slurm::forbid_programs();
    }
}

void begin_task(spank_t spank) {
    require_begun();
    if (g_step.policy.ruling == Ruling::enclave && g_step.part == Part::batch) try {
            slurm::user_script(core::read_text(script_path(spank)));
        } catch (const Error& e) {
            refuse(e.what());
        }
    if (g_step.policy.ruling == Ruling::deny) {
        const std::string why = reason_to_start_again(spank);
        const bool again = !why.empty() && is_started_again(spank);
        const std::string line = again ? "aloft: " + why + "; the job waits for another start\n"
                                       : "aloft: refused: " + g_step.policy.reason + "\n";
        (void)!::write(STDERR_FILENO, line.data(), line.size());
        ::_exit(static_cast<int>(again ? Fault::requeue : Fault::refused));
    }
    if (g_step.policy.ruling == Ruling::unfenced) return;
    spank_unsetenv(spank, kTokenVariable);
    slurm::restrict_task();
}

// What Prolog wrote, as it is now: the agent may have ended the job since.
Policy policy_now() {
    const core::Fd file(::openat(g_step.folder.get(), "policy.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(file.get(), buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    return slurm::parse_policy(text);
}

// New attempts once each, 20 lines at most: it is for the researcher who wonders, the record has them all.
void tell_blocked(bool is_last_task) {
    std::size_t more = 0;
    for (const slurm::BlockedAttempt& one : slurm::blocked_attempts(g_step.fence.get())) {
        if (g_step.told.contains(one.what + one.to)) continue;
        if (g_step.told.size() == kLines) {
            ++more;
            continue;
        }
        g_step.told.insert(one.what + one.to);
        slurm_spank_log("aloft: blocked: %s; this enclave has no network", one.text().c_str());
    }
    if (more && is_last_task) slurm_spank_log("aloft: blocked: and %zu more", more);
}

// The output lies in the workspace, so a full one cannot say so itself: the job's record with Slurm does,
// which its user sees. (A quota is not seen from here.)
void tell_full_workspace() {
    struct statvfs room {};
    if (::statvfs("/aloft/workspace", &room) ||
        (room.f_bavail * room.f_frsize >= kRoomBytes && room.f_favail != 0))
        return;
    char text[] = "aloft: the workspace is full: output may be missing. Remove what is not needed";
    job_desc_msg_t change;
    slurm_init_job_desc_msg(&change);
    change.job_id = g_step.policy.job;
    change.admin_comment = text;
    if (slurm_update_job(&change)) slurm_error("aloft: job %u: the workspace is full", g_step.policy.job);
}

// Slurm's log of a step is the job's own output.
void end_task(spank_t spank) {
    if (!g_step.in_view || g_step.policy.ruling != Ruling::enclave) return;
    if (g_step.part == Part::step) {
        if (!g_step.tasks_left) g_step.tasks_left = item<std::uint32_t>(spank, S_JOB_LOCAL_TASK_COUNT);
        const bool is_last = --g_step.tasks_left == 0;
        if (is_last && slurm::is_pure_cgroup2())
            slurm::keep_blocked(g_step.folder.get(), g_step.id, slurm::blocked_by(g_step.fence.get()));
        return tell_blocked(is_last);
    }
    if (const Policy now = policy_now();
        now.ruling == Ruling::ended && !std::exchange(g_step.has_told_end, true))
        slurm_spank_log("aloft: ended: %s", now.reason.c_str());
    tell_full_workspace();
}

}  // namespace

int slurm_spank_init(spank_t spank, int count, char** arguments) {
    return at_boundary("init", Failure::node, [&] { begin_step(spank, count, arguments); });
}

int slurm_spank_user_init(spank_t, int, char**) {
    slurm::allow_waiting();
    return ESPANK_SUCCESS;
}

int slurm_spank_task_init_privileged(spank_t spank, int, char**) {
    return in_task("task_init_privileged", [&] { begin_task_as_root(spank); });
}

int slurm_spank_task_init(spank_t spank, int, char**) {
    return in_task("task_init", [&] { begin_task(spank); });
}

// What goes wrong here is a word less in the job's output.
int slurm_spank_task_exit(spank_t spank, int, char**) {
    if (spank_context() != S_CTX_REMOTE) return ESPANK_SUCCESS;
    try {
        end_task(spank);
    } catch (const std::exception& e) {
        slurm_error("aloft: task_exit: %s", e.what());
    } catch (...) {
        slurm_error("aloft: task_exit: unknown failure");
    }
    return ESPANK_SUCCESS;
}
