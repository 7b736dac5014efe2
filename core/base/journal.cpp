#include "core/base/journal.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "core/base/datagram.h"

namespace core {
namespace {

std::string path;           // of the journal's socket; empty: not asked for
std::atomic<pid_t> own{0};  // who asked; 0: it is about to end

bool is_stderr_the_journals() {
    const char* said = std::getenv("JOURNAL_STREAM");
    struct stat about {};
    return said && ::fstat(STDERR_FILENO, &about) == 0 &&
           fmt::format("{}:{}", about.st_dev, about.st_ino) == said;
}

// Up to the next space, which is passed over.
std::string_view next_word(std::string_view& line) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    return word;
}

// Behind "key=": plain, or quoted as Event::with does, which leaves no control character in it.
std::string next_value(std::string_view& line) {
    if (!line.starts_with('"')) return std::string(next_word(line));
    std::string value;
    std::size_t at = 1;
    for (; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\' && at + 1 < line.size() && (line[at + 1] == '"' || line[at + 1] == '\\')) ++at;
        value += line[at];
    }
    line.remove_prefix(std::min(line.size(), at + 2));
    return value;
}

int priority_of(std::string_view level) {
    return level == "error" ? 3 : level == "warning" ? 4 : 6;
}

std::string entry_of(std::string_view line) {
    next_word(line);  // the journal has a time of its own
    const std::string_view message = line, level = next_word(line), name = next_word(line);
    std::string entry = fmt::format("MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER={}\nALOFT_EVENT={}\n",
                                    message, priority_of(level), program_invocation_short_name, name);
    while (!line.empty()) {
        const std::string_view key = line.substr(0, line.find('='));
        line.remove_prefix(std::min(line.size(), key.size() + 1));
        entry += "ALOFT_";
        for (const unsigned char c : key) entry += std::isalnum(c) ? static_cast<char>(std::toupper(c)) : '_';
        entry += '=' + next_value(line) + '\n';
    }
    return entry;
}

}  // namespace

void log_to_journal(std::string socket) {
    path = std::move(socket);
    own = ::getpid();
}

void end_log_to_journal() noexcept {
    own = 0;
}

bool was_sent_to_journal(std::string& line) noexcept try {
    if (path.empty() || !is_stderr_the_journals()) return false;
    if (own == ::getpid() && send_datagram(path, entry_of(line), MSG_DONTWAIT)) return true;
    std::string_view rest = line;
    next_word(rest);
    line.insert(0, fmt::format("<{}>", priority_of(next_word(rest))));
    return false;
} catch (...) {
    return false;
}

}  // namespace core
