#include "slurm/admit/admission.h"

#include <algorithm>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/split.h"
#include "core/policy/job_options.h"
#include "slurm/admit/script.h"

namespace slurm {
namespace {

[[noreturn]] void refuse(const std::string& text) {
    throw core::Error(core::Fault::refused, text);
}

std::string in_workspace(const std::string& name) {
    return std::string(kWorkspace) + "/" + name;
}

// Whether the user asked for another file than `ours`. Refuses one outside the workspace: a user who expects a
// file there must not wait for it.
bool is_another(const std::string& option, const std::string& path, const std::string& ours) {
    if (path.empty() || path == "/dev/null") return false;
    const std::filesystem::path full = std::filesystem::path(kWorkspace) / path;  // an absolute path stays
    for (const auto& part : full)
        if (part == "..") refuse("--" + option + " must not go up with '..'");
    if (!full.string().starts_with(in_workspace("")))
        refuse("--" + option +
               " must lie in your workspace: nothing else leaves a job. Give a name without a folder");
    return full != ours;
}

// Names of nodes, sorted, each once: an order of one's choice would be a text.
std::string nodes_of(const std::string& option, std::vector<std::string> names,
                     const core::Enclave& enclave) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string list;
    for (const std::string& name : names) {
        if (!enclave.has_node(name))
            refuse("--" + option + ": enclave " + enclave.name + " has no such node");
        list += (list.empty() ? "" : ",") + name;
    }
    return list;
}

// A name that no node has would stand among the failed jobs.
void require_type(const std::string& gpus, const NodeWords& known) {
    for (const std::string& one : core::split(gpus, ':'))  // gres:gpu:TYPE:COUNT
        if (one != "gres" && one != "gpu" && one.find_first_not_of("0123456789") != std::string::npos &&
            !known.gpu_types.contains(one))
            refuse("no node has GPUs of that type. See: sinfo -o %G");
}

std::string features_of(const std::string& asked, const NodeWords& known) {
    const std::string features = core::allowed_features(asked);
    for (const std::string& one : core::split(features, '&'))
        if (!known.features.contains(one))
            refuse("--constraint: no node has such a feature. See: sinfo -o %f");
    return features;
}

Gpus gpus_of(const Gpus& asked, const NodeWords& known) {
    const Gpus gpus = {
        core::allowed_gpus(asked.per_job),    core::allowed_gpus(asked.per_node),
        core::allowed_gpus(asked.per_socket), core::allowed_gpus(asked.per_task),
        core::allowed_gpus(asked.cores),      core::allowed_gpus(asked.memory, core::kMostMemoryMib)};
    for (const std::string* one :
         {&gpus.per_job, &gpus.per_node, &gpus.per_socket, &gpus.per_task, &gpus.cores, &gpus.memory})
        require_type(*one, known);
    return gpus;
}

std::string variable(std::string_view name, const std::string& value) {
    return std::string(name) + "=" + value;
}
std::string variable(std::string_view name, std::uint32_t value) {
    return variable(name, std::to_string(value));
}

void set_limit(const Request& request, const core::Enclave& enclave, const core::Grant& grant,
               std::int64_t now, std::int64_t kill_wait_seconds, Admitted& admitted) {
    const std::int64_t last = core::last_limit(grant, kill_wait_seconds);
    const std::int64_t left = (last - std::max(now, admitted.begin)) / 60;
    if (left < 1)
        refuse("grant " + grant.id +
               " ends within two minutes; no job can end in time. Apply for a new one (aloft apply create)");
    const std::int64_t wanted = request.minutes.value_or(static_cast<std::uint32_t>(enclave.max_minutes));
    admitted.minutes = static_cast<std::uint32_t>(std::min({wanted, enclave.max_minutes, left}));
    if (request.minutes && admitted.minutes < wanted)
        admitted.notes.push_back("Its time is limited to " + std::to_string(admitted.minutes) + " minutes: " +
                                 (enclave.max_minutes <= left
                                      ? "the most that enclave " + enclave.name + " gives a job."
                                      : "grant " + grant.id + " ends then."));
    // Slurm cancels a waiting job as soon as its limit no longer fits before the deadline. One that the grant
    // itself caps could not wait at all: it has none, and is cut anew when it starts (aloft-run) and ended by
    // the agent.
    admitted.deadline = admitted.minutes < left ? last : 0;
}

void set_files(const Request& request, Admitted& admitted) {
    admitted.std_in = "/dev/null";
    admitted.std_out = in_workspace(admitted.array.empty() ? "slurm-%j.out" : "slurm-%A_%a.out");
    admitted.work_dir = kWorkspace;
    if (is_another("output", request.std_out, admitted.std_out) |
        is_another("error", request.std_err, admitted.std_out))
        admitted.notes.push_back("Its output goes to " + admitted.std_out.substr(in_workspace("").size()) +
                                 " in your workspace: others could read a name of your choice.");
    if (is_another("input", request.std_in, admitted.std_in))
        admitted.notes.push_back("It gets no standard input: let the script open the file.");
}

void set_environment(const Request& request, const core::Enclave& enclave, Admitted& admitted) {
    // Where sbatch happens to be called from is no reason to refuse.
    const std::string folder = request.work_dir.starts_with(in_workspace("")) ? request.work_dir : kWorkspace;
    const std::string packed = pack_environment(request.environment);
    const std::string call = pack_call({folder, request.arguments});
    if (packed.size() > kLimitBytes * 4 / 3)
        refuse(
            "your environment is larger than 90 KiB. Submit with fewer variables: env -i PATH=$PATH aloft "
            "submit ...");
    if (call.size() > kLimitBytes * 4 / 3)
        refuse("the script's arguments are longer than 90 KiB. Put them into a file in your workspace");
    // All that the wrapper and srun see. The user's variables are one string of data until inside the fence.
    admitted.environment = {"PATH=/usr/bin:/bin",
                            std::string("HOME=") + kWorkspace,
                            "USER=" + request.account,
                            "LOGNAME=" + request.account,
                            "SHELL=/bin/sh",
                            "LANG=C.UTF-8",
                            "SLURM_UMASK=0077",
                            "ALOFT_ENCLAVE=" + enclave.name,
                            "ALOFT_USER_ENV=" + packed,
                            "ALOFT_USER_CALL=" + call};
    if (request.tasks) admitted.environment.push_back(variable("SLURM_NTASKS", *request.tasks));
    // "gres:gpu:a100:1" as srun's option takes it: each task sees its own GPUs.
    constexpr std::string_view kGpu = "gres:gpu:";
    if (admitted.gpus.per_task.starts_with(kGpu))
        admitted.environment.push_back(
            variable("SLURM_GPUS_PER_TASK", admitted.gpus.per_task.substr(kGpu.size())));
    if (request.tasks_per_node)
        admitted.environment.push_back(variable("SLURM_NTASKS_PER_NODE", *request.tasks_per_node));
    if (request.cpus_per_task) {
        admitted.environment.push_back(variable("SLURM_CPUS_PER_TASK", *request.cpus_per_task));
        admitted.environment.push_back(variable("SRUN_CPUS_PER_TASK", *request.cpus_per_task));
    }
}

}  // namespace

