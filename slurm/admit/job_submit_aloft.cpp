// slurmctld's door: job_submit/aloft. Runs inside slurmctld under its locks: local files only, and no
// exception may leave (it would kill the controller). Whatever goes wrong here is a refusal.
#include <grp.h>
#include <pwd.h>

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/site.h"
#include "core/base/time.h"
#include "slurm/admit/admission.h"

extern "C" {
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <slurm/spank.h>  // slurm_info, slurm_error
struct job_record;
// Slurm's own allocator: what hangs in its structures must come from it.
char* slurm_xstrdup(const char*);
void slurm_xfree(void**);
void* slurm_xcalloc(size_t, size_t, bool, bool, const char*, int, const char*);

#define ALOFT_HOOK __attribute__((visibility("default")))
// const is local to a C++ file unless declared first; slurmctld looks these up.
extern ALOFT_HOOK const char plugin_name[], plugin_type[];
extern ALOFT_HOOK const uint32_t plugin_version;
const char plugin_name[] = "Aloft: admission to enclaves", plugin_type[] = "job_submit/aloft";
const uint32_t plugin_version = SLURM_VERSION_NUMBER;
ALOFT_HOOK int init(void);
ALOFT_HOOK void fini(void);
ALOFT_HOOK int job_submit(job_desc_msg_t* job, uint32_t uid, char** message);
ALOFT_HOOK int job_modify(job_desc_msg_t* job, struct job_record* record, uint32_t uid);
}

namespace {

using core::Error;
using core::Fault;

constexpr std::int64_t kKillWaitSeconds = 30;  // Slurm's default; a site that sets more loses the difference

std::string text(const char* p) {
    return p ? p : "";
}

void put(char*& field, const std::string& value) {
    slurm_xfree(reinterpret_cast<void**>(&field));
    if (!value.empty()) field = slurm_xstrdup(value.c_str());
}

std::vector<std::string> list(char** array, std::uint32_t count) {
    std::vector<std::string> out;
    for (std::uint32_t i = 0; array && i < count; ++i)
        if (array[i]) out.emplace_back(array[i]);
    return out;
}

void put_list(char**& array, std::uint32_t& count, const std::vector<std::string>& values) {
    for (std::uint32_t i = 0; array && i < count; ++i) slurm_xfree(reinterpret_cast<void**>(&array[i]));
    slurm_xfree(reinterpret_cast<void**>(&array));
    array = static_cast<char**>(
        slurm_xcalloc(values.size() + 1, sizeof(char*), true, false, __FILE__, __LINE__, __func__));
    for (std::size_t i = 0; i < values.size(); ++i) array[i] = slurm_xstrdup(values[i].c_str());
    count = static_cast<std::uint32_t>(values.size());
}

std::string account_of(std::uint32_t uid) {
    std::vector<char> buffer(16384);
    passwd entry{}, *found = nullptr;
    if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) || !found)
        throw Error(Fault::refused, "uid " + std::to_string(uid) + " has no account on the controller");
    return entry.pw_name;
}

slurm::Request read(const job_desc_msg_t& job, const std::string& account) {
    slurm::Request request;
    request.account = account;
    request.partition = text(job.partition);
    if (job.script) request.script = job.script;
    request.environment = list(job.environment, job.env_size);
    request.std_in = text(job.std_in);
    request.std_out = text(job.std_out);
    request.std_err = text(job.std_err);
    request.work_dir = text(job.work_dir);
    request.heterogeneous = job.het_job_offset != NO_VAL;
    request.cron = (job.bitflags & CRON_JOB) || job.crontab_entry;
    request.container = job.container != nullptr;
    request.burst_buffer = job.burst_buffer != nullptr;
    request.x11 = job.x11 != 0 && job.x11 != NO_VAL16;
    request.other_cluster = !text(job.clusters).empty();
    if (job.time_limit != NO_VAL && job.time_limit != INFINITE) request.minutes = job.time_limit;
    if (job.num_tasks != NO_VAL) request.tasks = job.num_tasks;
    if (job.ntasks_per_node != NO_VAL16 && job.ntasks_per_node) request.tasks_per_node = job.ntasks_per_node;
    if (job.cpus_per_task != NO_VAL16 && job.cpus_per_task) request.cpus_per_task = job.cpus_per_task;
    return request;
}

