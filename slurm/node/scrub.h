#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

// An enclave's account lives in its jobs only. So after its job a node must hold nothing of it, and what it
// does hold (a process somebody started outside Slurm, a file that a broken fence let through) is removed.

namespace slurm {

struct Scrubbed {
    std::uint64_t processes = 0;  // of the account, outside any job
    std::uint64_t ipc = 0;        // System V segments, semaphores, queues; POSIX queues
    std::uint64_t files = 0;      // and folders, links, sockets
    std::uint64_t mounts = 0;     // of the fence, in the node's own mount namespace
    std::string left;             // what could not be removed; empty if nothing is left

    nlohmann::json to_json() const;  // {"processes": 0, ..., "left": ""}
};

// `folders`: where everybody may write (on one file system each; links are not followed). `run`: SITE.run.
// Root. Never throws for what it meets; never touches what is root's.
Scrubbed scrub(std::uint32_t uid, const std::vector<std::filesystem::path>& folders,
               const std::filesystem::path& run);

// Its parts, for tests. Files of `uid` below `folder`, at any depth: how many were removed; `left` names those that
// could not be. What is somebody else's never counts: after `patience` without meeting anything of the account's the
// search ends with a warning.
std::uint64_t scrub_files(std::uint32_t uid, const std::filesystem::path& folder, std::string& left,
                          std::chrono::milliseconds patience = std::chrono::seconds(20));

// Waits up to `patience` until no process of `uid`, or one that has just died, has memory of a GPU. Nothing where there
// is no such program.
void scrub_gpus(std::uint32_t uid, const std::filesystem::path& nvidia_smi,
                std::chrono::milliseconds patience, std::string& left);

}  // namespace slurm
