#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "slurm/decide/policy.h"

// What a node's kernel remembers of a job when its processes and files are gone, and shows to whoever comes
// next: which pages of a file are cached, which connections there were, what crashed. Node and network
// namespace are the next job's too, so Epilog makes the kernel forget before the node is free.

namespace slurm {

struct Residue {
    // True for what is as if the job had never been. No counts: a job could choose them, and this goes on record.
    bool page_cache = false;   // and names of files: dentries, inodes
    bool sockets = false;      // connections without a process: TIME_WAIT and their kin
    bool tcp_metrics = false;  // addresses, round trips and windows by peer
    bool flow_labels = false;  // of IPv6
    bool kernel_log = false;   // its lines since the job began
    std::string left;          // what is the account's and could not be cleared; empty if nothing is

    nlohmann::json to_json() const;  // {"page_cache": true, ..., "left": ""}
};

// Whom the job's slurmstepds were cut from (cut.h), and how their sockets are known: nothing arrives there any more.
struct Parted {
    std::set<std::uint64_t>
        cgroups;  // ids, which are the folders' inode numbers: they go before their sockets
    std::set<std::string> addresses;  // IPv4, dotted
};

// Root, after the last process of the job, on a node that is whole to it. Dirty pages stay: no sync, which a file
// system that hangs would hang. Kernels before 6.6 cannot end a connection in TIME_WAIT: it is waited for, 60 s at
// most, and only if the job left some. Never throws.
Residue clear_residue(const Policy& policy, const Parted& parted);

// Its parts, in this process's network namespace. False with `left` or a logged warning, see Residue.
bool forget_sockets(std::uint32_t uid, std::chrono::seconds patience, std::string& left,
                    const Parted& parted = {});
bool forget_tcp_metrics();
bool wait_for_flow_labels(std::uint32_t uid, const std::filesystem::path& table,
                          std::chrono::milliseconds patience, std::string& left);
bool forget_page_cache();
bool forget_kernel_log(std::int64_t since);  // seconds since 1970

// Where everybody may write on this node's own disks and memory, by its mount table (`mountinfo`: as
// /proc/self/mountinfo), and what cron, at and mail keep by account. Not on a file system that is shared with other
// nodes, nor on the one that holds one of `shared`, which need not show it by its type. Bounded: five folders
// deep, 50,000 folders looked at.
std::vector<std::filesystem::path> writable_folders(const std::filesystem::path& mountinfo,
                                                    const std::vector<std::filesystem::path>& shared);

}  // namespace slurm
