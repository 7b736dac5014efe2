#include "slurm/fence/fence_check.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/base/files.h"

namespace slurm {
namespace {

long call(bpf_cmd command, bpf_attr& attr) {
    return ::syscall(SYS_bpf, command, &attr, sizeof attr);
}

core::Fd by_id(bpf_cmd command, std::uint32_t id) {
    bpf_attr attr{};
    attr.prog_id = id;  // the same place in the union as map_id
    return core::Fd(static_cast<int>(call(command, attr)));
}

template <class Info>
bool describe(int fd, Info& info) {
    bpf_attr attr{};
    attr.info.bpf_fd = static_cast<std::uint32_t>(fd);
    attr.info.info_len = sizeof info;
    attr.info.info = reinterpret_cast<std::uint64_t>(&info);
    return call(BPF_OBJ_GET_INFO_BY_FD, attr) == 0;
}

// The map of that name that the fence's program for packets out uses; closed if there is none.
core::Fd map_of(int cgroup_fd, const char* name) {
    std::array<std::uint32_t, 8> programs{};
    bpf_attr query{};
    query.query.target_fd = static_cast<std::uint32_t>(cgroup_fd);
    query.query.attach_type = BPF_CGROUP_INET_EGRESS;
    query.query.prog_ids = reinterpret_cast<std::uint64_t>(programs.data());
    query.query.prog_cnt = programs.size();
    if (cgroup_fd < 0 || call(BPF_PROG_QUERY, query) || query.query.prog_cnt == 0) return {};
    const core::Fd program = by_id(BPF_PROG_GET_FD_BY_ID, programs[0]);
    std::array<std::uint32_t, 8> maps{};
    bpf_prog_info info{};
    info.nr_map_ids = maps.size();
    info.map_ids = reinterpret_cast<std::uint64_t>(maps.data());
    if (!program.is_open() || !describe(program.get(), info)) return {};
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(info.nr_map_ids, maps.size()); ++i) {
        core::Fd map = by_id(BPF_MAP_GET_FD_BY_ID, maps[i]);
        bpf_map_info about{};
        if (map.is_open() && describe(map.get(), about) && std::strcmp(about.name, name) == 0) return map;
    }
    return {};
}

bool look_up(int map, const void* key, std::uint64_t& value) {
    bpf_attr attr{};
    attr.map_fd = static_cast<std::uint32_t>(map);
    attr.key = reinterpret_cast<std::uint64_t>(key);
    attr.value = reinterpret_cast<std::uint64_t>(&value);
    return call(BPF_MAP_LOOKUP_ELEM, attr) == 0;
}

// `key` null: the first one.
bool next_key(int map, const attempt* key, attempt& next) {
    bpf_attr attr{};
    attr.map_fd = static_cast<std::uint32_t>(map);
    attr.key = reinterpret_cast<std::uint64_t>(key);
    attr.next_key = reinterpret_cast<std::uint64_t>(&next);
    return call(BPF_MAP_GET_NEXT_KEY, attr) == 0;
}

std::string protocol_name(int protocol) {
    switch (protocol) {
        case IPPROTO_TCP:
            return "TCP";
        case IPPROTO_UDP:
            return "UDP";
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
            return "ICMP";
        case IPPROTO_SCTP:
            return "SCTP";
        case IPPROTO_MPTCP:
            return "MPTCP";
        default:
            return "protocol " + std::to_string(protocol);
    }
}

BlockedAttempt in_words(const attempt& key, std::uint64_t count) {
    if (key.kind == BLOCKED_SOCKET) {
        if (key.port == SOCK_RAW) return {"a raw socket", "", count};
        return {"a socket for " + protocol_name(key.protocol), "", count};
    }
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(key.family == 6 ? AF_INET6 : AF_INET, key.address, text, sizeof text);
    std::string to = text;
    if (key.family == 6) to.insert(0, 1, '[').push_back(']');
    return {protocol_name(key.protocol), to + ":" + std::to_string(key.port), count};
}

// The services that a library or a user most often means; all else is "other".
const char* service_of(std::uint16_t port) {
    switch (port) {
        case 22:
            return "ssh";
        case 25:
            return "smtp";
        case 80:
            return "http";
        case 123:
            return "ntp";
        case 443:
            return "https";
        default:
            return "other";
    }
}

template <class InWords>
std::vector<BlockedAttempt> read_attempts(int cgroup_fd, InWords in_words) {
    const core::Fd map = map_of(cgroup_fd, "attempts");
    std::vector<BlockedAttempt> found;
    attempt key{}, next{};
    // The map may change meanwhile, and a walk begins again where a key is gone: so no more than it can hold.
    for (bool more = map.is_open() && next_key(map.get(), nullptr, next); more && found.size() < 1024;
         more = next_key(map.get(), &key, next)) {
        key = next;
        if (std::uint64_t count = 0; look_up(map.get(), &key, count)) found.push_back(in_words(key, count));
    }
    return merged(found);
}

}  // namespace

