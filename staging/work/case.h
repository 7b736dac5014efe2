#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "core/shard/writer.h"

namespace staging {

// A row that counts with a sample: packed if it is, left out if it is.
struct Companion {
    std::uint64_t file = 0, row = 0;  // Origin's
    char file_name[24] = {};          // keyed hash, hex, not terminated
};

// What waits beside an image: where the image waits by itself, and what a row of a table adds to it.
struct Case {
    std::uint64_t batch = 0, segment = 0, offset = 0;  // as the image's own reference has them
    std::vector<Companion> companions;
    std::vector<core::Cell> columns;  // behind the image's
};

core::Bytes encode(const Case& joined);
// Nothing if the block holds something else. Throws Error(bug): what it reads was authenticated.
std::optional<Case> decode_case(core::ByteView bytes);

}  // namespace staging
