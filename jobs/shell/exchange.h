#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

// What the two ends of a shell write for each other, in a folder of the workspace: the only thing that a session
// and a job both see. Files are opened anew for each look, so that a file system which keeps attributes for a while
// (NFS: close-to-open) shows what the other end has written.

namespace jobs::shell {

// Of the folder: `in` has messages to the job, `out` what its program printed, `end` how it ended.
struct Message {
    enum class Kind : char { text = 't', interrupt = 'i', closed = 'c', here = 'h' } kind;
    std::string text;
};
inline constexpr std::size_t kMessageBytes = 32 << 10;  // of text, at most
inline constexpr std::size_t kAtOnce = 256 << 10;       // what is read before one looks about
inline constexpr std::uint64_t kOutputBytes = std::uint64_t{1}
                                              << 30;  // of `out`; what comes after is not kept

// A job's folder in `workspace`. `token` is drawn for each shell: Slurm begins its numbers again some day.
std::filesystem::path folder_of(const std::filesystem::path& workspace, const std::string& job,
                                const std::string& token);
std::string new_token();  // eight hexadecimal digits
bool is_token(const std::string& text);
// The newest folder of a job of this number, if there is one.
std::optional<std::filesystem::path> newest_folder(const std::filesystem::path& workspace,
                                                   const std::string& job);
// Removes the folders of shells that have ended while nobody was attached.
void remove_ended(const std::filesystem::path& workspace);

void append(const std::filesystem::path& file, std::string_view bytes);
void send(const std::filesystem::path& folder, const Message& message);

// What has come since the last call. Throws Error(data) if it is no message.
class Inbox {
public:
    explicit Inbox(std::filesystem::path folder) : file_(std::move(folder) / "in") {}
    std::optional<Message> next();

private:
    std::filesystem::path file_;
    std::uint64_t at_ = 0;
    std::string pending_;
};

// Hands on what `file` has beyond `at`, kAtOnce bytes at most; `at` moves along; true if there was something. A file that is shorter than
// that was begun anew, and is read from its beginning.
bool follow(const std::filesystem::path& file, std::uint64_t& at,
            const std::function<void(std::string_view)>& take);

// How long to wait for the other end: briefly while something happens, and longer and longer after that.
class Pace {
public:
    void moved() noexcept { wait_ = kShortest; }
    std::chrono::milliseconds next() noexcept {
        const auto now = wait_;
        wait_ = std::min(wait_ + wait_ / 8, kLongest);
        return now;
    }

private:
    static constexpr std::chrono::milliseconds kShortest{20}, kLongest{500};
    std::chrono::milliseconds wait_ = kShortest;
};

}  // namespace jobs::shell
