#include "slurm/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/files.h"

namespace slurm {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kLimitBytes = 1 << 20;

pid_t start(const std::vector<std::string>& words, int stdout_fd) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language = "LANG=C.UTF-8", conf = "SLURM_CONF=";
    if (const char* given = ::getenv("SLURM_CONF")) conf += given;
    char* environment[] = {path.data(), language.data(), conf.size() > 11 ? conf.data() : nullptr, nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, stdout_fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = -1;
    if (::posix_spawn(&child, argv[0], &files, nullptr, argv.data(), environment)) child = -1;
    posix_spawn_file_actions_destroy(&files);
    return child;
}

// True at the end of the output, false if there is too much of it or the time is up.
bool read_all(int fd, steady_clock::time_point end, std::string& text) {
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
        pollfd ready{fd, POLLIN, 0};
        if (left.count() <= 0) return false;
        if (::poll(&ready, 1, static_cast<int>(left.count())) < 0 && errno != EINTR) return false;
        if (!ready.revents) continue;
        char buffer[4096];
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got == 0) return true;
        if (got < 0 && errno != EINTR) return false;
        if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > kLimitBytes) return false;
    }
}

}  // namespace

std::optional<std::string> output_of(const std::vector<std::string>& words, std::chrono::milliseconds limit) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC)) return std::nullopt;
    const core::Fd reading(ends[0]);
    core::Fd writing(ends[1]);
    const pid_t child = start(words, writing.get());
    if (child < 0) return std::nullopt;
    writing = core::Fd();
    std::string text;
    const bool complete = read_all(reading.get(), steady_clock::now() + limit, text);
    if (!complete) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return std::nullopt;
    if (!complete || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return std::nullopt;
    return text;
}

}  // namespace slurm
