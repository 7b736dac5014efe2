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
    std::string spool = "/var/spool/slurmd";    // SlurmdSpoolDir, %n and %h as written
    std::filesystem::path file;                 // that was read
    std::filesystem::path plugstack;            // beside it, unless PlugStackConfig says otherwise
    std::vector<std::string> node_lines;        // every NodeName= line, as written
    std::map<std::string, std::string> values;  // every line's first KEY=VALUE, the key in small letters

    // What stands for `key` (in small letters), or `otherwise`, which should be Slurm's default.
    std::string value(const std::string& key, const std::string& otherwise = {}) const;
    // True if the comma-separated list at `key` holds `word`, in any case.
    bool lists(const std::string& key, std::string_view word) const;
};

// Throws Error(usage) without a controller. Names of keys in any case. Of a text alone nothing is included.
SlurmConf parse_slurm_conf(std::string_view text);
// From the file and those that it includes. Throws Error(system) too, if one cannot be read. An empty name: slurm_conf_here(),
// asked anew each time, since a slurmd may fetch it after its node's agent has started.
SlurmConf load_slurm_conf(const std::filesystem::path& file);

// The file by which Slurm's programs on this host go (configless_slurm.html, "Notes"): `own`, or without that what slurmd has
// fetched from slurmctld (`--conf-server`). Throws Error(usage) if there are both and not in one folder: slurmd goes by what it was
// told when it started, other programs by `own`, and no file says which of them a job will run under.
std::filesystem::path slurm_conf_here(const std::filesystem::path& own = "/etc/slurm/slurm.conf",
                                      const std::filesystem::path& fetched = "/run/slurm/conf/slurm.conf");

// SlurmdSpoolDir on this host.
std::filesystem::path spool_on(const SlurmConf& conf, std::string_view host);

// True if plugstack.conf loads the file `plugin` with `required`, as its last line: what stands behind it would run as
// root where the system can be a container image's. By its whole path: Slurm passes over a `required` file that is not
// there, and a bare name is searched for in PluginDir.
bool requires_fence(std::string_view plugstack, const std::filesystem::path& plugin);

}  // namespace slurm
