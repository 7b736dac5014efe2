#include "slurm/fence/wall.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <sstream>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/judge.h"
#include "slurm/fence/nft.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr std::string_view kPrefix = "aloft_";

std::string table_of(std::uint32_t job) {
    return "ip " + std::string(kPrefix) + std::to_string(job);
}

// A job speaks no IPv6. A table of its own: in one for both, each packet is asked which of them it is.
std::string table6_of(std::uint32_t job) {
    return "ip6 " + std::string(kPrefix) + std::to_string(job);
}

fs::path mark_of(const core::Site& site, std::uint32_t job) {
    return JobFiles(site, job).folder / "wall";
}

// "{ 2 . 10.0.0.12, 3 . 10.0.0.12 }": interface and address of all peers of these kinds.
std::string places(const std::vector<Peer>& peers, std::initializer_list<int> kinds) {
    std::string list;
    for (const Peer& peer : peers) {
        if (std::find(kinds.begin(), kinds.end(), peer.kind) == kinds.end()) continue;
        for (const std::uint32_t interface : peer.interfaces)
            list += (list.empty() ? "" : ", ") + std::to_string(interface) + " . " + peer.address;
    }
    return list;
}

std::string addresses(const std::vector<Peer>& peers, int kind) {
    std::string list;
    for (const Peer& peer : peers)
        if (peer.kind == kind) list += (list.empty() ? "" : ", ") + peer.address;
    return list;
}

// Their addresses, by interface: a set with a key of four bytes is the fastest that the kernel has, and all
// fellows of a job are mostly behind one interface.
std::map<std::uint32_t, std::string> by_interface(const std::vector<Peer>& peers,
                                                  std::initializer_list<int> kinds) {
    std::map<std::uint32_t, std::string> lists;
    for (const Peer& peer : peers)
        if (std::find(kinds.begin(), kinds.end(), peer.kind) != kinds.end())
            for (const std::uint32_t interface : peer.interfaces) {
                std::string& list = lists[interface];
                list += (list.empty() ? "" : ", ") + peer.address;
            }
    return lists;
}

// What a packet's port must be so that it is open. Those below 1024 are closed, and hardly any other: comparing
// is faster than looking into a set.
std::string open_ports(const std::vector<std::uint8_t>& closed) {
    constexpr std::size_t kMostCompared = 4;
    std::uint32_t first = 0;
    while (first < 65536 && !is_open(closed.data(), static_cast<std::uint16_t>(first))) ++first;
    std::vector<std::string> others;
    for (std::uint32_t port = first; port < 65536; ++port)
        if (!is_open(closed.data(), static_cast<std::uint16_t>(port))) others.push_back(std::to_string(port));
    std::string match = "th dport >= " + std::to_string(first);
    if (others.size() > kMostCompared) return match + " th dport != @closed";
    for (const std::string& port : others) match += " th dport != " + port;
    return match;
}

std::string set_of(const std::string& name, const char* type, const std::string& elements) {
    // A set whose size is known is a plain hash table, or for ports a bitmap: a packet feels the difference.
    const auto size = 1 + std::count(elements.begin(), elements.end(), ',');
    return "  set " + name + " { " + type + "; size " + std::to_string(size) +
           (elements.empty() ? "" : "; elements = { " + elements + " }") + "; }\n";
}

// As nft wants it: below where cgroups are mounted, and how deep below cgroup v2's own root.
std::string match(const fs::path& cgroup) {
    const fs::path below = cgroup.lexically_relative("/sys/fs/cgroup"),
                   depth = cgroup.lexically_relative(cgroup_root());
    const std::string text = below.string();
    if (text.empty() || text.starts_with("..") || text.find_first_of("\"\\\n") != std::string::npos)
        throw Error(Fault::system, "not a cgroup that nft can match");
    return "socket cgroupv2 level " + std::to_string(std::distance(depth.begin(), depth.end())) + " \"" +
           text + "\"";
}

const char* chain_of(Part part) {
    return part == Part::batch ? "from_batch" : "from_step";
}

}  // namespace