void require_fence(int cgroup_fd) {
    for (const bpf_attach_type type :
         {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP4_SENDMSG,
          BPF_CGROUP_UDP6_SENDMSG, BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_EGRESS,
          BPF_CGROUP_INET_INGRESS}) {
        bpf_attr query{};
        query.query.target_fd = static_cast<std::uint32_t>(cgroup_fd);
        query.query.attach_type = type;
        if (call(BPF_PROG_QUERY, query))
            throw core::Error(core::Fault::system,
                              core::with_errno("cannot ask for the fence's programs", errno));
        if (query.query.prog_cnt == 0)
            throw core::Error(core::Fault::system, "the job's cgroup has no fence on it");
    }
}

std::vector<std::pair<std::string, std::uint64_t>> blocked_counts(int cgroup_fd) {
    static constexpr std::array<const char*, BLOCKED_KINDS> kNames = {
        "connect", "sendmsg", "socket", "packet_out", "packet_in", "local_relay"};
    const core::Fd map = map_of(cgroup_fd, "blocked");
    std::vector<std::pair<std::string, std::uint64_t>> counts;
    for (std::uint32_t kind = 0; map.is_open() && kind < kNames.size(); ++kind)
        if (std::uint64_t value = 0; look_up(map.get(), &kind, value) && value)
            counts.emplace_back(kNames[kind], rough_count(value));
    return counts;
}

std::string BlockedAttempt::text() const {
    return what + (to.empty() ? "" : " to " + to) +
           (count > 1 ? " (" + std::to_string(count) + " times)" : "");
}

std::vector<BlockedAttempt> merged(const std::vector<BlockedAttempt>& attempts) {
    std::vector<BlockedAttempt> found;
    for (const BlockedAttempt& one : attempts) {
        // The same, met on another way (connect, then a packet): one line.
        const auto same = std::find_if(found.begin(), found.end(), [&](const BlockedAttempt& other) {
            return other.what == one.what && other.to == one.to;
        });
        if (same == found.end())
            found.push_back(one);
        else
            same->count += one.count;
    }
    std::sort(found.begin(), found.end(), [](const BlockedAttempt& a, const BlockedAttempt& b) {
        return a.count != b.count ? a.count > b.count : a.what + a.to < b.what + b.to;
    });
    return found;
}

std::vector<BlockedAttempt> blocked_attempts(int cgroup_fd) {
    return read_attempts(cgroup_fd, in_words);
}

BlockedAttempt class_of(const attempt& key, std::uint64_t count) {
    const int protocol = key.protocol;
    const bool has_name = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP ||
                          protocol == IPPROTO_ICMPV6 || protocol == IPPROTO_SCTP || protocol == IPPROTO_MPTCP;
    const std::string name = has_name ? protocol_name(protocol) : "another protocol";
    if (key.kind == BLOCKED_SOCKET)
        return {key.port == SOCK_RAW ? "a raw socket" : "a socket for " + name, "", count};
    return {key.family == 6 ? name + " by IPv6" : name, service_of(key.port), count};
}

std::vector<BlockedAttempt> blocked_classes(int cgroup_fd) {
    std::vector<BlockedAttempt> classes = read_attempts(cgroup_fd, class_of);
    for (BlockedAttempt& one : classes) one.count = rough_count(one.count);
    std::sort(classes.begin(), classes.end(), [](const BlockedAttempt& a, const BlockedAttempt& b) {
        return a.what + "\n" + a.to < b.what + "\n" + b.to;  // their order by exact counts would be told too
    });
    return classes;
}

std::uint64_t rough_count(std::uint64_t count) {
    std::uint64_t rough = count ? 1 : 0;
    while (rough && rough < 1000 && rough * 10 <= count) rough *= 10;
    return rough;
}

}  // namespace slurm
