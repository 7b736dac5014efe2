// slurmctld's door: job_submit/aloft. Runs inside slurmctld under its locks: local files only, and no
// exception may leave (it would kill the controller). Whatever goes wrong here is a refusal.
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/site.h"
#include "core/base/time.h"
#include "slurm/admit/dependency.h"
#include "slurm/admit/places.h"
#include "slurm/admit/slurm_memory.h"
#include "slurm/admit/submission.h"

extern "C" {
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <slurm/spank.h>  // slurm_info, slurm_error
// slurmctld's own. Weak: another version may not have them, and then nothing is known of other jobs.
struct job_record;
extern slurm_conf_t slurm_conf;
__attribute__((weak)) struct job_record* find_job_record(uint32_t job);
__attribute__((weak)) struct job_record* find_job_array_rec(uint32_t array, uint32_t task);
__attribute__((weak)) job_desc_msg_t* copy_job_record_to_job_desc(struct job_record*);
__attribute__((weak)) uint32_t get_next_job_id(bool test);
void slurm_free_job_desc_msg(job_desc_msg_t*);

#define ALOFT_HOOK __attribute__((visibility("default")))
// const is local to a C++ file unless declared first; slurmctld looks these up.
extern ALOFT_HOOK const char plugin_name[], plugin_type[];
extern ALOFT_HOOK const uint32_t plugin_version;
const char plugin_name[] = "Aloft: admission to enclaves", plugin_type[] = "job_submit/aloft";
const uint32_t plugin_version = SLURM_VERSION_NUMBER;
ALOFT_HOOK int init(void);
ALOFT_HOOK void fini(void);
ALOFT_HOOK int job_submit(job_desc_msg_t* job, uint32_t uid, char** message);
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
ALOFT_HOOK int job_modify(job_desc_msg_t* job, struct job_record* record, uint32_t uid, char** message);
#else
ALOFT_HOOK int job_modify(job_desc_msg_t* job, struct job_record* record, uint32_t uid);
#endif
}

namespace {

using core::Error;
using core::Fault;

constexpr std::int64_t kKillWaitSeconds = 30;  // Slurm's default; a site that sets more loses the difference

std::string text(const char* p) {
    return p ? p : "";
}

// One for slurmctld's life. Hooks run one at a time, under its job write lock.
slurm::Places& places() {
    static slurm::Places all("/etc/aloft/site.toml", core::Site().known,
                             [](const std::string& line) { slurm_error("aloft: %s", line.c_str()); });
    return all;
}

// Frees what copy_job_record_to_job_desc made. All its variables lie in one block, at the first one.
void free_description(job_desc_msg_t* job) {
    if (job->environment) {
        slurm_xfree(reinterpret_cast<void**>(&job->environment[0]));
        slurm_xfree(reinterpret_cast<void**>(&job->environment));
        job->env_size = 0;
    }
    slurm_free_job_desc_msg(job);
}

slurm::JobOwner owner_of(std::uint32_t id) {
    using State = slurm::JobOwner::State;
    if (!find_job_record || !find_job_array_rec || !copy_job_record_to_job_desc || !get_next_job_id)
        throw Error(Fault::refused, "--dependency cannot be checked by this version of Slurm's controller");
    job_record* record = find_job_record(id);
    if (!record) record = find_job_array_rec(id, INFINITE);
    if (!record) return {id >= get_next_job_id(true) ? State::future : State::past};
    // The record's layout is not in Slurm's public headers, so it is asked to describe itself.
    const std::unique_ptr<job_desc_msg_t, decltype(&free_description)> job(
        copy_job_record_to_job_desc(record), free_description);
    return {State::known, job->user_id};
}

// slurmctld's own file, and no question to anybody.
slurm::NodeWords known_words() {
    return slurm::load_node_words(text(slurm_conf.slurm_conf));
}

void forbid_enclave_jobs(const job_desc_msg_t& job) {
    if (job.dependency)
        slurm::forbid_enclave_jobs(job.dependency, owner_of,
                                   [](std::uint32_t uid) { return places().is_enclave_account(uid); });
}

// Returns what to tell the user: "" for nothing.
std::string submit(job_desc_msg_t& job, std::uint32_t caller) {
    const std::uint32_t uid = job.user_id == NO_VAL ? caller : job.user_id;
    const auto place = places().place(uid, text(job.partition));
    if (!place) {
        forbid_enclave_jobs(job);
        return "";
    }
    if (caller != 0 && uid != caller) throw Error(Fault::refused, "nobody submits for another account");
    slurm::Context context{place->enclave,   {},       place->account, uid, core::now_seconds(),
                           kKillWaitSeconds, owner_of, known_words};
    context.grant = core::open_grant(place->site, uid, context.now, {slurm::grant_asked_for(job), {}});
    std::string notes;
    for (const std::string& note : slurm::admit_job(job, context))
        notes += (notes.empty() ? "aloft: " : "\naloft: ") + note;
    slurm_info("aloft: job of %s admitted to enclave %s", place->account.c_str(),
               place->enclave.name.c_str());
    return notes;
}

// Users hold and release their jobs; nothing else of an enclave's job changes after admission. slurmctld has
// written the job's owner into user_id where the caller named none.
void modify(job_desc_msg_t& job, std::uint32_t caller) {
    if (caller == 0) return;
    const bool is_enclaves = places().is_enclave_account(caller) ||
                             (job.user_id != NO_VAL && places().is_enclave_account(job.user_id));
    if (!is_enclaves) {
        places().place(caller, text(job.partition));
        return forbid_enclave_jobs(job);
    }
    if (const slurm::Field* field = slurm::beyond_hold(job))
        throw Error(Fault::refused, std::string("jobs of an enclave are not changed after submission (") +
                                        field->name + "): cancel and submit again");
}

// Hands `text` to the user, in memory that Slurm frees.
void tell(char** message, const std::string& text) {
    if (!message || text.empty()) return;
    slurm_xfree(reinterpret_cast<void**>(message));
    *message = slurm_xstrdup(text.c_str());
}

int refuse(char** message, const char* why) {
    slurm_info("aloft: refused: %s", why);
    tell(message, "aloft: " + places().site().with_contact(why));
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
    return at_boundary(message, [&] { tell(message, submit(*job, uid)); });
}

#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
int job_modify(job_desc_msg_t* job, struct job_record*, uint32_t uid, char** message) {
    return at_boundary(message, [&] { modify(*job, uid); });
}
#else
int job_modify(job_desc_msg_t* job, struct job_record*, uint32_t uid) {
    return at_boundary(nullptr, [&] { modify(*job, uid); });
}
#endif
