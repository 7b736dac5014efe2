#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/mounts.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::advised;
using core::Error;
using core::required;

constexpr std::chrono::milliseconds kPatience{2000};

// Ports from 1024 up on which something listens beyond this host: a job's other nodes can reach them.
void add_open_ports(const char* table_file, std::uint16_t slurmd_port, std::set<unsigned long>& ports) {
    std::ifstream table(table_file);
    std::string line;
    std::getline(table, line);
    while (std::getline(table, line)) {
        std::istringstream words(line);
        std::string number, local, remote, state;
        words >> number >> local >> remote >> state;
        const auto colon = local.find(':');
        if (state != "0A" || colon == std::string::npos) continue;  // not listening
        const bool is_loopback = colon == 8 ? local.substr(6, 2) == "7F"
                                            : local.substr(0, colon) == "00000000000000000000000001000000";
        const auto port = std::stoul(local.substr(colon + 1), nullptr, 16);
        if (!is_loopback && port >= 1024 && port != slurmd_port) ports.insert(port);
    }
}

Check check_services(const std::string& slurm_conf) {
    std::uint16_t slurmd_port = 6818;
    try {
        slurmd_port = load_slurm_conf(slurm_conf).slurmd_port;
    } catch (const Error&) {  // the node layer says so
    }
    std::set<unsigned long> ports;
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) add_open_ports(table, slurmd_port, ports);
    std::string found;
    for (const auto port : ports) found += (found.empty() ? "tcp " : " ") + std::to_string(port);
    return advised("services other nodes reach", ports.empty(), ports.empty() ? "none" : found,
                   "a job's other nodes reach these ports: none may relay (proxies, forwarders)");
}

bool has_default_route() {
    std::ifstream four("/proc/net/route");
    for (std::string line; std::getline(four, line);) {
        std::istringstream words(line);
        std::string interface, destination;
        words >> interface >> destination;
        if (destination == "00000000") return true;
    }
    std::ifstream six("/proc/net/ipv6_route");
    for (std::string line; std::getline(six, line);) {
        const std::string interface = line.substr(line.find_last_of(' ') + 1);
        if (line.starts_with(std::string(32, '0') + " 00 ") && interface != "lo") return true;
    }
    return false;
}

Check check_route() {
    const bool has = has_default_route();
    return advised("default route", !has, has ? "present" : "none",
                   "packets of this node can be routed out of the site: its firewall must refuse them, or "
                   "take the route away");
}

Check check_firewall() {
    std::string found = "neither nft nor iptables is here";
    bool drops = false;
    if (const auto rules = core::output_of({"/usr/sbin/nft", "-j", "list", "ruleset"}, kPatience)) {
        drops = drops_output(*rules);
        found = drops ? "nftables: output is dropped unless allowed" : "nftables: output is not filtered";
    }
    if (!drops)
        if (const auto rules = core::output_of({"/usr/sbin/iptables", "-S", "OUTPUT"}, kPatience)) {
            drops = rules->find("-P OUTPUT DROP") != std::string::npos;
            found = drops ? "iptables: output is dropped unless allowed" : "iptables: output is not filtered";
        }
    return advised(
        "host firewall", drops, found,
        "let this host's own firewall, or the site's, allow what the node needs and drop the rest: "
        "the second layer, should the fence fail");
}

Check check_infiniband() {
    std::vector<std::string> pkeys;
    std::error_code none;
    for (const auto& device : fs::directory_iterator("/sys/class/infiniband", none))
        for (const auto& port : fs::directory_iterator(device.path() / "ports", none))
            for (const auto& entry : fs::directory_iterator(port.path() / "pkeys", none)) {
                std::ifstream file(entry.path());
                std::string pkey;
                if (file >> pkey && pkey != "0x0000") pkeys.push_back(pkey);
            }
    std::string found;
    for (const std::string& pkey : pkeys) found += (found.empty() ? "P_Keys " : " ") + pkey;
    return advised("InfiniBand", pkeys.empty() || has_own_partition(pkeys), pkeys.empty() ? "none" : found,
                   "only the default partition: any node on the fabric is reachable by RDMA, which passes no "
                   "filter of this host. The devices are withheld from jobs; set a P_Key per enclave");
}

Check check_mount(const std::string& what, const fs::path& path) {
    if (!fs::is_directory(path)) return required(what, false, path.string() + " is absent", "mount it here");
    const core::Mount mount = core::mount_of("/proc/self/mountinfo", path);
    const bool trusts_hosts =
        mount.type.starts_with("nfs") && mount.options.find("sec=krb5p") == std::string::npos;
    return advised(what, !trusts_hosts, mount.type + (trusts_hosts ? " without sec=krb5p" : ""),
                   "whoever has an address on that network reads and forges what is on it: sec=krb5p, or a "
                   "network for these hosts alone");
}

}  // namespace

std::vector<Check> check_site(const core::Site& site, const std::string& slurm_conf) {
    return {check_services(slurm_conf),
            check_route(),
            check_firewall(),
            check_infiniband(),
            check_mount("datasets", site.datasets),
            check_mount("workspaces", site.workspaces),
            check_mount("published", site.published),
            check_mount("spool", site.spool)};
}

bool drops_output(const std::string& ruleset) {
    const auto json = nlohmann::json::parse(ruleset, nullptr, false);
    if (!json.is_object() || !json.contains("nftables") || !json.at("nftables").is_array()) return false;
    for (const auto& one : json.at("nftables")) {
        if (!one.is_object() || !one.contains("chain") || !one.at("chain").is_object()) continue;
        const auto& chain = one.at("chain");
        if (chain.value("hook", "") == "output" && chain.value("policy", "") == "drop") return true;
    }
    return false;
}

bool has_own_partition(const std::vector<std::string>& pkeys) {
    for (const std::string& pkey : pkeys)
        if (pkey != "0xffff" && pkey != "0x7fff") return true;
    return false;
}

}  // namespace slurm
