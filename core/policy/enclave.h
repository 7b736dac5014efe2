#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"

namespace core {

// An enclave's policy: SITE.config/enclaves/NAME.toml (configs/enclaves/example.toml is the commented
// example). Owned by root, the same on every host.
struct Enclave {
    std::string name;
    std::string partition;                        // the Slurm partition that is this enclave and nothing else
    std::vector<std::string> accounts;            // POSIX accounts: one per researcher, used here only
    std::vector<std::string> nodes;               // host names, as `hostname -s` prints them
    std::vector<std::filesystem::path> software;  // read-only trees beside the system's, absolute
    std::int64_t max_minutes = 0;                 // longest job
    std::uint16_t infiniband_pkey = 0;  // 15 bits, without the membership bit; 0: devices are withheld

    bool has_account(std::string_view account) const;
    bool has_node(std::string_view node) const;
};

// Throws Error(usage) with the file and key if the policy cannot be read or is not sound.
Enclave load_enclave(const std::filesystem::path& file);
Enclave parse_enclave(std::string_view toml, const std::filesystem::path& file);  // as `file` would hold it
Enclave load_enclave(const Site& site, std::string_view name);

// Every policy of the site in order of name. Throws as load_enclave, and Error(usage) if two enclaves share
// an account or a partition: an account that is in two enclaves could carry data between them.
std::vector<Enclave> load_enclaves(const Site& site);

// The second half of that.
void check_apart(const std::vector<Enclave>& enclaves);

// Nothing if no enclave has it (an open account, an open partition). Throws as load_enclaves.
std::optional<Enclave> enclave_of_account(const Site& site, std::string_view account);
std::optional<Enclave> enclave_of_partition(const Site& site, std::string_view partition);

// The policy as the TOML that load_enclave reads.
std::string to_toml(const Enclave& enclave);

}  // namespace core
