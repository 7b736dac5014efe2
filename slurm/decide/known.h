#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/site.h"
#include "core/policy/enclave.h"

// Whose accounts and partitions are an enclave's, as this host last knew it. A job of none of them is none of
// our business, whatever is wrong with our files: an unsound policy, a site.toml that cannot be read. A job of
// one of them is refused then.

namespace slurm {

// Where this host keeps what must outlive a boot: the snapshot, and records on their way to aloftd.
constexpr const char* kNodeState = "/var/lib/aloft-node";

struct Known {
    std::map<std::string, std::string> accounts;  // to the name of their enclave
    std::set<std::string> partitions;

    bool concerns(const std::string& account, const std::string& partition) const {
        return accounts.contains(account) || partitions.contains(partition);
    }
    bool operator==(const Known&) const = default;
};

Known known_of(const std::vector<core::Enclave>& enclaves);

// What was kept last; empty if nothing was, or it is damaged.
Known load_known(const std::filesystem::path& folder = kNodeState);

// Keeps it, if it differs from what is kept. False if it cannot.
bool keep_known(const Known& known, const std::filesystem::path& folder = kNodeState) noexcept;

}  // namespace slurm
