#include "staging/sandbox/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "core/base/error.h"
#include "staging/sandbox/descriptors.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

constexpr int kLookEvery_ms = 50, kEndsWithin_ms = 5000;
// A worker that waits (a dead file system, a stopped process) uses no processor time.
constexpr double kWallFactor = 10, kWallExtra_seconds = 60;

// Processor time of another process; nullopt once it is gone.
std::optional<double> cpu_seconds(pid_t pid) {
    clockid_t clock;
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return std::nullopt;
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

Region::Region(std::size_t bytes) : size_(bytes) {
    fd_ = core::Fd(::memfd_create("aloft-reader", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd_.is_open() || ::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0 ||
        ::fcntl(fd_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        throw Error(Fault::system, core::with_errno("cannot make shared memory for a reader", errno));
    map();
}

Region::Region(core::Fd fd, std::size_t bytes) : fd_(std::move(fd)), size_(bytes) {
    map();
}

void Region::map() {
    void* at = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (at == MAP_FAILED) throw Error(Fault::system, core::with_errno("cannot map a reader's memory", errno));
    data_ = static_cast<std::uint8_t*>(at);
}

Region::~Region() {
    if (data_) ::munmap(data_, size_);
}

void Region::release_bulk(std::size_t keep) noexcept {
    const std::size_t from = kMessageBytes + keep;  // both are whole pages
    if (from < size_)
        ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                    static_cast<off_t>(size_ - from));
}

Channel::Channel(const ForkServer& server, core::Bytes configuration, const Budget& budget)
    : server_(server),
      configuration_(std::move(configuration)),
      budget_(budget),
      region_(kMessageBytes + budget.bulk_bytes) {
    if (configuration_.size() > kMessageBytes)
        throw Error(Fault::bug, "a reader's configuration is too long");
    start();
}

Channel::~Channel() {
    kill();
}

void Channel::start() {
    if (server_.failed_)
        throw Error(Fault::system, std::string("the readers' fork server could not ") + server_.failed_);
    constexpr int kTries = 8;  // of those that somebody kills while they start
    for (int tries = 1;; ++tries) {
        const Ended ended = start_one();
        if (ended == Ended::answered) return;
        if (ended != Ended::killed || tries == kTries)
            throw Error(Fault::system,
                        "a reader ended while it entered its sandbox: seccomp or limits of this machine");
    }
}

Ended Channel::start_one() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        throw Error(Fault::system, core::with_errno("cannot make a socket pair", errno));
    socket_ = core::Fd(ends[0]);
    core::Fd theirs(ends[1]);
    const Start start{region_.size(), budget_.memory_bytes, 0};
    const int handed[] = {theirs.get(), region_.fd()};
    auto started = send_message(server_.control_.get(), start, handed)
                       ? receive_message<Started>(server_.control_.get())
                       : std::nullopt;
    if (!started || started->message.pid < 0 || !started->descriptors[0].is_open())
        throw Error(Fault::system, "cannot start a reader: its fork server is gone or out of processes");
    theirs = core::Fd();  // or the end of a reader that dies here would not be seen
    process_ = std::move(started->descriptors[0]);
    pid_ = started->message.pid;
    ++started_;

    std::copy(configuration_.begin(), configuration_.end(), region_.messages().begin());
    const Question configure{0, static_cast<std::uint32_t>(configuration_.size()), 0};
    if (send_message(socket_.get(), configure)) return wait().ended;
    const Ended ended = how_it_ended();
    kill();
    return ended;
}

void Channel::kill() noexcept {
    if (process_.is_open()) {
        ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
        // So that its memory is back before the next one starts. One that sleeps in the kernel (a dead file
        // system) does not end until that answers: it is left to the kernel.
        pollfd gone{process_.get(), POLLIN, 0};
        while (::poll(&gone, 1, kEndsWithin_ms) < 0 && errno == EINTR) {
        }
    }
    if (pid_ > 0) how_it_ended();  // so that no zombie stays
    socket_ = core::Fd();
    process_ = core::Fd();
    pid_ = -1;
}

// Asks its parent, the fork server: nobody else is told.
Ended Channel::how_it_ended() noexcept {
    const Start question{0, 0, std::exchange(pid_, -1)};
    if (!send_message(server_.control_.get(), question)) return Ended::died;
    const auto answer = receive_message<Started>(server_.control_.get());
    if (!answer || answer->message.pid != question.ended) return Ended::died;
    const int status = answer->message.status;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? Ended::killed : Ended::died;
}

Channel::Answer Channel::ask(std::uint32_t code, int file, std::uint64_t number) {
    if (!socket_.is_open()) start();
    const int handed[] = {file};
    const Question question{code, 0, number};
    if (!send_message(socket_.get(), question, {handed, file >= 0 ? 1U : 0U})) {
        const Ended ended = how_it_ended();  // since the last question
        kill();
        return {ended, 0};
    }
    return wait();
}

Channel::Answer Channel::wait() {
    const auto started = std::chrono::steady_clock::now();
    const auto cpu_before = cpu_seconds(pid_);
    for (;;) {
        pollfd answer{socket_.get(), POLLIN, 0};
        const int ready = ::poll(&answer, 1, kLookEvery_ms);
        if (ready > 0) {
            const auto reply = receive_message<Reply>(socket_.get());
            if (reply && reply->message.message_bytes <= kMessageBytes)
                return {Ended::answered, reply->message.message_bytes};
            const Ended ended = reply ? Ended::died : how_it_ended();
            kill();
            return {ended, 0};
        }
        const auto cpu = cpu_seconds(pid_);
        const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
        const bool spent = cpu && cpu_before && *cpu - *cpu_before > budget_.seconds;
        const bool stuck = wall.count() > kWallFactor * budget_.seconds + kWallExtra_seconds;
        if (spent || stuck) {
            kill();
            return {spent ? Ended::spent : Ended::stuck, 0};
        }
    }
}

}  // namespace staging
