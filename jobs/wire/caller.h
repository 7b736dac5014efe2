#pragma once
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Who asks: what the kernel says of the other end of a Unix socket, and what a login host's relay says of a caller
// there (jobs/relay).

namespace jobs {

// Which login host somebody asks from: one where an enclave's accounts have their sessions, or one for everybody
// else. The words are those of relay.toml.
enum class HostKind { researchers, people };
std::string_view name_of(HostKind kind);
std::optional<HostKind> host_kind_of(std::string_view name);

// A caller on another host, as root's relay there has seen it.
struct Relayed {
    std::string host;  // the relay's name in relay.toml of aloftd's host
    HostKind kind = HostKind::people;
    std::vector<std::string> enclaves;  // whose accounts that host may speak for; none if for people
    uid_t uid = 0;
    std::string account;  // of the uid, on that host
    std::string login;    // as Peer::login
    std::vector<bool>
        in_workspace;  // of each file that comes along: lies on the workspaces' file system there
};
nlohmann::json to_json(const Relayed& relayed);
// Throws Error(usage) unless `json` holds exactly what to_json writes, each field of its type and a plain name
// where it is one.
Relayed relayed_of(const nlohmann::json& json);

// Who is at the other end, as the kernel says (SO_PEERCRED at connect).
struct Peer {
    uid_t uid = 0;
    pid_t pid = 0;            // 0: on another host
    std::string account;      // of the uid; "uid:N" if it has no name; see `name`
    std::string login;        // whom the kernel's audit knows to have logged in, if that is another; else ""
    bool in_session = false;  // is a process of aloft-session, on this host
    std::optional<Relayed> relayed;  // asks from another host
    std::optional<uid_t> login_uid;  // whose name `login` is
};

// The other end of a connected Unix socket, without the names of its numbers. Throws Error(system) if the kernel does not
// say.
Peer peer_of(int socket);

// "NAME", or "uid:N" if it has no name on this host. Throws Error(system) if the name service does not answer.
std::string account_of(uid_t uid);
// Gives the peer its names, as account_of.
void name_peer(Peer& peer);

// Whether a process in the cgroup that `cgroups` (a /proc/PID/cgroup) says is in a session of `uid`'s.
bool is_session_cgroup(std::string_view cgroups, uid_t uid);

}  // namespace jobs