void write(job_desc_msg_t& job, const slurm::Admitted& admitted) {
    put(job.partition, admitted.partition);
    put(job.script, admitted.script);
    put(job.std_in, admitted.std_in);
    put(job.std_out, admitted.std_out);
    put(job.std_err, admitted.std_err);
    put(job.work_dir, admitted.work_dir);
    put_list(job.environment, job.env_size, admitted.environment);
    put_list(job.spank_job_env, job.spank_job_env_size, {});
    job.time_limit = admitted.minutes;
    if (job.time_min != NO_VAL && job.time_min > admitted.minutes) job.time_min = admitted.minutes;
    if (admitted.deadline && (!job.deadline || job.deadline > admitted.deadline))
        job.deadline = admitted.deadline;
    job.shared = 0;  // nodes whole: no neighbour who could relay
    job.requeue = 1;
    job.kill_on_node_fail = 1;
    job.open_mode = OPEN_MODE_APPEND;  // a requeued job keeps what it said before
    job.mail_type = 0;
    job.reboot = 0;
    job.profile = ACCT_GATHER_PROFILE_NOT_SET;
    for (char** field : {&job.mail_user, &job.comment, &job.admin_comment, &job.extra, &job.wckey,
                         &job.network, &job.req_context, &job.mcs_label, &job.submit_line})
        put(*field, "");
}

void submit(job_desc_msg_t& job, std::uint32_t caller) {
    const core::Site site = core::Site::load();
    const std::uint32_t uid = job.user_id == NO_VAL ? caller : job.user_id;
    if (caller != 0 && uid != caller) throw Error(Fault::refused, "nobody submits for another account");
    const std::string account = account_of(uid);
    const auto enclave = slurm::enclave_of(core::load_enclaves(site), account, text(job.partition));
    if (!enclave) return;
    const std::int64_t now = core::now_seconds();
    write(job, slurm::admit(read(job, account), *enclave, core::open_grant(site, uid, now), now,
                            kKillWaitSeconds));
    slurm_info("aloft: job of %s admitted to enclave %s", account.c_str(), enclave->name.c_str());
}

// Users hold and release their jobs; nothing else of an enclave's job changes after admission.
void modify(job_desc_msg_t& job, std::uint32_t caller) {
    if (caller == 0) return;
    const core::Site site = core::Site::load();
    const auto enclaves = core::load_enclaves(site);
    const std::string account = account_of(caller);
    if (slurm::enclave_of(enclaves, account, text(job.partition)) == std::nullopt) return;
    if (job.priority != 0 && job.priority != INFINITE)
        throw Error(Fault::refused,
                    "jobs of an enclave are not changed after submission: cancel and submit again");
    job_desc_msg_t only;
    slurm_init_job_desc_msg(&only);
    std::swap(only.job_id, job.job_id);
    std::swap(only.job_id_str, job.job_id_str);
    std::swap(only.user_id, job.user_id);
    only.priority = job.priority;
    only.alloc_sid = job.alloc_sid;  // tells a user's hold from an admin's
    job = only;                      // what else was asked for is dropped, and lost to the allocator
}

int refuse(char** message, const char* why) {
    slurm_info("aloft: refused: %s", why);
    if (message) {
        slurm_xfree(reinterpret_cast<void**>(message));
        *message = slurm_xstrdup((std::string("aloft: ") + why).c_str());
    }
    return ESLURM_ACCESS_DENIED;
}

template <class Work>
int at_boundary(char** message, Work work) noexcept {
    try {
        work();
        return SLURM_SUCCESS;
    } catch (const Error& e) {
        if (e.fault() == Fault::refused) return refuse(message, e.what());
        slurm_error("aloft: %s", e.what());
    } catch (const std::exception& e) {
        slurm_error("aloft: unforeseen: %s", e.what());
    } catch (...) {
        slurm_error("aloft: unknown failure");
    }
    return refuse(message,
                  "the controller cannot check this job now, so it is refused. Tell the admin: slurmctld's "
                  "log says why");
}

}  // namespace

int init(void) {
    slurm_info("aloft: admission to enclaves, version " ALOFT_VERSION);
    return SLURM_SUCCESS;
}

void fini(void) {}

int job_submit(job_desc_msg_t* job, uint32_t uid, char** message) {
    return at_boundary(message, [&] { submit(*job, uid); });
}

int job_modify(job_desc_msg_t* job, struct job_record*, uint32_t uid) {
    return at_boundary(nullptr, [&] { modify(*job, uid); });
}
