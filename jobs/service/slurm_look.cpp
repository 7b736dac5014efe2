#include "jobs/service/slurm_look.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "core/base/child.h"
#include "core/base/split.h"
#include "core/ledger/spool.h"

namespace jobs {

namespace {

constexpr auto kPatience = std::chrono::seconds(30);

// In the PATH that aloftd was started with, then where Slurm is often put. No caller has a say in either.
std::string find_program(const std::string& name) {
    const char* path = ::getenv("PATH");
    const std::string usual = ":/usr/bin:/usr/local/bin:/opt/slurm/bin:/opt/slurm/current/bin";
    for (const std::string& folder : core::split((path ? path : "") + usual, ':'))
        if (folder.starts_with('/') && ::access((folder + "/" + name).c_str(), X_OK) == 0)
            return folder + "/" + name;
    return "";
}

}  // namespace

std::vector<Check> look_at_slurm(const core::Enclave& enclave) {
    const std::string host = core::short_host_name();
    const auto bad = [&](const char* found, const char* remedy) {
        return std::vector<Check>{{host, "slurm", "scontrol", Verdict::bad, true, found, remedy}};
    };
    const std::string scontrol = find_program("scontrol");
    if (scontrol.empty())
        return bad("not found by aloftd", "put the folder of scontrol into the PATH of aloftd.service");
    const auto config = core::output_of({scontrol, "show", "config"}, kPatience);
    const auto partitions = core::output_of({scontrol, "--oneliner", "show", "partition"}, kPatience);
    if (!config || !partitions)
        return bad("scontrol failed, or did not answer in 30 s",
                   "make scontrol work for the account of aloftd");
    SlurmSettings settings = parse_settings(*config, *partitions);
    if (const std::string sacctmgr = find_program("sacctmgr");
        settings.value("AccountingStorageType").ends_with("/slurmdbd") && !sacctmgr.empty()) {
        const auto accounting = core::output_of({sacctmgr, "--noheader", "show", "configuration"}, kPatience);
        if (!accounting)
            return bad("sacctmgr failed, or did not answer in 30 s",
                       "make sacctmgr work for the account of aloftd");
        settings.accounting = *accounting;
    }
    return checks_of_slurm(enclave, settings, host);
}

}  // namespace jobs
