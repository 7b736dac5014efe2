#include "core/base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {
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

struct Pipe {
    Fd read, write;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC)) throw Error(Fault::system, with_errno("cannot make a pipe", errno));
        read = Fd(ends[0]);
        write = Fd(ends[1]);
    }
};

}  // namespace

std::optional<Finished> finished_within(const std::vector<std::string>& words,
                                        std::chrono::milliseconds limit) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC)) return std::nullopt;
    const Fd reading(ends[0]);
    Fd writing(ends[1]);
    const pid_t child = start(words, writing.get());
    if (child < 0) return std::nullopt;
    writing = Fd();
    Finished finished;
    const bool complete = read_all(reading.get(), steady_clock::now() + limit, finished.output);
    if (!complete) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return std::nullopt;
    if (!complete) return std::nullopt;
    finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return finished;
}

std::optional<std::string> output_of(const std::vector<std::string>& words, std::chrono::milliseconds limit) {
    auto finished = finished_within(words, limit);
    if (!finished || finished->code != 0) return std::nullopt;
    return std::move(finished->output);
}

Finished run_program(const std::vector<std::string>& command, const std::string& input) {
    Pipe in, out, err;
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.read.get(), 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.write.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, err.write.get(), 2);
    pid_t child = 0;
    const int failed = ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed)
        throw Error(Fault::system,
                    with_errno("cannot run " + command[0] + "; is Slurm on this host?", failed));
    in.read = Fd();
    out.write = Fd();
    err.write = Fd();
    ::signal(SIGPIPE, SIG_IGN);
    std::size_t sent = 0;
    Finished finished;
    std::array<struct pollfd, 3> fds{
        {{in.write.get(), POLLOUT, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
    while (fds[1].fd >= 0 || fds[2].fd >= 0) {
        if (fds[0].fd >= 0 && sent == input.size()) {
            in.write = Fd();
            fds[0].fd = -1;
        }
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) break;
        if (fds[0].fd >= 0 && fds[0].revents) {
            const ssize_t count = ::write(fds[0].fd, input.data() + sent, input.size() - sent);
            sent = count > 0 ? sent + static_cast<std::size_t>(count) : input.size();
        }
        for (int i : {1, 2}) {
            auto& entry = fds[static_cast<std::size_t>(i)];
            if (entry.fd < 0 || !entry.revents) continue;
            char buffer[8192];
            const ssize_t count = ::read(entry.fd, buffer, sizeof buffer);
            if (count <= 0)
                entry.fd = -1;
            else
                (i == 1 ? finished.output : finished.errors).append(buffer, static_cast<std::size_t>(count));
        }
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return finished;
}

}  // namespace core
