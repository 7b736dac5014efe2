#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "staging/read/messages.h"
#include "staging/read/worker.h"

// What Worker, Table and Archive share: how a worker is asked, and whose fault it is when it does not answer.
namespace staging {

constexpr std::size_t kKeepPixels = 64 << 20;  // shared pages beyond this go back after a large file

Record refusal(Reason reason, std::string_view detail = {}, std::uint64_t row = 0);

// Counts what went wrong with one file (or one table) until it is clear whose fault it is.
class Tries {
public:
    // The verdict on the file, or nothing: try again with a fresh worker. Throws MachineFault.
    std::optional<Reason> verdict(Ended ended);
    // The same where a worker says that the file cannot be read. A hostile file's worker must not end the run:
    // its word is checked.
    std::optional<Reason> io_error(int fd, std::uint64_t bytes);

private:
    std::optional<Reason> machine(const std::string& what);
    int died_ = 0, machine_ = 0;
};

constexpr std::uint32_t code(Ask ask) {
    return static_cast<std::uint32_t>(ask);
}

// A table is read in pieces, but in an archive: there, as every file, whole.
std::unique_ptr<Channel> open_channel(const Readers& readers, const Wanted& wanted, const Limits& limits,
                                      bool is_whole, bool is_archive = false);

// A copy first: what is checked cannot change any more.
core::Bytes message_of(Channel& channel, std::uint64_t bytes);

// Another descriptor of the same file. Throws MachineFault.
core::Fd second_of(const core::Fd& file);

// Which of an archive's members, and what it must still be called.
struct Within {
    std::uint64_t member;
    std::string name;
};

// What an answer about one member begins with. Throws std::logic_error on what no worker writes.
struct Reached {
    bool again = false;            // ask once more
    Reason reason = Reason::none;  // none: it is there
};
Reached reached(Unpacker& in, const std::string& name);

// A reason that a worker gives. Throws std::out_of_range for one that there is not.
Reason reason_of(Unpacker& in);

}  // namespace staging
