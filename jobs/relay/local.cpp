#include "jobs/relay/local.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "core/base/error.h"
#include "core/base/event.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Fault;
using std::chrono::steady_clock;

namespace {

void wait_for(int socket, short events, Time until, int watched) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now()).count();
    if (left <= 0) throw Error(Fault::system, "the other end did not go on in time");
    std::array<pollfd, 2> entries{{{socket, events, 0}, {watched, POLLRDHUP, 0}}};
    const int ready =
        ::poll(entries.data(), entries.size(), static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
    if (ready < 0 && errno != EINTR) throw Error(Fault::system, core::with_errno("cannot wait", errno));
    if (ready > 0 && entries[1].revents) throw Error(Fault::system, "whoever asked is gone");
}

}  // namespace

Time after(std::chrono::seconds more) {
    return steady_clock::now() + more;
}

Time time_for(std::uint64_t bytes) {
    return after(std::chrono::seconds(60 + static_cast<std::int64_t>(bytes >> 20)));
}

Received receive_line(int socket, std::size_t limit_bytes, Time until, int watched) {
    Received out;
    std::array<char, 16 << 10> buffer;
    for (;;) {
        const ssize_t got = receive_some(socket, buffer.data(), buffer.size(), out.files);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            wait_for(socket, POLLIN, until, watched);
            continue;
        }
        if (got < 0 && errno == EPROTO) throw Error(Fault::usage, "too many files at a time");
        if (got <= 0) throw Error(Fault::system, "the other end went away");
        out.line.append(buffer.data(), static_cast<std::size_t>(got));
        const std::size_t end = out.line.find('\n');
        if (out.line.size() > limit_bytes) throw Error(Fault::usage, "the line is too long");
        if (end == std::string::npos) {
            if (steady_clock::now() >= until)
                throw Error(Fault::system, "the other end did not go on in time");
            continue;
        }
        if (end + 1 != out.line.size()) throw Error(Fault::usage, "more than one line was said");
        return out;
    }
}

void send_line(int socket, std::string_view line, const std::vector<core::Fd>& files, Time until) {
    std::vector<int> descriptors;
    for (const core::Fd& file : files) descriptors.push_back(file.get());
    while (!line.empty()) {
        const ssize_t sent = send_some(socket, line, descriptors);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            wait_for(socket, POLLOUT, until, -1);
            continue;
        }
        if (sent < 0) throw Error(Fault::system, core::with_errno("the other end went away", errno));
        descriptors.clear();  // they go with the first byte
        line.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string negative_answer(const Error& e) {
    return answer_of(e).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::shared_ptr<void> Slots::take(const std::string& whose) {
    const std::lock_guard lock(mutex_);
    int& count = taken_[whose];
    if (count >= limit_) return nullptr;
    ++count;
    return std::shared_ptr<void>(this, [this, whose](void*) {
        const std::lock_guard again(mutex_);
        if (--taken_[whose] == 0) taken_.erase(whose);
    });
}

bool LogLimit::may_log() {
    const std::lock_guard lock(mutex_);
    return rates_.take(0, 1, steady_ms());
}

void serve_each(int listener, int ended, int most, const std::function<void(core::Fd)>& serve) {
    static std::atomic<int> running{0};
    std::array<pollfd, 2> entries{{{listener, POLLIN, 0}, {ended, POLLIN, 0}}};
    for (;;) {
        if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR)
            throw Error(Fault::system, core::with_errno("cannot wait for callers", errno));
        if (entries[1].revents) return;
        core::Fd socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.is_open()) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) ::poll(&entries[1], 1, 100);
            continue;
        }
        if (running >= most) continue;
        try {
            ++running;
            std::thread([socket = std::move(socket), &serve]() mutable {
                try {
                    serve(std::move(socket));
                } catch (const std::exception& e) {
                    core::Event("error", "connection_failed").with("text", e.what());
                }
                --running;
            }).detach();
        } catch (const std::system_error&) {  // no thread for it now
            --running;
        }
    }
}

int connections_of(int descriptors, int most) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit)) return 1;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (::getrlimit(RLIMIT_NOFILE, &limit)) return 1;
    const auto files = static_cast<std::int64_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
    return static_cast<int>(std::clamp<std::int64_t>((files - 64) / descriptors, 1, most));
}

}  // namespace jobs
