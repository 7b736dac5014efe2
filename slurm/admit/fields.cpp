#include "slurm/admit/fields.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "core/base/error.h"
#include "core/policy/job_options.h"
#include "slurm/admit/slurm_memory.h"

namespace slurm {
namespace {

#define TEXT(name, rule, ...)                                                                                \
    Field {                                                                                                  \
#name, offsetof(job_desc_msg_t, name), sizeof(job_desc_msg_t::name), Kind::text, rule, ##__VA_ARGS__ \
    }
#define NUMBER(name, rule, ...)                                                                  \
    Field {                                                                                      \
#name, offsetof(job_desc_msg_t, name), sizeof(job_desc_msg_t::name), Kind::number, rule, \
            ##__VA_ARGS__                                                                        \
    }
#define OTHER(name, rule, ...)                                                                  \
    Field {                                                                                     \
#name, offsetof(job_desc_msg_t, name), sizeof(job_desc_msg_t::name), Kind::other, rule, \
            ##__VA_ARGS__                                                                       \
    }

constexpr const char* kNodes = "nodes of an enclave are chosen by --nodelist, --constraint and --gres";
constexpr std::uint64_t kTasks = 100'000, kCores = 4096;

// In the order of slurm.h, what one release has and another has not at the end. A researcher's wish that is no row's business (a better place, a gentler priority)
// is dropped without a word; one that would make the job do something else than asked is refused.
constexpr std::array kFields = {
    TEXT(account, Rule::unset),  // the account's own default
    TEXT(acctg_freq, Rule::unset),
    TEXT(admin_comment, Rule::unset),
    TEXT(alloc_node, Rule::ours),  // a client of one's own writes what it likes
    NUMBER(alloc_resp_port, Rule::unset),
    NUMBER(alloc_sid, Rule::ours),
    NUMBER(argc, Rule::ours),
    OTHER(argv, Rule::ours),
    TEXT(array_inx, Rule::ours),
    OTHER(array_bitmap, Rule::slurms),
    TEXT(batch_features, Rule::refused, kNodes),
    NUMBER(begin_time, Rule::ours),
    NUMBER(bitflags, Rule::ours),
    TEXT(burst_buffer, Rule::refused,
         "burst buffers do not run in an enclave: they copy files outside the fence"),
    TEXT(clusters, Rule::refused, "--clusters does not run in an enclave. Leave it out"),
    TEXT(cluster_features, Rule::refused, kNodes),
    TEXT(comment, Rule::unset),
    NUMBER(contiguous, Rule::asked, "", 1),
    TEXT(container, Rule::refused,
         "--container does not run in an enclave: the fence builds the job's own view"),
    NUMBER(core_spec, Rule::unset),
    TEXT(cpu_bind, Rule::unset),
    NUMBER(cpu_bind_type, Rule::unset),
    NUMBER(cpu_freq_min, Rule::unset),  // a node's clock is seen by whoever has it next
    NUMBER(cpu_freq_max, Rule::unset),
    NUMBER(cpu_freq_gov, Rule::unset),
    TEXT(cpus_per_tres, Rule::ours),
    OTHER(crontab_entry, Rule::refused, "scrontab does not run in an enclave. Use sbatch --begin"),
    NUMBER(deadline, Rule::ours),
    NUMBER(delay_boot, Rule::unset),
    TEXT(dependency, Rule::ours),
    NUMBER(end_time, Rule::unset),
    OTHER(environment, Rule::ours),
    OTHER(env_hash, Rule::slurms),
    NUMBER(env_size, Rule::ours),
    TEXT(extra, Rule::unset),
    TEXT(exc_nodes, Rule::ours),
    TEXT(features, Rule::ours),
    NUMBER(fed_siblings_active, Rule::unset),
    NUMBER(fed_siblings_viable, Rule::unset),
    NUMBER(group_id, Rule::slurms),
    NUMBER(het_job_offset, Rule::ours),
    NUMBER(immediate, Rule::unset),
    NUMBER(job_id, Rule::slurms),
    TEXT(job_id_str, Rule::unset),
    NUMBER(kill_on_node_fail, Rule::ours),
    TEXT(licenses, Rule::refused, "licences are not given to an enclave's jobs"),
    NUMBER(mail_type, Rule::ours),
    TEXT(mail_user, Rule::unset),
    TEXT(mcs_label, Rule::unset),
    TEXT(mem_bind, Rule::unset),
    NUMBER(mem_bind_type, Rule::unset),
    TEXT(mem_per_tres, Rule::ours),
    TEXT(name, Rule::ours),
    TEXT(network, Rule::unset),
    NUMBER(nice, Rule::unset),
    NUMBER(num_tasks, Rule::asked, "", kTasks),
    NUMBER(open_mode, Rule::ours),
    TEXT(origin_cluster, Rule::unset),
    NUMBER(other_port, Rule::unset),
    NUMBER(overcommit, Rule::asked, "", 1),
    TEXT(partition, Rule::ours),
    NUMBER(plane_size, Rule::unset),
    TEXT(prefer, Rule::refused, kNodes),
    NUMBER(priority, Rule::ours),
    NUMBER(profile, Rule::ours),
    TEXT(qos, Rule::refused, "--qos is not chosen by an enclave's jobs. Leave it out"),
    NUMBER(reboot, Rule::ours),
    TEXT(resp_host, Rule::unset),
    NUMBER(restart_cnt, Rule::unset),
    TEXT(req_nodes, Rule::ours),
    NUMBER(requeue, Rule::ours),
    TEXT(reservation, Rule::refused, "reservations are not used by an enclave's jobs: its nodes are its own"),
    TEXT(script, Rule::ours),
    OTHER(script_buf, Rule::slurms),
    OTHER(script_hash, Rule::slurms),
    NUMBER(shared, Rule::ours),
    NUMBER(site_factor, Rule::unset),
    OTHER(spank_job_env, Rule::ours),
    NUMBER(spank_job_env_size, Rule::ours),
    TEXT(submit_line, Rule::unset),
    NUMBER(task_dist, Rule::unset),
    NUMBER(time_limit, Rule::ours),
    NUMBER(time_min, Rule::ours),
    TEXT(tres_bind, Rule::unset),
    TEXT(tres_freq, Rule::unset),
    TEXT(tres_per_job, Rule::ours),
    TEXT(tres_per_node, Rule::ours),
    TEXT(tres_per_socket, Rule::ours),
    TEXT(tres_per_task, Rule::ours),
    NUMBER(user_id, Rule::slurms),
    NUMBER(wait_all_nodes, Rule::unset),
    NUMBER(warn_flags, Rule::asked, "", KILL_JOB_BATCH | KILL_JOB_RESV),
    NUMBER(warn_signal, Rule::asked, "", core::kMostSignal),
    NUMBER(warn_time, Rule::asked, "", core::kMostSignalSeconds),
    TEXT(work_dir, Rule::ours),
    NUMBER(cpus_per_task, Rule::asked, "", kCores),
    NUMBER(min_cpus, Rule::asked, "", kTasks* kCores),
    NUMBER(max_cpus, Rule::unset),
    NUMBER(min_nodes, Rule::asked, "", kTasks),
    NUMBER(max_nodes, Rule::asked, "", kTasks),
    NUMBER(boards_per_node, Rule::unset),
    NUMBER(sockets_per_board, Rule::unset),
    NUMBER(sockets_per_node, Rule::unset),
    NUMBER(cores_per_socket, Rule::unset),
    NUMBER(threads_per_core, Rule::asked, "", 8),
    NUMBER(ntasks_per_node, Rule::asked, "", kCores),
    NUMBER(ntasks_per_socket, Rule::unset),
    NUMBER(ntasks_per_core, Rule::unset),
    NUMBER(ntasks_per_board, Rule::unset),
    NUMBER(ntasks_per_tres, Rule::asked, "", kCores),
    NUMBER(pn_min_cpus, Rule::asked, "", kCores),
    NUMBER(pn_min_memory, Rule::ours),
    NUMBER(pn_min_tmp_disk, Rule::unset),
    TEXT(req_context, Rule::unset),
    NUMBER(req_switch, Rule::unset),
    TEXT(selinux_context, Rule::slurms),
    TEXT(std_err, Rule::ours),
    TEXT(std_in, Rule::ours),
    TEXT(std_out, Rule::ours),
    OTHER(tres_req_cnt, Rule::slurms),
    NUMBER(wait4switch, Rule::unset),
    TEXT(wckey, Rule::unset),
    NUMBER(x11, Rule::refused, "--x11 does not run in an enclave: it would open a way out"),
    TEXT(x11_magic_cookie, Rule::unset),
    TEXT(x11_target, Rule::unset),
    NUMBER(x11_target_port, Rule::unset),
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(24, 11, 0)
    TEXT(container_id, Rule::refused,
         "--container-id does not run in an enclave: the fence builds the job's own view"),
    OTHER(id, Rule::slurms),
    TEXT(job_size_str, Rule::refused, "--nodes is one number or one range for an enclave's jobs: --nodes=2"),
    TEXT(licenses_tot, Rule::slurms),
    NUMBER(oom_kill_step, Rule::unset),
    NUMBER(resv_port_cnt, Rule::unset),
    NUMBER(segment_size, Rule::unset),
#else
    NUMBER(power_flags, Rule::unset),
    OTHER(select_jobinfo, Rule::slurms),
#endif
};

const job_desc_msg_t& nothing() {
    static const job_desc_msg_t initial = [] {
        job_desc_msg_t job;
        slurm_init_job_desc_msg(&job);
        return job;
    }();
    return initial;
}

template <class Job>
auto* at(Job& job, const Field& field) {
    using Byte = std::conditional_t<std::is_const_v<Job>, const char, char>;
    return reinterpret_cast<Byte*>(&job) + field.offset;
}

char* text_of(const job_desc_msg_t& job, const Field& field) {
    char* text = nullptr;
    std::memcpy(&text, at(job, field), sizeof text);
    return text;
}

// Slurm's NO_VAL, NO_VAL16 and so on: the largest number of the field's width, less one.
bool is_no_wish(std::uint64_t value, const Field& field) {
    const std::uint64_t mask =
        field.size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * field.size)) - 1;
    return value == 0 || value == mask - 1;
}

}  // namespace

