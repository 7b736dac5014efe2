#pragma once
#include "staging/source/record.h"
#include "staging/source/wire.h"

namespace staging {

// Shared memory between a program and one worker: messages, then room for pixels. Both fixed when it starts.
constexpr std::size_t kMessageBytes = 8 << 20;

// The socket carries these two, nothing of a file; a file's descriptor travels with the request.
enum class Ask : std::uint32_t { configure, read_header, read_pixels, open_table, next_rows };
struct Request {
    Ask ask;
    std::uint32_t message_bytes;  // in shared memory: configure
    std::uint64_t file_bytes;     // size of the file when it was opened
};
struct Reply {
    std::uint64_t message_bytes;  // in shared memory
};

void pack(Packer& out, const Wanted& wanted, const Limits& limits);
void pack(Packer& out, const Record& record);

struct Configuration {
    Wanted wanted;
    Limits limits;
};
Configuration unpack_configuration(Unpacker& in);

// `pixels` is the shared room for pixels. Throws std::length_error or std::out_of_range on anything that no
// honest worker writes.
Record unpack_record(Unpacker& in, const Wanted& wanted, std::span<const std::uint8_t> pixels);

}  // namespace staging
