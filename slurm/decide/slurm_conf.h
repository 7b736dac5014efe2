#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace slurm {

// The few lines of slurm.conf that a node's helper must know, read from the file: asking the controller from
// a Prolog would wait for it.
struct SlurmConf {
    std::vector<std::string> controllers;  // addresses or host names, SlurmctldHost=
    std::uint16_t slurmd_port = 6818;
    std::string spool = "/var/spool/slurmd";             // SlurmdSpoolDir, %n and %h as written
    std::filesystem::path plugstack = "plugstack.conf";  // relative: to slurm.conf's folder
    std::vector<std::string> node_lines;                 // every NodeName= line, as written
    std::map<std::string, std::string> values;  // every line's first KEY=VALUE, the key in small letters

    // What stands for `key` (in small letters), or `otherwise`, which should be Slurm's default.
    std::string value(const std::string& key, const std::string& otherwise = {}) const;
    // True if the comma-separated list at `key` holds `word`, in any case.
    bool lists(const std::string& key, std::string_view word) const;
};

// Throws Error(usage) without a controller. Names of keys in any case. Of a text alone nothing is included.
SlurmConf parse_slurm_conf(std::string_view text);
// From the file and those that it includes. Throws Error(system) too, if one cannot be read.
SlurmConf load_slurm_conf(const std::filesystem::path& file);

// SlurmdSpoolDir on this host.
std::filesystem::path spool_on(const SlurmConf& conf, std::string_view host);

// True if plugstack.conf loads the fence's plugin with `required`.
bool requires_fence(std::string_view plugstack);

}  // namespace slurm
