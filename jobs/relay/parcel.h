#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"
#include "jobs/wire/caller.h"

// What travels between two relays, one each way per connection (README.md has it byte by byte): a head that says
// how long all that follows is, aloftd's line, and the contents of the files that go with it.

namespace jobs {

// A connection whose other end may be slow, silent or hostile. Both throw Error(system) when it goes away, or
// when it takes too long.
class Stream {
public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;
    virtual void read(char* buffer, std::size_t size) = 0;  // all of it
    virtual void write(std::string_view bytes) = 0;         // all of it
};

inline constexpr std::size_t kHeadLimitBytes = 16 << 10;
inline constexpr std::uint64_t kFilesLimitBytes = 8ull << 30;  // together; a site's release.toml allows less

struct Head {
    std::optional<Relayed> caller;  // of a request
    std::uint64_t line_bytes = 0;
    std::vector<std::uint64_t> file_bytes;

    std::uint64_t files() const;  // bytes together
};

// Where files lie while they are handed on: without a name, gone with the descriptor.
class Spool {
public:
    explicit Spool(std::filesystem::path folder) : folder_(std::move(folder)) {}
    // Makes the folder, for root alone. Throws Error(system).
    void prepare() const;
    // Throws Error(system) unless `bytes` more leave a tenth of the disk free, or 8 GiB where a tenth is more.
    void check_room(std::uint64_t bytes) const;
    core::Fd receive(Stream& from, std::uint64_t bytes) const;  // returns it open for reading only

private:
    std::filesystem::path folder_;
};

// `limit_bytes`: of a line. Throws Error(usage) if the head is not one, or says more than may be.
Head receive_head(Stream& from, std::uint64_t limit_bytes);
std::string receive_line(Stream& from, const Head& head);

// Of a file as many bytes are sent as it has when the head is. send_head throws Error(usage) if a descriptor is no
// regular file that is open for reading, Error(refused) if all are larger than may be; returns what it said.
Head send_head(Stream& to, const std::optional<Relayed>& caller, std::string_view line,
               const std::vector<core::Fd>& files);
void send_body(Stream& to, const Head& head, std::string_view line, const std::vector<core::Fd>& files);

// What the end on aloftd's host says to a head, before anything else is sent: so a refusal is heard by who would send
// gigabytes.
enum class Turn : char {
    go_on = 'g',   // with the request's line and files
    refused = 'r'  // here is the answer
};
void send_turn(Stream& to, Turn turn);
Turn receive_turn(Stream& from);  // throws Error(usage) for any other byte

}  // namespace jobs
