#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "jobs/service/limits.h"
#include "jobs/service/names.h"
#include "jobs/wire/caller.h"

namespace jobs {

using CallerId = std::uint64_t;

// What a server serves. All functions run on the server's one thread.
class Handler {
public:
    virtual ~Handler() = default;
    // One complete request line. The answer may come now or later, by Server::answer.
    virtual void on_request(CallerId caller, const Peer& peer, const std::string& line,
                            std::vector<core::Fd> descriptors) = 0;
    virtual void on_second() = 0;     // about once a second
    virtual void on_batch_end() = 0;  // after every round of requests, before the next wait
};

// Listens on a Unix socket with one epoll thread. Each caller may be as slow, silent or hostile as it likes:
// lines, descriptors, connections, requests and bytes per account and waiting time are limited, and nothing here
// blocks, not even where this host's name service hangs (names.h): only who issues a grant then keeps all waiting, for 2 s (grants.cpp). Descriptors are kept back for what aloftd itself must open: no number of callers takes them.
//
// Beside it lies a second socket, relay.sock, for aloft-relay: who connects there must be root, and says in a first
// line of its own who asks, on another host (to_json of Relayed). All limits are those of that caller.
class Server {
public:
    // Throws Error(system) if the sockets cannot be made.
    explicit Server(const std::filesystem::path& socket);
    ~Server();

    // Queues an answer; a caller that has gone is no error. The connection closes when it is sent.
    void answer(CallerId caller, const nlohmann::json& body, std::vector<core::Fd> descriptors = {});
    // Runs `ready` whenever `fd` is readable.
    void watch(int fd, std::function<void()> ready);
    // Until SIGTERM or SIGINT.
    void run(Handler& handler);

private:
    struct Caller {
        core::Fd socket;
        Peer peer;
        std::string input, output, line;  // line: the request, while who asks has no name yet
        std::vector<core::Fd> received, to_send;
        std::size_t sent = 0, counted = 0;  // counted: descriptors that it handed over, until it goes
        bool asked = false, answered = false;
        bool is_relay = false;   // whose caller has not been named yet
        std::int64_t since = 0;  // seconds; of connecting, or of the answer
    };
    // What an account holds of this process.
    struct Share {
        int connections = 0;
        std::size_t descriptors = 0;
    };
    enum class Door { callers, relays };
    void accept_callers(int listener, Door door);
    void hear_of_caller(CallerId id);
    void listen_again(bool on);
    std::size_t held() const;
    void read_from(CallerId id, Handler& handler);
    bool serve_named(CallerId id, Handler& handler);
    void serve_waiting(Handler& handler);
    void write_to(CallerId id);
    void drop(CallerId id);
    void drop_idle();

    std::filesystem::path path_, relay_path_;
    core::Fd listener_, relays_, epoll_, signals_, timer_;
    Names names_;
    std::set<CallerId> unnamed_;  // who have asked, and wait for it
    std::map<CallerId, Caller> callers_;
    std::map<uid_t, Share> shares_;
    TokenBuckets requests_, bytes_;
    std::size_t descriptor_limit_;  // callers and what they handed over, together
    bool is_listening_ = true;
    std::map<int, std::function<void()>> watched_;
    CallerId next_id_ = 1;
};

}  // namespace jobs
