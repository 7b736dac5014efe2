#include "jobs/service/server.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Fault;
using core::Fd;

namespace {

constexpr std::size_t kCallerLimit = 1024;
constexpr int kPerAccountLimit = 64;
constexpr std::size_t kDescriptorsPerAccount = 256;  // eight releases of 32 files at a time
constexpr std::size_t kDescriptorsKept = 128;        // ledger, databases, published files, copies
constexpr std::int64_t kIdleSeconds = 30;            // to send a request, or to take the answer
constexpr std::int64_t kForgottenSeconds = 3600;     // a request without an answer: its work failed
// Lines and bytes, an account and second; a page of `aloft` is one line. Before any of it is parsed.
constexpr double kRequestsPerSecond = 100, kRequestsAtOnce = 600;
constexpr double kBytesPerSecond = 2 << 20, kBytesAtOnce = 16 << 20;

// Ids of epoll entries that are no caller; callers count from 1 and stay below.
constexpr std::uint64_t kListener = ~0ull, kSignals = ~0ull - 1, kTimer = ~0ull - 2, kRelays = ~0ull - 3,
                        kWatched = 1ull << 62;
// Stands for the account of a caller whom the relay has not named yet.
constexpr uid_t kUnknown = static_cast<uid_t>(-1);
constexpr std::size_t kCallerLineLimitBytes = 16 << 10;

Fd owned(int fd, const char* doing) {
    if (fd < 0) throw Error(Fault::system, core::with_errno(doing, errno));
    return Fd(fd);
}

// As many descriptors as this process may have but for those kept back; half of them where it may have few.
std::size_t descriptors_for_callers() {
    struct rlimit limit {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (::getrlimit(RLIMIT_NOFILE, &limit)) return kDescriptorsKept;
    const std::size_t all = std::min<std::size_t>(limit.rlim_cur, 1 << 20);
    return all > 2 * kDescriptorsKept ? all - kDescriptorsKept : all / 2;
}

void add(int epoll, int fd, std::uint64_t id, std::uint32_t events) {
    struct epoll_event event {};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        throw Error(Fault::system, core::with_errno("cannot watch a descriptor", errno));
}

}  // namespace

Server::Server(const std::filesystem::path& path)
    : path_(path),
      relay_path_(path.parent_path() / "relay.sock"),
      names_(account_of),
      requests_(kRequestsPerSecond, kRequestsAtOnce),
      bytes_(kBytesPerSecond, kBytesAtOnce),
      descriptor_limit_(descriptors_for_callers()) {
    // The ledger's lock has shown that no other aloftd of this site runs: what is there is left over.
    for (const std::filesystem::path& left_over : {path_, relay_path_}) ::unlink(left_over.c_str());
    listener_ = listen_at(path_, 0666);
    relays_ = listen_at(relay_path_, 0600);
    epoll_ = owned(::epoll_create1(EPOLL_CLOEXEC), "cannot make an epoll");
    sigset_t mask;
    ::sigemptyset(&mask);
    ::sigaddset(&mask, SIGTERM);
    ::sigaddset(&mask, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
    signals_ = owned(::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC), "cannot watch signals");
    timer_ = owned(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "cannot make a timer");
    const struct itimerspec second {
        {1, 0}, { 1, 0 }
    };
    ::timerfd_settime(timer_.get(), 0, &second, nullptr);
    add(epoll_.get(), listener_.get(), kListener, EPOLLIN);
    add(epoll_.get(), relays_.get(), kRelays, EPOLLIN);
    add(epoll_.get(), signals_.get(), kSignals, EPOLLIN);
    add(epoll_.get(), timer_.get(), kTimer, EPOLLIN);
}

Server::~Server() {
    ::unlink(path_.c_str());
    ::unlink(relay_path_.c_str());
}

void Server::watch(int fd, std::function<void()> ready) {
    watched_[fd] = std::move(ready);
    add(epoll_.get(), fd, kWatched + static_cast<std::uint64_t>(fd), EPOLLIN);
}

void Server::run(Handler& handler) {
    watch(names_.fd(), [&] {
        names_.hear(steady_ms());
        serve_waiting(handler);
    });
    std::array<struct epoll_event, 256> events;
    for (;;) {
        const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
        if (count < 0 && errno != EINTR)
            throw Error(Fault::system, core::with_errno("cannot wait for callers", errno));
        bool stop = false;
        for (int i = 0; i < count; ++i) {
            const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
            const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
            if (id == kListener) {
                accept_callers(listener_.get(), Door::callers);
            } else if (id == kRelays) {
                accept_callers(relays_.get(), Door::relays);
            } else if (id == kSignals) {
                stop = true;
            } else if (id == kTimer) {
                std::uint64_t ticks;
                if (::read(timer_.get(), &ticks, sizeof ticks) > 0) {
                    drop_idle();
                    requests_.forget(steady_ms());
                    bytes_.forget(steady_ms());
                    listen_again(true);
                    handler.on_second();
                }
            } else if (id >= kWatched) {
                watched_.at(static_cast<int>(id - kWatched))();
            } else if (callers_.contains(id)) {
                if (what & (EPOLLERR | EPOLLHUP)) {
                    // Both directions are closed: nobody can take an answer.
                    drop(id);
                } else {
                    if (what & EPOLLIN) read_from(id, handler);
                    if ((what & EPOLLOUT) && callers_.contains(id)) write_to(id);
                }
            }
        }
        handler.on_batch_end();
        if (stop) return;
    }
}

std::size_t Server::held() const {
    std::size_t count = callers_.size();
    for (const auto& [uid, share] : shares_) count += share.descriptors;
    return count;
}

// While there is no room or no descriptor for one more caller, those in the queue wait there; the next second looks again.
void Server::listen_again(bool on) {
    if (on == is_listening_) return;
    is_listening_ = on;
    struct epoll_event event {};
    event.events = on ? static_cast<std::uint32_t>(EPOLLIN) : 0u;
    event.data.u64 = kListener;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
    event.data.u64 = kRelays;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, relays_.get(), &event);
}

