#include "slurm/admit/admission.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/base/error.h"
#include "slurm/admit/script.h"

namespace slurm {
namespace {

[[noreturn]] void refuse(const std::string& text) {
    throw core::Error(core::Fault::refused, text);
}

// `path` as the user wrote it (relative to the workspace, or under it), or `otherwise` if there is none.
std::string in_workspace(const std::string& option, const std::string& path, const std::string& otherwise) {
    if (path.empty()) return otherwise;
    if (path == "/dev/null") return path;
    const std::filesystem::path full = std::filesystem::path(kWorkspace) / path;  // an absolute path stays
    for (const auto& part : full)
        if (part == "..") refuse("--" + option + " must not go up with '..'");
    if (!full.string().starts_with(std::string(kWorkspace) + "/"))
        refuse("--" + option +
               " must lie in your workspace: nothing else leaves a job. Give a name without a folder");
    return full.string();
}

std::string variable(const char* name, std::uint32_t value) {
    return std::string(name) + "=" + std::to_string(value);
}

}  // namespace

std::optional<core::Enclave> enclave_of(const std::vector<core::Enclave>& enclaves,
                                        const std::string& account, const std::string& partition) {
    const auto named = [&](const core::Enclave& enclave) {
        std::istringstream list(partition);
        for (std::string one; std::getline(list, one, ',');)
            if (one == enclave.partition) return true;
        return false;
    };
    const auto mine = std::find_if(enclaves.begin(), enclaves.end(), [&](const core::Enclave& enclave) {
        return enclave.has_account(account);
    });
    if (mine != enclaves.end()) {
        if (!partition.empty() && partition != mine->partition)
            refuse("this account works in enclave " + mine->name + ": use --partition=" + mine->partition +
                   " alone, or leave it out");
        return *mine;
    }
    if (std::any_of(enclaves.begin(), enclaves.end(), named))
        refuse(
            "that partition belongs to an enclave: log in with your account of that enclave and use aloft "
            "submit");
    return std::nullopt;
}

Admitted admit(const Request& request, const core::Enclave& enclave, const core::Grant& grant,
               std::int64_t now, std::int64_t kill_wait_seconds) {
    if (grant.enclave != enclave.name || grant.account != request.account)
        refuse("grant " + grant.id + " is not for this account in enclave " + enclave.name);
    if (!request.script || request.script->empty())
        refuse(
            "only batch jobs run in an enclave: what an interactive step prints would leave it. Use aloft "
            "submit");
    if (request.heterogeneous)
        refuse("heterogeneous jobs do not run in an enclave. Submit one job per kind of node");
    if (request.cron) refuse("scrontab does not run in an enclave. Use aloft submit --begin");
    if (request.container)
        refuse("--container does not run in an enclave: the fence builds the job's own view");
    if (request.burst_buffer)
        refuse("burst buffers do not run in an enclave: they copy files outside the fence");
    if (request.x11) refuse("--x11 does not run in an enclave: it would open a way out");
    if (request.other_cluster) refuse("--clusters does not run in an enclave. Leave it out");
    if (request.script->size() > kLimitBytes)
        refuse(
            "the job script is longer than 90 KiB. Put it into a file in your workspace and submit a script "
            "that runs it");

    const std::int64_t last = core::last_limit(grant, kill_wait_seconds);
    const std::int64_t left = (last - now) / 60;
    if (left < 1)
        refuse("grant " + grant.id +
               " ends within two minutes; no job can end in time. Apply for a new one (aloft apply create)");

    Admitted admitted;
    admitted.partition = enclave.partition;
    admitted.script = std::string(kWrapperLine) + *request.script;
    admitted.std_in = in_workspace("input", request.std_in, "/dev/null");
    admitted.std_out = in_workspace("output", request.std_out, std::string(kWorkspace) + "/slurm-%j.out");
    admitted.std_err = in_workspace("error", request.std_err, "");
    // Where sbatch happens to be called from is no reason to refuse.
    admitted.work_dir =
        request.work_dir.starts_with(std::string(kWorkspace) + "/") ? request.work_dir : kWorkspace;
    const std::int64_t wanted = request.minutes.value_or(static_cast<std::uint32_t>(enclave.max_minutes));
    admitted.minutes = static_cast<std::uint32_t>(std::min({wanted, enclave.max_minutes, left}));
    // Slurm cancels a waiting job as soon as its limit no longer fits before the deadline. One that the grant
    // itself caps could not wait at all: it has none, and is cut anew when it starts (aloft-run) and ended by
    // the agent.
    admitted.deadline = admitted.minutes < left ? last : 0;

    const std::string packed = pack_environment(request.environment);
    if (packed.size() > kLimitBytes * 4 / 3)
        refuse(
            "your environment is larger than 90 KiB. Submit with fewer variables: env -i PATH=$PATH aloft "
            "submit ...");
    // All that the wrapper and srun see. The user's variables are one string of data until inside the fence.
    admitted.environment = {"PATH=/usr/bin:/bin",      std::string("HOME=") + kWorkspace,
                            "USER=" + request.account, "LOGNAME=" + request.account,
                            "SHELL=/bin/sh",           "LANG=C.UTF-8",
                            "SLURM_UMASK=0077",        "ALOFT_ENCLAVE=" + enclave.name,
                            "ALOFT_USER_ENV=" + packed};
    if (request.tasks) admitted.environment.push_back(variable("SLURM_NTASKS", *request.tasks));
    if (request.tasks_per_node)
        admitted.environment.push_back(variable("SLURM_NTASKS_PER_NODE", *request.tasks_per_node));
    if (request.cpus_per_task) {
        admitted.environment.push_back(variable("SLURM_CPUS_PER_TASK", *request.cpus_per_task));
        admitted.environment.push_back(variable("SRUN_CPUS_PER_TASK", *request.cpus_per_task));
    }
    return admitted;
}

}  // namespace slurm
