#pragma once
#include "staging/read/record.h"
#include "staging/sandbox/channel.h"
#include "staging/sandbox/wire.h"

namespace staging {

// What a worker is asked; codes of Question.
enum class Ask : std::uint32_t {
    configure,
    read_header,
    read_pixels,
    hold_first,  // the header of a pair: the next file that is read is its data
    open_table,
    next_rows,
    // Of an archive, opened once and read in one pass; `number` is a member's, from 0.
    open_archive,
    list_members,
    member_header,
    member_pixels,
    member_table,
};

// What an answer about an archive begins with.
enum class Listed : std::uint8_t {
    not_yet,  // ask again: a question is to cost no more than so much
    here,
    end,      // no more members
    refused,  // a Reason follows: the archive cannot be read on
};

void pack(Packer& out, const Wanted& wanted, const Limits& limits);
// Throws Refused where values or frames are more than a message holds, whatever the limits allow.
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
