#pragma once
#include <optional>

#include "staging/read/archive/archive.h"
#include "staging/read/messages.h"
#include "staging/read/word.h"

namespace staging {

// The archive that a worker has open, as its questions ask for it: members are numbered from 0 and come in rising
// order; the one that was asked for last stays in memory.
class ServedArchive {
public:
    ServedArchive(core::Fd file, std::uint64_t bytes, const Limits& limits);

    // Packs the names of the next members: for each Listed::here and the name; then what ended it.
    void list(Packer& message);

    // Goes on to a member and packs Listed and, if it is there, its name. False if not.
    bool find(std::uint64_t number, Packer& message);
    // The member that find() found, into memory; or the reason and the word why not.
    Reason load(Word& why);
    core::ByteView bytes() const noexcept { return bytes_; }
    std::uint64_t member_bytes() const noexcept { return member_.bytes; }

private:
    Listed step();
    const Limits& limits_;
    std::optional<ArchiveReader> reader_;
    Reason reason_ = Reason::none;  // why the archive cannot be read on
    Member member_;
    Word why_;                // its bytes cannot be had
    std::uint64_t next_ = 0;  // the number of the member behind member_
    bool loaded_ = false;
    core::Bytes bytes_;
};

}  // namespace staging