std::span<const Field> fields() {
    return kFields;
}

std::uint64_t number_of(const job_desc_msg_t& job, const Field& field) {
    std::uint64_t value = 0;
    std::memcpy(&value, at(job, field), field.size);  // the machines that Aloft runs on are little-endian
    return value;
}

bool is_set(const job_desc_msg_t& job, const Field& field) {
    if (field.kind == Kind::text) {
        const char* text = text_of(job, field);
        return text && *text;
    }
    if (field.kind == Kind::number) return number_of(job, field) != number_of(nothing(), field);
    return std::memcmp(at(job, field), at(nothing(), field), field.size) != 0;
}

void refuse_fields(const job_desc_msg_t& job) {
    for (const Field& field : kFields) {
        if (field.rule == Rule::refused && is_set(job, field) &&
            (field.kind != Kind::number || !is_no_wish(number_of(job, field), field)))
            throw core::Error(core::Fault::refused, field.text);
        if (field.rule == Rule::asked && number_of(job, field) > field.most &&
            !is_no_wish(number_of(job, field), field))
            throw core::Error(core::Fault::refused, std::string(field.name) +
                                                        ": an enclave's jobs ask for at most " +
                                                        std::to_string(field.most));
    }
}

void unset_fields(job_desc_msg_t& job) {
    for (const Field& field : kFields) {
        if (field.rule != Rule::unset) continue;
        if (field.kind == Kind::text) {
            void* text = text_of(job, field);
            slurm_xfree(&text);
        }
        std::memcpy(at(job, field), at(nothing(), field), field.size);
    }
}

const Field* beyond_hold(const job_desc_msg_t& update) {
    static constexpr std::array<std::string_view, 4> kOfTheRequest = {"job_id_str", "alloc_node", "alloc_sid",
                                                                      "het_job_offset"};
    for (const Field& field : kFields) {
        if (field.rule == Rule::slurms ||
            std::find(kOfTheRequest.begin(), kOfTheRequest.end(), field.name) != kOfTheRequest.end())
            continue;
        const std::string_view name = field.name;
        const bool is_more = name == "priority"   ? update.priority != 0 && update.priority != INFINITE
                             : name == "bitflags" ? (update.bitflags & RESET_ACCRUE_TIME) !=
                                                        0  // of an update, the one that counts
                                                  : is_set(update, field);
        if (is_more) return &field;
    }
    return nullptr;
}

}  // namespace slurm
