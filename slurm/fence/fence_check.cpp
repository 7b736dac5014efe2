#include "slurm/fence/fence_check.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

// What fence.bpf.c attaches, and as what the kernel shows it. What somebody else attached fences nobody.
struct Program {
    bpf_attach_type where;
    const char* name;
};
constexpr Program kPrograms[] = {
    {BPF_CGROUP_INET4_CONNECT, "fence_connect4"},  {BPF_CGROUP_INET6_CONNECT, "fence_connect6"},
    {BPF_CGROUP_UDP4_SENDMSG, "fence_sendmsg4"},   {BPF_CGROUP_UDP6_SENDMSG, "fence_sendmsg6"},
    {BPF_CGROUP_INET_SOCK_CREATE, "fence_socket"}, {BPF_CGROUP_INET_EGRESS, "fence_egress"},
    {BPF_CGROUP_INET_INGRESS, "fence_ingress"},
};
constexpr Program kEgress = kPrograms[5];
static_assert(kEgress.where == BPF_CGROUP_INET_EGRESS);

// The numbers of what is attached to this very cgroup. Throws Error(system) if the kernel does not say.
std::vector<std::uint32_t> attached(int cgroup_fd, bpf_attach_type where) {
    std::vector<std::uint32_t> programs(256);  // the kernel lets 64 be attached
    bpf_attr query{};
    query.query.target_fd = static_cast<std::uint32_t>(cgroup_fd);
    query.query.attach_type = where;
    query.query.prog_ids = reinterpret_cast<std::uint64_t>(programs.data());
    query.query.prog_cnt = static_cast<std::uint32_t>(programs.size());
    if (call(BPF_PROG_QUERY, query))
        throw core::Error(core::Fault::system,
                          core::with_errno("cannot ask for the fence's programs", errno));
    programs.resize(std::min<std::size_t>(query.query.prog_cnt, programs.size()));
    return programs;
}

struct Map {
    core::Fd fd;
    bpf_map_info about{};
};

// Those of a program that has this name; none of any other.
std::vector<Map> maps_of(std::uint32_t id, const char* name) {
    const core::Fd program = by_id(BPF_PROG_GET_FD_BY_ID, id);
    std::array<std::uint32_t, 8> numbers{};
    bpf_prog_info info{};
    info.nr_map_ids = numbers.size();
    info.map_ids = reinterpret_cast<std::uint64_t>(numbers.data());
    std::vector<Map> maps;
    if (!program.is_open() || !describe(program.get(), info) || std::strcmp(info.name, name) != 0)
        return maps;
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(info.nr_map_ids, numbers.size()); ++i) {
        Map map{by_id(BPF_MAP_GET_FD_BY_ID, numbers[i])};
        if (map.fd.is_open() && describe(map.fd.get(), map.about)) maps.push_back(std::move(map));
    }
    return maps;
}

// JOB, the first constant of fence.bpf.c: the id of the job's cgroup, which is its folder's inode number. 0: none.
std::uint64_t job_in(const std::vector<Map>& maps) {
    for (const Map& map : maps) {
        if (!std::string_view(map.about.name).ends_with(".rodata")) continue;
        core::Bytes value(map.about.value_size + 8);
        const std::uint32_t first = 0;
        bpf_attr attr{};
        attr.map_fd = static_cast<std::uint32_t>(map.fd.get());
        attr.key = reinterpret_cast<std::uint64_t>(&first);
        attr.value = reinterpret_cast<std::uint64_t>(value.data());
        std::uint64_t job = 0;
        if (call(BPF_MAP_LOOKUP_ELEM, attr) == 0) std::memcpy(&job, value.data(), sizeof job);
        return job;
    }
    return 0;
}

// The maps of the fence's program of that kind on this cgroup, loaded for the job whose cgroup this is a part of; empty if
// there is none.
std::vector<Map> maps_of_fence(int cgroup_fd, const Program& one) {
    struct stat job {};
    if (::fstatat(cgroup_fd, "..", &job, 0)) return {};
    for (const std::uint32_t id : attached(cgroup_fd, one.where))
        if (auto maps = maps_of(id, one.name); job_in(maps) == job.st_ino) return maps;
    return {};
}

// The map of that name that the fence's program for packets out uses; closed if there is none.
core::Fd map_of(int cgroup_fd, const char* name) {
    if (cgroup_fd < 0) return {};
    try {
        for (Map& map : maps_of_fence(cgroup_fd, kEgress))
            if (std::strcmp(map.about.name, name) == 0) return std::move(map.fd);
    } catch (const core::Error&) {  // what is no cgroup has no fence
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
    for (const Program& one : kPrograms)
        if (maps_of_fence(cgroup_fd, one).empty())
            throw core::Error(core::Fault::system, "the job's cgroup has no fence on it");
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
