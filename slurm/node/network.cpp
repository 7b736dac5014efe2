#include "slurm/node/network.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <slurm/slurm.h>
#include <strings.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/hosts.h"
#include "core/policy/network.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

std::uint32_t ip4_of(const sockaddr* address) {
    return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
}

std::vector<OwnAddress> own_addresses() {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list)) throw Error(Fault::system, core::with_errno("cannot list interfaces", errno));
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
    std::vector<OwnAddress> found;
    for (const ifaddrs* one = list; one; one = one->ifa_next)
        if (one->ifa_addr && one->ifa_netmask && one->ifa_addr->sa_family == AF_INET) {
            std::string name = one->ifa_name;
            name.erase(std::min(name.find(':'), name.size()));  // an alias's label
            found.push_back({ip4_of(one->ifa_addr),
                             static_cast<std::uint8_t>(std::popcount(ip4_of(one->ifa_netmask))),
                             ::if_nametoindex(name.c_str()), name});
        }
    return found;
}

// One question to the kernel's routing table (rtnetlink(7)).
std::optional<Route> route_to(std::uint32_t address) {
    struct {
        nlmsghdr header;
        rtmsg route;
        rtattr attribute;
        std::uint32_t destination;
    } question{};
    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = RTM_GETROUTE;
    question.header.nlmsg_flags = NLM_F_REQUEST;
    question.route.rtm_family = AF_INET;
    question.route.rtm_dst_len = 32;
    question.attribute.rta_type = RTA_DST;
    question.attribute.rta_len = RTA_LENGTH(sizeof question.destination);
    question.destination = htonl(address);
    const core::Fd talk(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    alignas(nlmsghdr) std::array<char, 8192> answer{};
    ssize_t size = -1;
    if (!talk.is_open() || ::send(talk.get(), &question, sizeof question, 0) != sizeof question ||
        (size = ::recv(talk.get(), answer.data(), answer.size(), 0)) < 0)
        throw Error(Fault::system, core::with_errno("cannot ask the kernel for a route", errno));
    const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (!NLMSG_OK(header, static_cast<unsigned>(size)) || header->nlmsg_type != RTM_NEWROUTE)
        return std::nullopt;
    const auto* message = static_cast<const rtmsg*>(NLMSG_DATA(header));
    if (message->rtm_type != RTN_UNICAST && message->rtm_type != RTN_LOCAL) return std::nullopt;
    Route route;
    route.is_direct = true;
    auto left = static_cast<int>(RTM_PAYLOAD(header));
    for (const auto* one = RTM_RTA(message); RTA_OK(one, left); one = RTA_NEXT(one, left)) {
        if (one->rta_type == RTA_OIF) std::memcpy(&route.interface, RTA_DATA(one), sizeof route.interface);
        if (one->rta_type == RTA_GATEWAY || one->rta_type == RTA_VIA) route.is_direct = false;
    }
    return route;
}

std::string ask_controller(const std::string& node) {
    node_info_msg_t* answer = nullptr;
    std::string name = node;
    if (::slurm_load_node_single(&answer, name.data(), 0))
        throw Error(Fault::system,
                    "cannot learn the address of a node: slurm.conf here has no line of it, and "
                    "slurmctld does not answer");
    const std::unique_ptr<node_info_msg_t, decltype(&::slurm_free_node_info_msg)> owner(
        answer, ::slurm_free_node_info_msg);
    if (answer->record_count != 1 || !answer->node_array[0].node_addr)
        throw Error(Fault::system, "Slurm knows no address of a node of the job");
    return answer->node_array[0].node_addr;
}

}  // namespace

std::optional<std::string> configured_address(const SlurmConf& conf, const std::string& node) {
    for (const std::string& line : conf.node_lines) {
        std::istringstream words(line);
        std::vector<std::string> names, addresses;
        for (std::string word; words >> word;) {
            const auto equals = word.find('=');
            if (equals == std::string::npos) continue;
            const std::string key = word.substr(0, equals);
            if (::strcasecmp(key.c_str(), "NodeName") == 0)
                names = core::expand_hosts(word.substr(equals + 1));
            if (::strcasecmp(key.c_str(), "NodeAddr") == 0)
                addresses = core::expand_hosts(word.substr(equals + 1));
        }
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == node) {
                if (addresses.empty()) return node;
                if (addresses.size() != names.size())
                    throw Error(Fault::system,
                                "slurm.conf: a NodeName line has not as many addresses as names");
                return addresses[i];
            }
    }
    return std::nullopt;
}

std::multimap<std::string, std::uint32_t> parse_hosts(std::string_view text) {
    std::multimap<std::string, std::uint32_t> hosts;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        line.erase(std::min(line.find('#'), line.size()));
        std::istringstream words(line);
        std::string address, name;
        in_addr wire{};
        if (!(words >> address) || inet_pton(AF_INET, address.c_str(), &wire) != 1) continue;
        while (words >> name) hosts.emplace(name, ntohl(wire.s_addr));
    }
    return hosts;
}

NodeNetwork look_at_network(const SlurmConf& conf) {
    NodeNetwork network;
    network.own = own_addresses();
    network.hosts = parse_hosts(core::read_text("/etc/hosts", std::size_t{16} << 20));
    network.route = route_to;
    network.slurm_address = [&conf](const std::string& node) {
        const auto known = configured_address(conf, node);
        return known ? *known : ask_controller(node);
    };
    return network;
}

}  // namespace slurm
