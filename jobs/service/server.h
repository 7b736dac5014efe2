#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/files.h"
#include "jobs/service/limits.h"

namespace jobs {

// Who is at the other end, as the kernel says (SO_PEERCRED at connect).
struct Peer {
    uid_t uid = 0;
    pid_t pid = 0;
    std::string account;  // of the uid; "uid:N" if it has no name
    std::string login;    // whom the kernel's audit knows to have logged in, if that is another; else ""
};

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
// blocks. Descriptors are kept back for what aloftd itself must open: no number of callers takes them.
class Server {
public:
    // Throws Error(system) if the socket cannot be made, or another process listens on it.
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
        std::string input, output;
        std::vector<core::Fd> received, to_send;
        std::size_t sent = 0, counted = 0;  // counted: descriptors that it handed over, until it goes
        bool asked = false, answered = false;
        std::int64_t since = 0;  // seconds; of connecting, or of the answer
    };
    // What an account holds of this process.
    struct Share {
        int connections = 0;
        std::size_t descriptors = 0;
    };
    void accept_callers();
    void listen_again(bool on);
    std::size_t held() const;
    void read_from(CallerId id, Handler& handler);
    void write_to(CallerId id);
    void drop(CallerId id);
    void drop_idle();

    std::filesystem::path path_;
    core::Fd listener_, epoll_, signals_, timer_;
    std::map<CallerId, Caller> callers_;
    std::map<uid_t, Share> shares_;
    Rates requests_, bytes_;
    std::size_t descriptor_limit_;  // callers and what they handed over, together
    bool is_listening_ = true;
    std::map<int, std::function<void()>> watched_;
    CallerId next_id_ = 1;
};

}  // namespace jobs
