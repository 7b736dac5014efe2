#include "staging/source/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <chrono>

#include "core/base/error.h"
#include "staging/source/descriptors.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

// Beside the file, what it inflates to and the shared memory (which is mapped already): elements, codecs.
constexpr std::uint64_t kWorkingMemory = 96 << 20;
constexpr int kLookEvery_ms = 50;
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

void Region::release_pixels(std::size_t keep) noexcept {
    const std::size_t from = kMessageBytes + keep;  // both are whole pages
    if (from < size_)
        ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                    static_cast<off_t>(size_ - from));
}

Channel::Channel(const ForkServer& server, const Wanted& wanted, const Limits& limits)
    : server_(server),
      wanted_(wanted),
      limits_(limits),
      region_(kMessageBytes + (wanted.is_table() ? 0 : limits.pixel_bytes)) {
    start();
}

Channel::~Channel() {
    kill();
}

void Channel::start() {
    if (server_.failed_)
        throw Error(Fault::system, std::string("the readers' fork server could not ") + server_.failed_);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        throw Error(Fault::system, core::with_errno("cannot make a socket pair", errno));
    socket_ = core::Fd(ends[0]);
    const core::Fd theirs(ends[1]);
    const Start start{region_.size(), (wanted_.is_table() ? 4 * limits_.row_bytes
                                                          : limits_.file_bytes + limits_.inflated_bytes) +
                                          kWorkingMemory};
    const int handed[] = {theirs.get(), region_.fd()};
    auto started = send_message(server_.control_.get(), start, handed)
                       ? receive_message<Started>(server_.control_.get())
                       : std::nullopt;
    if (!started || started->message.pid < 0 || !started->descriptors[0].is_open())
        throw Error(Fault::system, "cannot start a reader: its fork server is gone or out of processes");
    process_ = std::move(started->descriptors[0]);
    pid_ = started->message.pid;
    ++started_;

    Packer message(region_.messages());
    pack(message, wanted_, limits_);
    const Request request{Ask::configure, static_cast<std::uint32_t>(message.size()), 0};
    if (!send_message(socket_.get(), request) || wait().reason != Reason::none)
        throw Error(Fault::system,
                    "a reader ended while it entered its sandbox: seccomp or limits of this machine");
}

void Channel::kill() noexcept {
    if (process_.is_open()) {
        ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0);
        pollfd gone{process_.get(), POLLIN, 0};  // so that its memory is back before the next one starts
        while (::poll(&gone, 1, -1) < 0 && errno == EINTR) {
        }
    }
    socket_ = core::Fd();
    process_ = core::Fd();
    pid_ = -1;
}

Channel::Answer Channel::ask(Ask what, int file, std::uint64_t file_bytes) {
    if (!socket_.is_open()) start();
    const int handed[] = {file};
    const Request request{what, 0, file_bytes};
    if (!send_message(socket_.get(), request, {handed, file >= 0 ? 1U : 0U})) {
        kill();
        return {Reason::worker_died, 0};
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
                return {Reason::none, reply->message.message_bytes};
            kill();
            return {Reason::worker_died, 0};
        }
        const auto cpu = cpu_seconds(pid_);
        const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
        const bool spent = cpu && cpu_before && *cpu - *cpu_before > limits_.seconds;
        if (spent || wall.count() > kWallFactor * limits_.seconds + kWallExtra_seconds) {
            kill();
            return {Reason::time_limit, 0};
        }
    }
}

}  // namespace staging
