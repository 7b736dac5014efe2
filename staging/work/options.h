#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "staging/work/disk.h"

namespace staging {

// How work is cut: how much is held, written or sent at a time. The bytes of a version depend on none of it.
// Tests set small numbers, so that second blocks, flushes, rounds and segments are ordinary.
struct Options {
    std::uint64_t files_per_batch = 32;         // what a rank takes at a time
    std::uint64_t segment_bytes = 1 << 30;      // a waiting-samples file is closed at this size
    std::uint64_t segment_samples = 1 << 18;    // or at this many samples
    std::uint64_t block_records = 4096;         // references in one sealed block
    std::uint64_t exchange_bytes = 64 << 20;    // a rank sends this much in a round, and buffers as much
    std::uint64_t partition_records = 1 << 20;  // records that are sorted at once
    std::uint64_t sync_seconds = 5;             // waiting samples are flushed to the disk this often

    Disk* disk = &Disk::real();  // of a test that makes it fail

    // "NAME=VALUE". Throws Error(usage).
    void set(const std::string& text);
    static std::vector<std::string> names();
};

}  // namespace staging
