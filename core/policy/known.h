#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "core/policy/enclave.h"

// Whose accounts, numbers and partitions are an enclave's, or were one's: the one memory of it that a host has.
// aloft-mirror keeps it, in SITE.known; Prolog and slurmctld read it when policies, keys or site.toml are
// damaged or gone. A job of none of them is none of our business, whatever is wrong with our files; a job of
// one of them is refused then. It only ever makes somebody refused, so it needs no signature.

namespace core {

struct Known {
    // Each to the name of its enclave.
    std::map<std::string, std::string> accounts;
    std::map<std::uint32_t, std::string> uids;  // the same by number: a second name of one is no way out
    std::map<std::string, std::string> partitions;

    bool concerns(const std::string& account, std::uint32_t uid, const std::string& partition) const {
        return accounts.contains(account) || uids.contains(uid) || partitions.contains(partition);
    }
    // The enclave of an account, by its number or its name; "" if it is none's.
    std::string enclave_of(const std::string& account, std::uint32_t uid) const;
    // All of `newer` too; where both know one, `newer` says whose it is.
    void add(const Known& newer);
    bool has_all_of(const Known& other) const;
    bool operator==(const Known&) const = default;
};

// Of an enclave whose policy is unusable here the signed list still tells the numbers and the partition.
Known known_of(const Enclaves& enclaves);
Known known_of(const SignedList& list);

// What is kept in `folder`; empty if nothing is. A line that is damaged is left out.
Known load_known(const std::filesystem::path& folder);

// Adds to what is kept there: what was an enclave's once stays known until the admin removes its line.
// Throws Error(system).
void remember(const Known& known, const std::filesystem::path& folder);

}  // namespace core
