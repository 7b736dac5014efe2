#include "slurm/session/reach.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/fence/fence_bpf.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

constexpr std::size_t kPortLimit = 64;

bool is_address(const std::string& text) {
    in_addr wire{};
    return ::inet_pton(AF_INET, text.c_str(), &wire) == 1;
}

std::string text_of(const sockaddr* address) {
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
    return text;
}

// {address of this host, index of its interface}.
std::multimap<std::string, std::uint32_t> own_interfaces() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list)) throw Error(Fault::system, core::with_errno("cannot list interfaces", errno));
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
    std::multimap<std::string, std::uint32_t> found;
    for (const ifaddrs* one = list; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
        std::string name = one->ifa_name;
        name.erase(std::min(name.find(':'), name.size()));  // an alias's label
        found.emplace(text_of(one->ifa_addr), ::if_nametoindex(name.c_str()));
    }
    return found;
}

// A datagram socket that is connected has sent nothing yet, and knows from where it would.
std::optional<std::uint32_t> interface_to(const std::string& address) {
    sockaddr_in to{}, from{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
    const core::Fd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socklen_t size = sizeof from;
    if (!probe.is_open() || ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) ||
        ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&from), &size))
        return std::nullopt;
    const auto own = own_interfaces();
    const auto [first, end] = own.equal_range(text_of(reinterpret_cast<const sockaddr*>(&from)));
    if (first == end || std::next(first) != end) return std::nullopt;  // nowhere, or on two interfaces
    return first->second;
}

std::map<std::string, std::string> read_hosts() {
    std::map<std::string, std::string> hosts;
    std::istringstream lines{core::read_text("/etc/hosts", std::size_t{16} << 20)};
    for (std::string line; std::getline(lines, line);) {
        line.erase(std::min(line.find('#'), line.size()));
        std::istringstream words(line);
        std::string address, name;
        if (!(words >> address) || !is_address(address)) continue;
        while (words >> name) hosts.emplace(name, address);
    }
    return hosts;
}

}  // namespace

LoginNetwork look_at_login_host() {
    LoginNetwork network;
    network.hosts = read_hosts();
    for (const auto& [address, interface] : own_interfaces()) network.own.insert(address);
    network.interface_to = interface_to;
    return network;
}

std::vector<std::uint16_t> controller_ports(std::string_view text) {
    const auto dash = text.find('-');
    const auto number = [&](std::string_view part) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
        if (error != std::errc{} || end != part.data() + part.size() || value < 1 || value > 65535)
            throw Error(Fault::usage, "slurm.conf: SlurmctldPort is not a port or a range of ports");
        return value;
    };
    const unsigned first = number(text.substr(0, dash));
    const unsigned last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
    if (last < first || last - first >= kPortLimit)
        throw Error(Fault::usage, "slurm.conf: SlurmctldPort is not a port or a range of ports");
    std::vector<std::uint16_t> ports;
    for (unsigned port = first; port <= last; ++port) ports.push_back(static_cast<std::uint16_t>(port));
    return ports;
}

std::vector<std::uint8_t> all_closed_but(const std::vector<std::uint16_t>& ports) {
    std::vector<std::uint8_t> closed(CLOSED_BYTES, 0xff);
    for (const std::uint16_t port : ports)
        closed[port >> 3] = static_cast<std::uint8_t>(closed[port >> 3] & ~(1u << (port & 7)));
    return closed;
}

Reach reach_of(const SlurmConf& conf, const LoginNetwork& network) {
    Reach reach;
    reach.closed = all_closed_but(controller_ports(conf.value("slurmctldport", "6817")));
    reach.controllers = conf.controllers;
    for (const std::string& address : network.own)
        if (!address.starts_with("127.")) reach.peers.push_back({address, PEER_SELF, {}});
    for (const std::string& controller : conf.controllers) {
        std::string address = controller;
        if (!is_address(address)) {
            const auto known = network.hosts.find(controller);
            if (known == network.hosts.end())
                throw Error(Fault::system,
                            "the address of slurmctld's host is not known here: give it as "
                            "SlurmctldHost=NAME(ADDRESS) in slurm.conf or in /etc/hosts");
            address = known->second;
        }
        if (address.starts_with("127.") || network.own.contains(address))
            throw Error(Fault::system,
                        "slurmctld runs on this host. A login host of an enclave must be another one");
        const auto interface = network.interface_to(address);
        if (!interface || *interface == 0 || *interface == LOOPBACK_INTERFACE)
            throw Error(Fault::system, "this host has no route to slurmctld's");
        // With every other port closed, a fellow's rule is what a controller needs to be for a session.
        reach.peers.push_back({address, PEER_FELLOW, {*interface}});
    }
    return reach;
}

}  // namespace slurm
