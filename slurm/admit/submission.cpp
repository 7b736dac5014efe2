#include "slurm/admit/submission.h"

#include <csignal>

#include "core/base/error.h"
#include "core/base/hosts.h"
#include "core/base/split.h"
#include "core/policy/job_options.h"
#include "slurm/admit/slurm_memory.h"

namespace slurm {
namespace {

static_assert(core::kWarningSignal == SIGURG);

// Of the flags, those which say that a number was asked for, and what to do if a dependency cannot come true.
constexpr std::uint64_t kFlags = JOB_NTASKS_SET | JOB_CPUS_SET | JOB_MEM_SET | KILL_INV_DEP | NO_KILL_INV_DEP;

[[noreturn]] void refuse(const std::string& text) {
    throw core::Error(core::Fault::refused, text);
}

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

// With a NULL behind the last, as Slurm's own lists have it. None: no list (slurm_memory.h).
void put_list(char**& array, std::uint32_t& count, const std::vector<std::string>& values) {
    for (std::uint32_t i = 0; array && i < count; ++i) slurm_xfree(reinterpret_cast<void**>(&array[i]));
    slurm_xfree(reinterpret_cast<void**>(&array));
    count = static_cast<std::uint32_t>(values.size());
    if (values.empty()) return;
    array = static_cast<char**>(
        slurm_xcalloc(values.size() + 1, sizeof(char*), true, false, __FILE__, __LINE__, __func__));
    for (std::size_t i = 0; i < values.size(); ++i) array[i] = slurm_xstrdup(values[i].c_str());
}

// What tres_per_task asks of generic resources. sbatch of Slurm 24.11 writes --cpus-per-task there as well
// ("cpu=2,gres/gpu:a100=1").
std::string gpus_per_task(const job_desc_msg_t& job) {
    std::string asked;
    for (const std::string& one : core::split(text(job.tres_per_task), ','))
        if (!one.starts_with("cpu=")) asked += (asked.empty() ? "" : ",") + one;
    return asked;
}

// "gres:gpu:a100:2" as this release of slurmctld reads it: another form is no GPU to it, or one of another name.
std::string as_slurm_reads(std::string gpus) {
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(24, 11, 0)
    if (!gpus.empty()) gpus[gpus.find(':')] = '/';
#endif
    return gpus;
}

std::optional<std::uint32_t> wish(std::uint32_t number, std::uint32_t none) {
    return number == none || number == 0 ? std::nullopt : std::optional(number);
}

Request read(const job_desc_msg_t& job, const Context& context) {
    if (job.het_job_offset != NO_VAL)
        refuse("heterogeneous jobs do not run in an enclave. Submit one job per kind of node");
    if (job.bitflags & CRON_JOB) refuse("scrontab does not run in an enclave. Use sbatch --begin");
    if (job.pn_min_memory != NO_VAL64 && (job.pn_min_memory & ~MEM_PER_CPU) > core::kMostMemoryMib)
        refuse("--mem: more than any node has");
    Request request;
    request.account = context.account;
    if (job.script) request.script = job.script;
    request.arguments = list(job.argv, job.argc);
    if (!request.arguments.empty())
        request.arguments.erase(request.arguments.begin());  // the script's own name
    request.environment = list(job.environment, job.env_size);
    request.grant = wished_grant(request.environment);
    request.image = wished(request.environment, core::kImageVariable);
    request.std_in = text(job.std_in);
    request.std_out = text(job.std_out);
    request.std_err = text(job.std_err);
    request.work_dir = text(job.work_dir);
    request.array = text(job.array_inx);
    request.wanted = core::expand_hosts(text(job.req_nodes));
    request.unwanted = core::expand_hosts(text(job.exc_nodes));
    request.features = text(job.features);
    request.gpus = {text(job.tres_per_job), text(job.tres_per_node), text(job.tres_per_socket),
                    gpus_per_task(job),     text(job.cpus_per_tres), text(job.mem_per_tres)};
    if (job.features || job.tres_per_job || job.tres_per_node || job.tres_per_socket || job.tres_per_task ||
        job.cpus_per_tres || job.mem_per_tres)
        request.known = context.known();
    request.begin = job.begin_time;
    if (job.time_limit != INFINITE) request.minutes = wish(job.time_limit, NO_VAL);
    request.nodes = wish(job.min_nodes, NO_VAL);
    request.tasks = wish(job.num_tasks, NO_VAL);
    request.tasks_per_node = wish(job.ntasks_per_node, NO_VAL16);
    request.cpus_per_task = wish(job.cpus_per_task, NO_VAL16);
    return request;
}

void write(job_desc_msg_t& job, const Admitted& admitted, const Context& context) {
    put(job.dependency, own_dependency(text(job.dependency), context.uid, context.find));
    put(job.name, admitted.name);
    put(job.partition, admitted.partition);
    put(job.script, admitted.script);
    put(job.std_in, admitted.std_in);
    put(job.std_out, admitted.std_out);
    put(job.std_err, admitted.std_err);
    put(job.work_dir, admitted.work_dir);
    put(job.array_inx, admitted.array);
    put(job.req_nodes, admitted.wanted);
    put(job.exc_nodes, admitted.unwanted);
    put(job.features, admitted.features);
    put(job.tres_per_job, as_slurm_reads(admitted.gpus.per_job));
    put(job.tres_per_node, as_slurm_reads(admitted.gpus.per_node));
    put(job.tres_per_socket, as_slurm_reads(admitted.gpus.per_socket));
    put(job.tres_per_task, as_slurm_reads(admitted.gpus.per_task));
    put(job.cpus_per_tres, as_slurm_reads(admitted.gpus.cores));
    put(job.mem_per_tres, as_slurm_reads(admitted.gpus.memory));
    put(job.alloc_node, kJobName);
    put_list(job.argv, job.argc, admitted.arguments);
    put_list(job.environment, job.env_size, admitted.environment);
    put_list(job.spank_job_env, job.spank_job_env_size, admitted.prolog_environment);
    job.begin_time = admitted.begin;
    job.time_limit = admitted.minutes;
    if (job.time_min != NO_VAL && job.time_min > admitted.minutes) job.time_min = admitted.minutes;
    job.deadline = admitted.deadline;
    const auto nodes = static_cast<std::uint32_t>(context.enclave.nodes.size());
    if (job.max_nodes != NO_VAL && job.max_nodes > nodes) job.max_nodes = nodes;
    job.bitflags &= kFlags;
    if (job.priority != 0) job.priority = NO_VAL;  // 0: held
    job.alloc_sid = 0;
    job.shared = 0;                          // nodes whole: no neighbour who could relay
    job.requeue = job.requeue == 0 ? 0 : 1;  // 0: not after a lost node
    if (job.warn_signal == 0) {
        job.warn_flags = 0;
        job.warn_signal = core::kWarningSignal;
        job.warn_time = static_cast<std::uint16_t>(admitted.warning_seconds);
    }
    job.kill_on_node_fail = 1;
    job.open_mode = OPEN_MODE_APPEND;  // a requeued job keeps what it said before
    job.mail_type = 0;
    job.reboot = 0;
    job.profile = ACCT_GATHER_PROFILE_NOT_SET;
}

}  // namespace

std::string grant_asked_for(const job_desc_msg_t& job) {
    return wished_grant(list(job.environment, job.env_size));
}

std::vector<std::string> admit_job(job_desc_msg_t& job, const Context& context) {
    refuse_fields(job);
    const Admitted admitted =
        admit(read(job, context), context.enclave, context.grant, context.now, context.kill_wait_seconds);
    unset_fields(job);
    write(job, admitted, context);
    return admitted.notes;
}

}  // namespace slurm
