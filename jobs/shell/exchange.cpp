#include "jobs/shell/exchange.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/message.h"

namespace jobs::shell {

namespace fs = std::filesystem;
using core::failure;
using core::Fault;

namespace {

const std::string kPrefix = ".aloft-shell-";
constexpr std::size_t kHead = 7;  // the kind and six digits, the text's length

}  // namespace

fs::path folder_of(const fs::path& workspace, const std::string& job, const std::string& token) {
    return workspace / (kPrefix + job + "-" + token);
}

std::string new_token() {
    return core::random_id(4);
}

bool is_token(const std::string& text) {
    return text.size() == 8 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::optional<fs::path> newest_folder(const fs::path& workspace, const std::string& job) {
    std::optional<fs::path> newest;
    fs::file_time_type at;
    for (const auto& entry : fs::directory_iterator(workspace)) {
        if (!entry.path().filename().string().starts_with(kPrefix + job + "-")) continue;
        const auto written = entry.last_write_time();
        if (newest && written <= at) continue;
        newest = entry.path();
        at = written;
    }
    return newest;
}

void remove_ended(const fs::path& workspace) {
    std::vector<fs::path> ended;
    for (const auto& entry : fs::directory_iterator(workspace))
        if (entry.path().filename().string().starts_with(kPrefix) && fs::exists(entry.path() / "end"))
            ended.push_back(entry.path());
    std::error_code none;
    for (const fs::path& folder : ended) fs::remove_all(folder, none);
}

void append(const fs::path& file, std::string_view bytes) {
    const core::Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.is_open())
        throw failure(Fault::system, "cannot write to {}: {}", file.string(), core::reason_of(errno));
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
    if (!fd.is_open() || ::fstat(fd.get(), &status))
        throw failure(Fault::system, "cannot read {}: {}", file.string(), core::reason_of(errno));
    if (!S_ISREG(status.st_mode)) throw failure(Fault::system, "{} is not a regular file", file.string());
    if (static_cast<std::uint64_t>(status.st_size) < at) at = 0;
    std::array<char, 16 << 10> piece{};
    std::size_t taken = 0;
    for (ssize_t got;
         taken < kAtOnce && (got = ::pread(fd.get(), piece.data(), piece.size(), static_cast<off_t>(at))) > 0;
         taken += static_cast<std::size_t>(got)) {
        at += static_cast<std::uint64_t>(got);
        take({piece.data(), static_cast<std::size_t>(got)});
    }
    return taken > 0;
}

std::optional<Message> Inbox::next() {
    if (pending_.size() < kHead) follow(file_, at_, [this](std::string_view more) { pending_ += more; });
    if (pending_.size() < kHead) return std::nullopt;
    std::size_t size = 0;
    const char* digits = pending_.data() + 1;
    const auto [end, error] = std::from_chars(digits, pending_.data() + kHead, size);
    const bool is_known = std::string_view("tich").find(pending_.front()) != std::string_view::npos;
    if (!is_known || error != std::errc{} || end != pending_.data() + kHead || size > kMessageBytes)
        throw failure(Fault::data, "the shell's in is not what aloft shell writes; it is ended");
    if (pending_.size() < kHead + size)
        follow(file_, at_, [this](std::string_view more) { pending_ += more; });
    if (pending_.size() < kHead + size) return std::nullopt;
    Message message{static_cast<Message::Kind>(pending_.front()), pending_.substr(kHead, size)};
    pending_.erase(0, kHead + size);
    return message;
}

}  // namespace jobs::shell