std::string wall_table(const Policy& policy) {
    const std::string table = table_of(policy.job), table6 = table6_of(policy.job);
    const auto bits = closed_ports(policy);
    std::string closed;
    for (std::uint32_t port = 0; port < 65536; ++port)
        if (bits[port / 8] >> port % 8 & 1) closed += (closed.empty() ? "" : ", ") + std::to_string(port);
    const auto fellows = by_interface(policy.peers, {PEER_FELLOW}),
               peers = by_interface(policy.peers, {PEER_FELLOW, PEER_CONTROLLER});
    std::string sets, to_fellows, from_peers;
    for (const auto& [interface, list] : fellows) {
        const std::string number = std::to_string(interface), name = "fellows_" + number;
        sets += set_of(name, "type ipv4_addr", list);
        to_fellows += "    oif " + number + " ip daddr @" + name + " " + open_ports(bits) + " accept\n";
    }
    for (const auto& [interface, list] : peers) {
        const std::string number = std::to_string(interface), name = "peers_" + number;
        sets += set_of(name, "type ipv4_addr", list);
        from_peers += "    iif " + number + " ip saddr @" + name + " accept\n";
    }
    std::ostringstream out;
    out << "table " << table << "\ndelete table " << table << "\ntable " << table << " {\n"
        << sets
        << set_of("peers", "typeof oif . ip daddr", places(policy.peers, {PEER_FELLOW, PEER_CONTROLLER}))
        << set_of("own", "type ipv4_addr", addresses(policy.peers, PEER_SELF))
        << set_of("never", "type ipv4_addr", addresses(policy.peers, PEER_NEVER))
        << set_of("closed", "type inet_service", closed)
        // The mark tells a user's packet that comes back by the loopback interface, for `relayed`: where nobody
        // listens it is refused here, for when the kernel looks somebody may. Of what is no whole socket yet or any
        // more nft only says whether it is transparent; a call to such a one the fence has judged.
        // "root" by name: nft takes a number for a name first, and would ask a directory for an account called "0".
        << R"(  chain local {
    ip daddr @never counter drop
    ip daddr { 127.0.0.0, 127.255.255.255 } counter drop
    oif 1 meta skuid root ip daddr 127.0.0.0/8 accept
    oif 1 meta skuid root ip daddr @own accept
  }
  chain from_step {
    meta l4proto != { tcp, udp } counter drop
    jump local
    meta skuid root oif . ip daddr @peers accept
    th dport 53 drop
    oif 1 ip daddr 127.0.0.0/8 meta mark set 0xA10F7E58 accept
    oif 1 ip daddr @own meta mark set 0xA10F7E58 accept
    counter drop
  }
  chain from_batch {
    meta l4proto != { tcp, udp } counter drop
    jump local
    oif 1 ip daddr 127.0.0.0/8 accept
    oif 1 ip daddr @own accept
    oif . ip daddr @peers accept
    counter drop
  }
  chain ours { }
  chain relayed {
    jump ours
    socket wildcard 0 counter drop
    socket wildcard 1 counter drop
    socket transparent 0 accept
    socket transparent 1 accept
    meta l4proto tcp counter reject with tcp reset
    counter reject with icmp type port-unreachable
  }
  chain out {
    type filter hook output priority filter; policy accept;
)" << to_fellows
        << R"(  }
  chain in {
    type filter hook input priority filter; policy accept;
)" << from_peers
        << R"(    iif 1 meta mark 0xA10F7E58 goto relayed
    iif 1 accept
  }
}
)"
        << "table " << table6 << "\ndelete table " << table6 << "\ntable " << table6 << R"( {
  chain out { type filter hook output priority filter; policy accept; }
  chain in { type filter hook input priority filter; policy accept; iif 1 accept; }
}
)";
    return out.str();
}

std::string wall_rules(std::uint32_t job, const FencedPart& part) {
    const std::string rule = "add rule " + table_of(job) + " ", rule6 = "add rule " + table6_of(job) + " ",
                      of_part = match(part.first);
    return rule + "out " + of_part + " goto " + chain_of(part.second) + "\n" +  //
           rule + "in " + of_part + " counter drop\n" +                         //
           rule + "ours " + match(part.first.parent_path()) + " accept\n" +     //
           rule6 + "out " + of_part + " counter drop\n" +                       //
           rule6 + "in " + of_part + " counter drop\n";
}

void raise_wall(const core::Site& site, const Policy& policy, const std::vector<FencedPart>& parts) {
    std::string rules = wall_table(policy);
    for (const FencedPart& part : parts) rules += wall_rules(policy.job, part);
    core::write_atomically(mark_of(site, policy.job), "", 0600);  // first: what is begun must be found
    run_nft(rules, "put up the wall of a job");
}

void extend_wall(std::uint32_t job, const FencedPart& part) {
    run_nft(wall_rules(job, part), "put a cgroup behind the wall");
}

void take_wall_down(const core::Site& site, std::uint32_t job) {
    if (!fs::exists(mark_of(site, job))) return;
    std::string rules;
    for (const std::string& table : {table_of(job), table6_of(job)})
        rules += "table " + table + "\ndelete table " + table + "\n";
    run_nft(rules, "take down the wall of a job");
    fs::remove(mark_of(site, job));
}

void take_stray_walls_down(const core::Site& site) noexcept {
    try {
        if (!fs::exists(kNft)) return;
        std::istringstream tables(core::run_program({kNft, "list", "tables"}, "").output);
        for (std::string word, family, name; tables >> word >> family >> name;) {
            if (!family.starts_with("ip") || !name.starts_with(kPrefix)) continue;
            const std::string job = name.substr(kPrefix.size());
            if (job.find_first_not_of("0123456789") != std::string::npos ||
                fs::exists(site.run / "jobs" / job))
                continue;
            run_nft("delete table " + family + " " + name + "\n", "take down a wall");
        }
    } catch (const std::exception& e) {
        core::Event("warning", "wall_not_taken_down").with("text", e.what());
    }
}

}  // namespace slurm
