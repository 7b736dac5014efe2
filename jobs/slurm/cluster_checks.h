#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/wire/preflight.h"

// What an enclave's fence needs of Slurm's own settings, looked at on the login host through scontrol.

namespace jobs {

struct Partition {
    std::string name, oversubscribe, over_time_limit, state;
    std::vector<std::string> nodes;
    bool is_default = false;
};

struct SlurmSettings {
    std::map<std::string, std::string> config;  // as `scontrol show config` prints them: "KillWait": "5 sec"
    std::vector<Partition> partitions;
    std::string accounting;  // what `sacctmgr show configuration` prints, where there is accounting

    std::string value(const std::string& key) const;  // "" if absent or "(null)"
    std::int64_t kill_wait_seconds() const;           // 30, Slurm's default, if it is not told
};

// From what `scontrol show config` and `scontrol --oneliner show partition` print.
SlurmSettings parse_settings(std::string_view config, std::string_view partitions);

// Asks scontrol. Nothing if this host has none; throws Error(system) if it has one that fails.
std::optional<SlurmSettings> ask_slurm();

std::vector<Check> checks_of_slurm(const core::Enclave& enclave, const SlurmSettings& settings,
                                   const std::string& host);

}  // namespace jobs
