#include "jobs/slurm_client.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/base/error.h"
#include "core/base/files.h"

namespace jobs {

using core::Error;
using core::Fault;

namespace {

struct Pipe {
    core::Fd read, write;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC))
            throw Error(Fault::system, core::with_errno("cannot make a pipe", errno));
        read = core::Fd(ends[0]);
        write = core::Fd(ends[1]);
    }
};

}  // namespace

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
                    core::with_errno("cannot run " + command[0] + "; is Slurm on this host?", failed));
    in.read = core::Fd();
    out.write = core::Fd();
    err.write = core::Fd();
    ::signal(SIGPIPE, SIG_IGN);
    std::size_t sent = 0;
    Finished finished;
    std::array<struct pollfd, 3> fds{
        {{in.write.get(), POLLOUT, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
    while (fds[1].fd >= 0 || fds[2].fd >= 0) {
        if (fds[0].fd >= 0 && sent == input.size()) {
            in.write = core::Fd();
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

std::optional<nlohmann::json> find_job(std::int64_t job) {
    const Finished listed = run_program({"squeue", "--json"}, "");
    if (listed.code != 0) throw Error(Fault::system, "squeue failed: " + listed.errors.substr(0, 500));
    try {
        const auto all = nlohmann::json::parse(listed.output);
        for (const auto& one : all.at("jobs"))
            if (one.at("job_id").get<std::int64_t>() == job) return one;
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::system, "squeue --json prints something else than Slurm 22.05's JSON");
    }
    return std::nullopt;
}

}  // namespace jobs
