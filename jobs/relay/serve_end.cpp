#include <poll.h>
#include <sys/socket.h>

#include <fcntl.h>

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

constexpr int kConnections = 512, kConnectionsPerHost = 256, kWithFilesPerAccount = 1;

std::vector<core::VerifyKey> all_keys(const ServeRelay& settings) {
    std::vector<core::VerifyKey> out;
    for (const auto& [name, host] : settings.hosts) out.insert(out.end(), host.keys.begin(), host.keys.end());
    return out;
}

class ServeEnd {
public:
    explicit ServeEnd(const core::Site& site)
        : relay_socket_(site.socket.parent_path() / "relay.sock"),
          settings_(ServeRelay::load(site)),
          keys_(TlsKeys::Role::server, own_relay_key(site), all_keys(settings_)),
          spool_(settings_.spool) {
        spool_.prepare();
    }
    const Endpoint& listens_at() const { return settings_.listen; }
    const RelayCounts& counts() const { return counts_; }

    // Hostile bytes end this connection, and nothing else.
    void serve(core::Fd socket) {
        const std::string address = ready_connection(socket.get());
        if (!is_known(address)) return;  // before a byte of it is read
        const auto slot = connections_.take(address);
        if (!slot) return;
        std::string name;
        const OpenRequest open(counts_);
        try {
            TlsStream there(std::move(socket), keys_, after(10s));
            name = name_of_peer(there, address);
            answer(there, name);
            there.finish();
        } catch (const Error& e) {
            ++counts_.failed;
            if (log_.may_log())
                Event("warning", "relayed_connection_ended")
                    .with("host", name.empty() ? "unknown" : name)
                    .with("text", e.what());
        }
    }

private:
    bool is_known(const std::string& address) const {
        for (const auto& [name, host] : settings_.hosts)
            if (host.address == address) return true;
        return false;
    }

    std::string name_of_peer(const TlsStream& there, const std::string& address) const {
        const core::VerifyKey key = there.peer_key();
        for (const auto& [name, host] : settings_.hosts)
            for (const core::VerifyKey& one : host.keys)
                if (one.bytes == key.bytes) {
                    if (host.address == address) return name;
                    throw Error(Fault::refused, "a login host's key comes from another host's address");
                }
        throw Error(Fault::refused, "the key is no login host's");
    }

    void answer(TlsStream& there, const std::string& name) {
        there.allow(after(30s));
        const Head head = receive_head(there, kRequestLimitBytes);
        if (!head.caller) throw Error(Fault::usage, "a request does not say who asks");
        Received out;
        Turn turn = Turn::refused;
        try {
            out = ask_here(there, head, caller_of(*head.caller, name), turn);
        } catch (const Error& e) {
            if (turn == Turn::go_on && e.fault() == Fault::usage) throw;  // not what the head has announced
            ++counts_.failed;
            out.line = negative_answer(e);
            there.allow(after(10s));
        }
        if (turn == Turn::refused) send_turn(there, turn);
        send_body(there, send_head(there, std::nullopt, out.line, out.files), out.line, out.files);
    }

    // The login host says who asks; which host it is, and for whom it may speak, is known here.
    Relayed caller_of(Relayed said, const std::string& name) const {
        const RelayHost& host = settings_.hosts.at(name);
        if (said.kind != host.kind)
            throw Error(Fault::refused,
                        "host " + name + " is for " + std::string(name_of(host.kind)) +
                            " as aloftd's host has it, and for others as its own relay.toml says; tell "
                            "the admin");
        if (said.uid == 0) throw Error(Fault::refused, "root of another host is nobody here");
        said.host = name;
        said.enclaves = host.enclaves;
        return said;
    }

    Received ask_here(TlsStream& there, const Head& head, const Relayed& caller, Turn& turn) {
        std::shared_ptr<void> slot;
        if (!head.file_bytes.empty()) {
            slot = with_files_.take(std::to_string(caller.uid));
            if (!slot)
                throw Error(Fault::system,
                            "another request of this account still brings its files; try again");
            spool_.check_room(head.files());
        }
        send_turn(there, turn = Turn::go_on);
        there.allow(time_for(head.line_bytes + head.files()));
        const std::string request = receive_line(there, head);
        std::vector<core::Fd> files;
        for (const std::uint64_t bytes : head.file_bytes) files.push_back(spool_.receive(there, bytes));
        Received out = ask_aloftd(to_json(caller).dump() + "\n" + request, files, there.socket());
        std::uint64_t bytes = out.line.size();
        for (const core::Fd& file : out.files) {
            const auto end = ::lseek(file.get(), 0, SEEK_END);
            bytes += end > 0 ? static_cast<std::uint64_t>(end) : 0;
        }
        there.allow(time_for(bytes));
        return out;
    }

    Received ask_aloftd(const std::string& lines, const std::vector<core::Fd>& files, int there) {
        core::Fd aloftd;
        try {
            aloftd = connect_to(relay_socket_);
            counts_.is_cut_off = false;
        } catch (const Error&) {
            counts_.is_cut_off = true;
            throw Error(Fault::system,
                        "aloftd does not run on its host now, so nothing was asked; try again, or tell the "
                        "admin");
        }
        if (::fcntl(aloftd.get(), F_SETFL, O_NONBLOCK)) throw Error(Fault::system, "cannot wait for aloftd");
        send_line(aloftd.get(), lines, files, after(30s));
        try {
            return receive_line(aloftd.get(), kAnswerLimitBytes, after(std::chrono::seconds(kAnswerSeconds)),
                                there);
        } catch (const Error&) {
            throw Error(
                Fault::system,
                "aloftd went away before it answered; look whether the request was done, then ask again");
        }
    }

    const std::filesystem::path relay_socket_;
    const ServeRelay settings_;
    const TlsKeys keys_;
    const Spool spool_;
    Slots connections_{kConnectionsPerHost}, with_files_{kWithFilesPerAccount};
    LogLimit log_;
    RelayCounts counts_;
};

}  // namespace

void run_serve_end(const core::Site& site, int ended) {
    ServeEnd end(site);
    const RelayMetrics metrics(site, end.counts());
    const core::Fd listener = listen_by_tcp(end.listens_at());
    Event("info", "aloft_relay_serves").with("port", end.listens_at().port);
    serve_each(listener.get(), ended, connections_of(2 * kDescriptorLimit + 4, kConnections),
               [&](core::Fd socket) { end.serve(std::move(socket)); });
}

}  // namespace jobs
