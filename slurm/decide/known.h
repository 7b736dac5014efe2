#pragma once
#include <cstdint>
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
    std::map<std::string, std::string> accounts;  // by name, to the name of their enclave
    std::map<std::uint32_t, std::string> uids;    // the same by number: a second name of one is no way out
    std::set<std::string> partitions;

    bool concerns(const std::string& account, std::uint32_t uid, const std::string& partition) const {
        return accounts.contains(account) || uids.contains(uid) || partitions.contains(partition);
    }
    // The enclave of an account, by its number or its name; "" if it is none's.
    std::string enclave_of(const std::string& account, std::uint32_t uid) const;
    void add(const Known& other);
    bool operator==(const Known&) const = default;
};

// Of an enclave whose policy is unusable here the signed list still tells the numbers and the partition.
Known known_of(const std::vector<core::Enclave>& enclaves,
               const std::vector<core::UnusableEnclave>& unusable = {});

// What was kept last; empty if nothing was, or it is damaged.
Known load_known(const std::filesystem::path& folder = kNodeState);

// Keeps it, if it differs from what is kept. False if it cannot.
bool keep_known(const Known& known, const std::filesystem::path& folder = kNodeState) noexcept;

}  // namespace slurm