void Server::accept_callers(int listener, Door door) {
    for (;;) {
        if (callers_.size() >= kCallerLimit || held() >= descriptor_limit_) return listen_again(false);
        Fd socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.is_open()) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
            return listen_again(
                false);  // EMFILE, ENFILE, ENOMEM: the queue stays readable, so do not ask at once
        }
        Peer peer;
        try {
            peer = peer_of(socket.get());
        } catch (const Error&) {
            continue;
        }
        const bool is_relay = door == Door::relays;
        if (is_relay && peer.uid != 0) continue;
        if (is_relay) peer.uid = kUnknown;
        const auto share = shares_.find(peer.uid);
        if (!is_relay && share != shares_.end() && share->second.connections >= kPerAccountLimit)
            continue;  // closed: this account has enough
        const CallerId id = next_id_++;
        add(epoll_.get(), socket.get(), id, EPOLLIN);
        ++shares_[peer.uid].connections;
        Caller& caller = callers_[id];
        caller.socket = std::move(socket);
        caller.peer = std::move(peer);
        caller.is_relay = is_relay;
        caller.since = core::now_seconds();
    }
}

// The relay's line, once it is whole: from here on the connection is that caller's.
void Server::hear_of_caller(CallerId id) {
    Caller& caller = callers_.at(id);
    const std::size_t newline = caller.input.find('\n');
    if (newline == std::string::npos) {
        if (caller.input.size() > kCallerLineLimitBytes) drop(id);
        return;
    }
    try {
        const Relayed relayed = relayed_of(nlohmann::json::parse(caller.input.substr(0, newline)));
        caller.input.erase(0, newline + 1);
        Share& unknown = shares_.at(kUnknown);
        unknown.descriptors -= caller.counted;
        if (--unknown.connections == 0) shares_.erase(kUnknown);
        caller.peer = {relayed.uid, 0, {}, relayed.login, false, relayed, {}};
        caller.is_relay = false;
        Share& share = shares_[relayed.uid];
        share.descriptors += caller.counted;
        if (++share.connections > kPerAccountLimit) drop(id);
    } catch (const std::exception&) {
        core::Event("warning", "relay_not_understood");
        drop(id);
    }
}

