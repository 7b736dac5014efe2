#include <unistd.h>

#include <filesystem>

#include "core/base/child.h"
#include "core/base/error.h"
#include "slurm/decide/policy.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::required;

// What Prolog, Epilog, the agent and the batch step start, each by its path; nothing else is started.
struct Program {
    const char *path, *why, *package;
};
constexpr Program kPrograms[] = {
    {"/bin/sh", "Prolog, to ask slurmctld", "dash"},
    {"/usr/bin/squeue", "Prolog, which asks slurmctld about the job", "slurm-client"},
    {"/usr/bin/scontrol", "the agent, which tells why it ended a job", "slurm-client"},
    {"/usr/bin/scancel", "the agent, which ends jobs", "slurm-client"},
    {"/usr/bin/srun", "the batch step, which starts the job's own", "slurm-client"},
    {"/usr/sbin/nft", "Prolog, which puts up the job's wall", "nftables"},
};
constexpr Program kForGpus = {"/usr/bin/nvidia-smi", "Epilog, which waits until the GPUs are free",
                              "nvidia-smi, of the driver's version"};

Check check_program(const Program& one, const fs::path& root) {
    const fs::path path = root / fs::path(one.path).relative_path();
    const bool is_there = ::access(path.c_str(), X_OK) == 0;
    return required(std::string("program ") + fs::path(one.path).filename().string(), is_there,
                    is_there ? one.path : std::string(one.path) + " is absent",
                    std::string("install ") + one.package + ": " + one.why + " by it");
}

}  // namespace

std::vector<Check> check_programs(const fs::path& root) {
    std::vector<Check> checks;
    for (const Program& one : kPrograms) checks.push_back(check_program(one, root));
    if (fs::exists(root / "proc/driver/nvidia")) checks.push_back(check_program(kForGpus, root));
    return checks;
}

// By a table that is made and gone in one transaction: the kernel takes all of it or nothing, so a kernel
// without a part of it says so, and no packet ever sees it.
Check check_wall() {
    const std::string table = "table ip aloft_trial",
                      cgroup = is_pure_cgroup2() ? "." : cgroup_root().filename().string(),
                      rules =
                          table + "\ndelete " + table + "\n" + table +
                          " {\n  chain out {\n    type filter hook output priority filter; policy accept;\n"
                          "    socket cgroupv2 level 1 \"" +
                          cgroup + "\" meta mark set 1 accept\n  }\n}\ndelete " + table + "\n";
    std::string fault;
    try {
        const core::Finished done = core::run_program({"/usr/sbin/nft", "-f", "-"}, rules);
        if (done.code != 0) fault = done.errors.substr(0, done.errors.find('\n'));
    } catch (const core::Error&) {
        fault = "no nft";
    }
    return required(
        "nftables by cgroup", fault.empty(), fault.empty() ? "the kernel has it" : fault,
        "the package nftables, and a kernel with CONFIG_NF_TABLES and CONFIG_NFT_SOCKET: the wall "
        "is one of the two layers around a job");
}

}  // namespace slurm
