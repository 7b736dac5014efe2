#include "jobs/wire/caller.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "core/base/accounts.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/policy/names.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; Debian 12's headers are older
#endif

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t kNameLimit = 64, kListLimit = 64;

// Whoever becomes root keeps the login uid of the kernel's audit (pam_loginuid): the person behind "root".
std::optional<uid_t> login_of(const struct ucred& who) {
    std::ifstream file("/proc/" + std::to_string(who.pid) + "/loginuid");
    uid_t login = 0;
    if (!(file >> login) || login == static_cast<uid_t>(-1) || login == who.uid) return std::nullopt;
    return login;
}

// What /proc says of a number may be of another process by now: it counts if the one that connected still lives.
bool is_in_session(int socket, const struct ucred& who) {
    int fd = -1;
    socklen_t size = sizeof fd;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size)) return false;
    const core::Fd process(fd);
    std::ifstream file("/proc/" + std::to_string(who.pid) + "/cgroup");
    const std::string cgroups{std::istreambuf_iterator<char>(file), {}};
    struct pollfd ended {
        process.get(), POLLIN, 0
    };
    return is_session_cgroup(cgroups, who.uid) && ::poll(&ended, 1, 0) == 0;
}

[[noreturn]] void refuse_form() {
    throw failure(Fault::usage,
                  "the relay's word for a caller is not of this version; are both of one release?");
}

std::string short_text(const json& value) {
    const auto text = value.get<std::string>();
    for (const char c : text)
        if (c <= ' ' || c > '~') refuse_form();
    if (text.size() > kNameLimit) refuse_form();
    return text;
}

}  // namespace

std::string_view name_of(HostKind kind) {
    return kind == HostKind::researchers ? "researchers" : "people";
}

std::optional<HostKind> host_kind_of(std::string_view name) {
    for (const HostKind kind : {HostKind::researchers, HostKind::people})
        if (name == name_of(kind)) return kind;
    return std::nullopt;
}

json to_json(const Relayed& relayed) {
    return {{"host", relayed.host},
            {"kind", name_of(relayed.kind)},
            {"enclaves", relayed.enclaves},
            {"uid", relayed.uid},
            {"account", relayed.account},
            {"login", relayed.login},
            {"in_workspace", relayed.in_workspace}};
}

Relayed relayed_of(const json& body) {
    try {
        if (!body.is_object() || body.size() != 7) refuse_form();
        Relayed out;
        out.host = short_text(body.at("host"));
        const auto kind = host_kind_of(short_text(body.at("kind")));
        if (!kind || (!out.host.empty() && !core::is_plain_name(out.host))) refuse_form();
        out.kind = *kind;
        const json &enclaves = body.at("enclaves"), &uid = body.at("uid"), &files = body.at("in_workspace");
        if (!enclaves.is_array() || enclaves.size() > kListLimit || !files.is_array() ||
            files.size() > kListLimit || !uid.is_number_unsigned())
            refuse_form();
        for (const json& one : enclaves) {
            out.enclaves.push_back(short_text(one));
            if (!core::is_plain_name(out.enclaves.back())) refuse_form();
        }
        const auto number = uid.get<std::uint64_t>();
        if (number >= static_cast<uid_t>(-1)) refuse_form();  // all ones is nobody
        out.uid = static_cast<uid_t>(number);
        out.account = short_text(body.at("account"));
        out.login = short_text(body.at("login"));
        for (const json& one : files) out.in_workspace.push_back(one.get<bool>());
        return out;
    } catch (const json::exception&) {
        refuse_form();
    }
}

std::string account_of(uid_t uid) {
    const auto account = core::account_numbered(uid);
    return account ? account->name : "uid:" + std::to_string(uid);
}

void name_peer(Peer& peer) {
    peer.account = account_of(peer.uid);
    if (peer.login_uid) peer.login = account_of(*peer.login_uid);
}

Peer peer_of(int socket) {
    struct ucred who {};
    socklen_t size = sizeof who;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size))
        throw failure(Fault::system, "the kernel does not say who is asking: {}", core::reason_of(errno));
    Peer peer;
    peer.uid = who.uid;
    peer.pid = who.pid;
    peer.login_uid = login_of(who);
    peer.in_session = is_in_session(socket, who);
    return peer;
}

// The fence's cgroups are version 2, whose line begins with "0::", and lie at its root: one of the same name
// below a folder that was handed to a user is not meant.
bool is_session_cgroup(std::string_view cgroups, uid_t uid) {
    const std::string wanted = "0::/aloft/session_" + std::to_string(uid) + "_";
    for (std::size_t at = 0; at < cgroups.size();) {
        const std::size_t end = std::min(cgroups.find('\n', at), cgroups.size());
        if (cgroups.substr(at, end - at).starts_with(wanted)) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace jobs
