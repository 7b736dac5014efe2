#pragma once
#include "staging/read/record.h"
#include "staging/sandbox/channel.h"
#include "staging/sandbox/wire.h"

namespace staging {

// What a worker is asked; codes of Question.
enum class Ask : std::uint32_t { configure, read_header, read_pixels, open_table, next_rows };

void pack(Packer& out, const Wanted& wanted, const Limits& limits);
void pack(Packer& out, const Record& record, const Wanted& wanted);

// The worker's part (serve.cpp): before it is in its sandbox, and there.
void prepare_answers() noexcept;
Answers* make_answers(const Region& region);

struct Configuration {
    Wanted wanted;
    Limits limits;
};
Configuration unpack_configuration(Unpacker& in);

// `pixels` is the shared room for pixels. Throws std::length_error or std::out_of_range on anything that no
// honest worker writes.
Record unpack_record(Unpacker& in, const Wanted& wanted, std::span<const std::uint8_t> pixels);

}  // namespace staging
