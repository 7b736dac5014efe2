#include "jobs/relay/parcel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kChunkBytes = 256 << 10;
constexpr std::uint64_t kMostKeptFreeBytes = 8ull << 30;  // as many as the largest request has

[[noreturn]] void refuse_head() {
    throw Error(Fault::usage,
                "what came is not of this version of aloft-relay; are both ends of one release?");
}

std::uint64_t number(const json& value) {
    if (!value.is_number_unsigned()) refuse_head();
    return value.get<std::uint64_t>();
}

std::uint64_t size_of(int fd) {
    struct stat status {};
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) || ::fstat(fd, &status) ||
        !S_ISREG(status.st_mode))
        throw Error(Fault::usage, "a file that was handed over is not a regular file open for reading");
    return static_cast<std::uint64_t>(status.st_size);
}

// At offsets of its own: the caller shares the descriptor's position.
void send_file(Stream& to, int fd, std::uint64_t bytes) {
    std::vector<char> chunk(kChunkBytes);
    for (std::uint64_t at = 0; at < bytes;) {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes - at, chunk.size()));
        const ssize_t got = ::pread(fd, chunk.data(), wanted, static_cast<off_t>(at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            throw Error(Fault::system, core::with_errno("cannot read a file that was handed over", errno));
        if (got == 0)
            throw Error(Fault::usage, "a file became shorter while it was read; ask again when it is whole");
        to.write({chunk.data(), static_cast<std::size_t>(got)});
        at += static_cast<std::uint64_t>(got);
    }
}

}  // namespace

std::uint64_t Head::files() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t bytes : file_bytes) sum += bytes;
    return sum;
}

void Spool::prepare() const {
    core::make_directories(folder_, 0700);
    struct stat status {};
    if (::lstat(folder_.c_str(), &status) || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() ||
        (status.st_mode & 077))
        throw Error(Fault::system, folder_.string() + ": must be a folder of root's, mode 0700");
}

void Spool::check_room(std::uint64_t bytes) const {
    struct statvfs disk {};
    if (::statvfs(folder_.c_str(), &disk))
        throw Error(Fault::system, core::with_errno("the room for files cannot be seen", errno));
    const std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize,
                        tenth = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize / 10,
                        kept = std::min(tenth, kMostKeptFreeBytes);
    if (free < kept || free - kept < bytes)
        throw Error(Fault::system, "there is not enough room to hand these files on; tell the admin");
}

core::Fd Spool::receive(Stream& from, std::uint64_t bytes) const {
    const core::Fd file(::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0400));
    if (!file.is_open()) throw Error(Fault::system, core::with_errno("cannot make room for a file", errno));
    std::vector<char> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, kChunkBytes)));
    for (std::uint64_t left = bytes; left > 0;) {
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk.size()));
        from.read(chunk.data(), part);
        core::write_all(file.get(), core::view({chunk.data(), part}));
        left -= part;
    }
    core::Fd reading(::open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
    if (!reading.is_open()) throw Error(Fault::system, core::with_errno("cannot open a file again", errno));
    return reading;
}

Head receive_head(Stream& from, std::uint64_t limit_bytes) {
    std::array<unsigned char, 4> length{};
    from.read(reinterpret_cast<char*>(length.data()), length.size());
    const std::size_t size = (static_cast<std::size_t>(length[0]) << 24) |
                             (static_cast<std::size_t>(length[1]) << 16) |
                             (static_cast<std::size_t>(length[2]) << 8) | length[3];
    if (size < 2 || size > kHeadLimitBytes) refuse_head();
    std::string text(size, '\0');
    from.read(text.data(), text.size());
    try {
        const json body = json::parse(text);
        const bool has_caller = body.is_object() && body.contains("caller");
        if (!body.is_object() || body.size() != (has_caller ? 4u : 3u) ||
            number(body.at("version")) != kVersion)
            refuse_head();
        Head head;
        if (has_caller) head.caller = relayed_of(body.at("caller"));
        head.line_bytes = number(body.at("line"));
        const json& files = body.at("files");
        if (!files.is_array() || files.size() > kDescriptorLimit || head.line_bytes < 1 ||
            head.line_bytes > limit_bytes)
            refuse_head();
        std::uint64_t left = kFilesLimitBytes;
        for (const json& one : files) {
            const std::uint64_t bytes = number(one);
            if (bytes > left) refuse_head();
            left -= bytes;
            head.file_bytes.push_back(bytes);
        }
        if (head.caller && head.caller->in_workspace.size() != head.file_bytes.size()) refuse_head();
        return head;
    } catch (const json::exception&) {
        refuse_head();
    }
}

// One line and nothing after it: what aloftd reads as one request is what the head's caller asked.
std::string receive_line(Stream& from, const Head& head) {
    std::string line(static_cast<std::size_t>(head.line_bytes), '\0');
    from.read(line.data(), line.size());
    if (line.find('\n') != line.size() - 1) refuse_head();
    return line;
}

Head send_head(Stream& to, const std::optional<Relayed>& caller, std::string_view line,
               const std::vector<core::Fd>& files) {
    Head head{caller, line.size(), {}};
    std::uint64_t left = kFilesLimitBytes;
    for (const core::Fd& file : files) {
        head.file_bytes.push_back(size_of(file.get()));
        if (head.file_bytes.back() > left)
            throw Error(Fault::refused, "the files are larger than a relay carries at once");
        left -= head.file_bytes.back();
    }
    json body = {{"version", kVersion}, {"line", head.line_bytes}, {"files", head.file_bytes}};
    if (caller) body["caller"] = to_json(*caller);
    const std::string text = body.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > kHeadLimitBytes) throw Error(Fault::bug, "a relay's head is too long");
    const auto byte = [&](int shift) { return static_cast<char>((text.size() >> shift) & 0xff); };
    to.write(std::string{byte(24), byte(16), byte(8), byte(0)} + text);
    return head;
}

void send_body(Stream& to, const Head& head, std::string_view line, const std::vector<core::Fd>& files) {
    to.write(line);
    for (std::size_t i = 0; i < files.size(); ++i) send_file(to, files[i].get(), head.file_bytes[i]);
}

void send_turn(Stream& to, Turn turn) {
    to.write(std::string(1, static_cast<char>(turn)));
}

Turn receive_turn(Stream& from) {
    char byte = 0;
    from.read(&byte, 1);
    if (byte != static_cast<char>(Turn::go_on) && byte != static_cast<char>(Turn::refused)) refuse_head();
    return static_cast<Turn>(byte);
}

}  // namespace jobs