void Server::read_from(CallerId id, Handler& handler) {
    Caller& caller = callers_.at(id);
    char buffer[16 << 10];
    const std::size_t before = caller.received.size();
    const ssize_t got = receive_some(caller.socket.get(), buffer, sizeof buffer, caller.received);
    const std::size_t more = caller.received.size() - before;
    shares_.at(caller.peer.uid).descriptors += more;
    caller.counted += more;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || caller.asked) return drop(id);  // one request per connection; more is not spoken here
    caller.input.append(buffer, static_cast<std::size_t>(got));
    if (caller.is_relay) {
        hear_of_caller(id);
        if (!callers_.contains(id) || caller.is_relay) return;
    }
    if (shares_.at(caller.peer.uid).descriptors > kDescriptorsPerAccount || held() > descriptor_limit_)
        return drop(id);
    if (!bytes_.take(caller.peer.uid, static_cast<double>(got), steady_ms())) return drop(id);
    const std::size_t newline = caller.input.find('\n');
    if (newline == std::string::npos) {
        if (caller.input.size() > kRequestLimitBytes) drop(id);
        return;
    }
    caller.asked = true;
    caller.line = caller.input.substr(0, newline);
    caller.input.clear();
    if (!requests_.take(caller.peer.uid, 1, steady_ms()))
        return answer(id, {{"ok", false},
                           {"fault", static_cast<int>(Fault::system)},
                           {"error", "this account asks too much; wait a little and try again"}});
    if (!serve_named(id, handler)) unnamed_.insert(id);
}

// False while it is not known who asks.
bool Server::serve_named(CallerId id, Handler& handler) {
    Caller& caller = callers_.at(id);
    const auto state = names_.name(caller.peer, steady_ms());
    if (state == Names::Answer::State::asked) return false;
    if (state == Names::Answer::State::silent) {
        answer(id, answer_of(core::failure(
                       Fault::system,
                       "the name service of aloftd's host does not answer, so nobody can tell who "
                       "asks; try again in a while. Tell the admin")));
        return true;
    }
    std::vector<Fd> received = std::move(caller.received);
    caller.received.clear();
    handler.on_request(id, caller.peer, std::exchange(caller.line, {}), std::move(received));
    return true;
}

void Server::serve_waiting(Handler& handler) {
    for (const CallerId id : std::exchange(unnamed_, {}))
        if (callers_.contains(id) && !serve_named(id, handler)) unnamed_.insert(id);
}

void Server::answer(CallerId id, const nlohmann::json& body, std::vector<Fd> descriptors) {
    const auto found = callers_.find(id);
    if (found == callers_.end() || found->second.answered) return;
    Caller& caller = found->second;
    caller.answered = true;
    caller.output = body.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    if (caller.output.size() > kAnswerLimitBytes)
        caller.output =
            R"({"ok":false,"fault":4,"error":"the answer would be too large; ask for a part of it"})"
            "\n";
    caller.to_send = std::move(descriptors);
    caller.since = core::now_seconds();
    struct epoll_event event {};
    event.events = EPOLLIN | EPOLLOUT;
    event.data.u64 = id;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, caller.socket.get(), &event);
}

void Server::write_to(CallerId id) {
    Caller& caller = callers_.at(id);
    std::vector<int> descriptors;
    if (caller.sent == 0)
        for (const Fd& fd : caller.to_send) descriptors.push_back(fd.get());
    const ssize_t count =
        send_some(caller.socket.get(), std::string_view(caller.output).substr(caller.sent), descriptors);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count < 0) return drop(id);
    caller.sent += static_cast<std::size_t>(count);
    if (caller.sent == caller.output.size()) drop(id);
}

void Server::drop(CallerId id) {
    const auto found = callers_.find(id);
    if (found == callers_.end()) return;
    Share& share = shares_.at(found->second.peer.uid);
    share.descriptors -= found->second.counted;
    if (--share.connections == 0) shares_.erase(found->second.peer.uid);
    callers_.erase(found);  // closing the socket takes it out of the epoll
    listen_again(true);
}

// Callers whose request is with us (asked, not answered) are waiting for us, not idle; but not for ever.
void Server::drop_idle() {
    const std::int64_t now = core::now_seconds();
    std::vector<CallerId> idle;
    for (const auto& [id, caller] : callers_)
        if (now - caller.since > (caller.asked && !caller.answered ? kForgottenSeconds : kIdleSeconds))
            idle.push_back(id);
    for (const CallerId id : idle) drop(id);
}

}  // namespace jobs