bool names_partition(const std::string& list, const std::string& partition) {
    const std::vector<std::string> names = core::split(list, ',');
    return std::find(names.begin(), names.end(), partition) != names.end();
}

std::optional<core::Enclave> enclave_of(const std::vector<core::Enclave>& enclaves,
                                        const std::string& account, const std::string& partition) {
    const auto mine = std::find_if(enclaves.begin(), enclaves.end(), [&](const core::Enclave& enclave) {
        return enclave.has_account(account);
    });
    if (mine != enclaves.end()) {
        if (!partition.empty() && partition != mine->partition)
            refuse("this account works in enclave " + mine->name + ": use --partition=" + mine->partition +
                   " alone, or leave it out");
        return *mine;
    }
    if (std::any_of(enclaves.begin(), enclaves.end(), [&](const core::Enclave& enclave) {
            return names_partition(partition, enclave.partition);
        }))
        refuse(
            "that partition belongs to an enclave: log in with your account of that enclave and use aloft "
            "submit. If this is that account, its policy is not on the controller yet: tell the admin");
    return std::nullopt;
}

std::string wished(const std::vector<std::string>& environment, std::string_view name) {
    const std::string prefix = std::string(name) + "=";
    std::string wish;
    for (const std::string& one : environment)
        if (one.starts_with(prefix)) wish = one.substr(prefix.size());
    return wish;
}

std::string wished_grant(const std::vector<std::string>& environment) {
    const std::string wish = wished(environment, core::kGrantVariable);
    if (!wish.empty() && !core::is_grant_id(wish))
        refuse("ALOFT_GRANT must be a grant's name, such as G-12. See: aloft grant list");
    return wish;
}

Admitted admit(const Request& request, const core::Enclave& enclave, const core::Grant& grant,
               std::int64_t now, std::int64_t kill_wait_seconds) {
    if (grant.enclave != enclave.name || grant.account != request.account)
        refuse("grant " + grant.id + " is not for this account in enclave " + enclave.name);
    if (!request.grant.empty() && request.grant != grant.id)
        refuse("grant " + request.grant + " was asked for, and is not the one that was found");
    if (!request.script || request.script->empty())
        refuse(
            "only batch jobs run in an enclave: what an interactive step prints would leave it. Use aloft "
            "submit");
    if (request.script->size() > kLimitBytes)
        refuse(
            "the job script is longer than 90 KiB. Put it into a file in your workspace and submit a script "
            "that runs it");
    if (request.nodes && *request.nodes > enclave.nodes.size())
        refuse("enclave " + enclave.name + " has " + std::to_string(enclave.nodes.size()) +
               " nodes; a job of more would wait for ever. Ask for fewer with --nodes");

    Admitted admitted;
    admitted.name = kJobName;
    admitted.partition = enclave.partition;
    admitted.script = std::string(kWrapperLine) + *request.script;
    admitted.arguments = {kJobName};  // Slurm puts the script's path there; the user's own are in the call
    admitted.array = core::allowed_array(request.array);
    admitted.features = features_of(request.features, request.known);
    admitted.gpus = gpus_of(request.gpus, request.known);
    admitted.wanted = nodes_of("nodelist", request.wanted, enclave);
    admitted.unwanted = nodes_of("exclude", request.unwanted, enclave);
    admitted.begin = core::allowed_begin(request.begin, now);
    if (admitted.begin != 0 && admitted.begin != request.begin)
        admitted.notes.push_back("It begins at the next full hour after the time that you asked for.");
    if (!request.grant.empty())
        admitted.prolog_environment.push_back(variable(core::kPrologGrantVariable, request.grant));
    if (!request.image.empty()) {
        const core::Image& image = enclave.asked_image(request.image);
        admitted.prolog_environment.push_back(variable(core::kPrologImageVariable, image.text()));
    }
    set_limit(request, enclave, grant, now, kill_wait_seconds, admitted);
    admitted.warning_seconds = core::warning_seconds(admitted.minutes);
    set_files(request, admitted);
    set_environment(request, enclave, admitted);
    return admitted;
}

}  // namespace slurm
