#include "jobs/shell/exchange.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "core/base/error.h"
#include "core/base/files.h"

namespace jobs::shell {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

namespace {

constexpr std::size_t kHead = 7;  // the kind and six digits, the text's length

[[noreturn]] void cannot(const char* what, const fs::path& file) {
    throw Error(
        Fault::system,
        core::with_errno(std::string("cannot ") + what + " the shell's " + file.filename().string(), errno));
}

}  // namespace

fs::path folder_of(const fs::path& workspace, const std::string& job) {
    return workspace / (".aloft-shell-" + job);
}

void append(const fs::path& file, std::string_view bytes) {
    const core::Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open()) cannot("open", file);
    core::write_all(fd.get(), core::view(bytes));
}

void send(const fs::path& folder, const Message& message) {
    const std::string size = std::to_string(message.text.size());
    append(folder / "in",
           static_cast<char>(message.kind) + std::string(kHead - 1 - size.size(), '0') + size + message.text);
}

bool follow(const fs::path& file, std::uint64_t& at, const std::function<void(std::string_view)>& take) {
    const core::Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd.is_open() && (errno == ENOENT || errno == ESTALE)) return false;
    if (!fd.is_open() || ::fstat(fd.get(), &status) || !S_ISREG(status.st_mode)) cannot("read", file);
    if (static_cast<std::uint64_t>(status.st_size) < at) at = 0;
    std::array<char, 16 << 10> piece{};
    bool any = false;
    for (ssize_t got; (got = ::pread(fd.get(), piece.data(), piece.size(), static_cast<off_t>(at))) > 0;
         at += static_cast<std::uint64_t>(got), any = true)
        take({piece.data(), static_cast<std::size_t>(got)});
    return any;
}

std::optional<Message> Inbox::next() {
    if (pending_.size() < kHead) follow(file_, at_, [this](std::string_view more) { pending_ += more; });
    if (pending_.size() < kHead) return std::nullopt;
    std::size_t size = 0;
    const char* digits = pending_.data() + 1;
    const auto [end, error] = std::from_chars(digits, pending_.data() + kHead, size);
    const bool is_known = std::string_view("tich").find(pending_.front()) != std::string_view::npos;
    if (!is_known || error != std::errc{} || end != pending_.data() + kHead || size > kMessageBytes)
        throw Error(Fault::data, "the shell's in is not what aloft shell writes; it is ended");
    if (pending_.size() < kHead + size)
        follow(file_, at_, [this](std::string_view more) { pending_ += more; });
    if (pending_.size() < kHead + size) return std::nullopt;
    Message message{static_cast<Message::Kind>(pending_.front()), pending_.substr(kHead, size)};
    pending_.erase(0, kHead + size);
    return message;
}

}  // namespace jobs::shell
