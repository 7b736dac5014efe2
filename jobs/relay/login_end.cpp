#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>

#include "core/base/error.h"
#include "core/base/event.h"
#include "jobs/relay/ends.h"
#include "jobs/relay/local.h"
#include "jobs/relay/metrics.h"
#include "jobs/relay/tls.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Event;
using core::Fault;
using namespace std::chrono_literals;

namespace {

constexpr int kConnections = 256, kConnectionsPerAccount = 16, kWithFilesPerAccount = 1;
// A handshake costs a millisecond or so: an account has the like of what aloftd answers it.
constexpr double kRequestsPerSecond = 50, kRequestsAtOnce = 300;

core::Fd listen_alone(const std::filesystem::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) {
        try {
            connect_to(path);
        } catch (const Error&) {  // left over
            ::unlink(path.c_str());
        }
        if (::lstat(path.c_str(), &status) == 0)
            throw Error(Fault::refused,
                        path.string() +
                            ": somebody answers there already; on aloftd's own host the relay is "
                            "started with --serve");
    }
    core::make_directories(path.parent_path(), 0755);
    return listen_at(path, 0666);
}

class LoginEnd {
public:
    explicit LoginEnd(const core::Site& site)
        : site_(site),
          settings_(LoginRelay::load(site)),
          keys_(TlsKeys::Role::client, own_relay_key(site), settings_.aloftd_keys),
          spool_(settings_.spool) {
        spool_.prepare();
    }

    void serve(core::Fd socket) {
        Peer peer = peer_of(socket.get());
        const auto slot = connections_.take(std::to_string(peer.uid));
        if (!slot) return;  // closed: try again
        const OpenRequest open(counts_);
        try {
            const Received answer = carry(socket.get(), peer);
            send_line(socket.get(), answer.line, answer.files, after(30s));
        } catch (const Error& e) {
            ++counts_.failed;
            try {
                send_line(socket.get(), negative_answer(e), {}, after(10s));
            } catch (const Error&) {  // who asked is gone
            }
        }
    }

    const RelayCounts& counts() const { return counts_; }

private:
    Received carry(int socket, Peer& peer) {
        const Received request = receive_line(socket, kRequestLimitBytes, after(30s));
        if (peer.uid == 0)
            throw Error(Fault::refused,
                        "root of this host is nobody to aloftd, which runs on another one; ask from an "
                        "account of your own, or as root on aloftd's host");
        {
            const std::lock_guard lock(mutex_);
            if (!rates_.take(peer.uid, 1, steady_ms()))
                throw Error(Fault::system, "this account asks too much; wait a little and try again");
            rates_.forget(steady_ms());
        }
        name_peer(peer);  // may ask a directory, which is not for whoever asks too much
        std::shared_ptr<void> files;
        if (!request.files.empty() && !(files = with_files_.take(std::to_string(peer.uid))))
            throw Error(Fault::system,
                        "your request before this one still brings its files; ask again when it is done");
        return ask_there(socket, request, caller_of(peer, request.files));
    }

    Relayed caller_of(const Peer& peer, const std::vector<core::Fd>& files) const {
        Relayed out;
        out.kind = settings_.kind;
        out.uid = peer.uid;
        out.account = peer.account;
        out.login = peer.login;
        if (files.empty()) return out;
        struct stat place {};
        const bool is_known = ::stat(site_.workspaces.c_str(), &place) == 0;
        for (const core::Fd& file : files) {
            struct stat status {};
            const bool lies_there =
                is_known && ::fstat(file.get(), &status) == 0 && status.st_dev == place.st_dev;
            // No file system of an enclave account's own making is read here at all.
            if (!lies_there && settings_.kind == HostKind::researchers)
                throw Error(Fault::refused,
                            "a file does not lie in the workspace; only its files can be released");
            out.in_workspace.push_back(lies_there);
        }
        return out;
    }

    Received ask_there(int socket, const Received& request, const Relayed& caller) {
        const auto connection = connect();
        TlsStream& there = *connection;
        there.allow(after(30s), socket);
        const Head asked = send_head(there, caller, request.line, request.files);
        if (receive_turn(there) == Turn::go_on) {
            there.allow(time_for(asked.line_bytes + asked.files()), socket);
            send_body(there, asked, request.line, request.files);
            there.allow(after(std::chrono::seconds(kAnswerSeconds)), socket);
        }
        const Head head = receive_head(there, kAnswerLimitBytes);
        if (head.caller) throw Error(Fault::system, "the other relay asks instead of answering");
        there.allow(time_for(head.line_bytes + head.files()), socket);
        Received answer;
        answer.line = receive_line(there, head);
        if (!head.file_bytes.empty()) spool_.check_room(head.files());
        for (const std::uint64_t bytes : head.file_bytes)
            answer.files.push_back(spool_.receive(there, bytes));
        return answer;
    }

    std::unique_ptr<TlsStream> connect() {
        try {
            auto out =
                std::make_unique<TlsStream>(connect_by_tcp(settings_.aloftd, after(10s)), keys_, after(10s));
            if (counts_.is_cut_off.exchange(false)) Event("info", "aloftd_reached_again");
            return out;
        } catch (const Error& e) {
            if (!counts_.is_cut_off.exchange(true))
                Event("error", "aloftd_not_reached").with("text", e.what());
            throw Error(Fault::system,
                        "aloftd's host is not reached from this one now, so nothing was asked; try again, "
                        "or tell the admin");
        }
    }

    const core::Site& site_;
    const LoginRelay settings_;
    const TlsKeys keys_;
    const Spool spool_;
    Slots connections_{kConnectionsPerAccount}, with_files_{kWithFilesPerAccount};
    std::mutex mutex_;
    TokenBuckets rates_{kRequestsPerSecond, kRequestsAtOnce};
    RelayCounts counts_;
};

}  // namespace

void run_login_end(const core::Site& site, int ended) {
    LoginEnd end(site);
    const RelayMetrics metrics(site, end.counts());
    const core::Fd listener = listen_alone(site.socket);
    Event("info", "aloft_relay_ready").with("socket", site.socket.string());
    serve_each(listener.get(), ended, connections_of(2 * kDescriptorLimit + 4, kConnections),
               [&](core::Fd socket) { end.serve(std::move(socket)); });
    ::unlink(site.socket.c_str());
}

}  // namespace jobs
