#include "slurm/node/peers.h"

#include <arpa/inet.h>

#include <algorithm>

#include "core/base/error.h"
#include "slurm/fence/fence_bpf.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

bool is_loopback(std::uint32_t address) {
    return address >> 24 == 127;
}

std::uint32_t host_bits(std::uint8_t bits) {
    return bits >= 32 ? 0 : ~std::uint32_t{0} >> bits;
}

bool is_on_network_of(const OwnAddress& own, std::uint32_t address) {
    return (own.address | host_bits(own.bits)) == (address | host_bits(own.bits));
}

// An address as written, or those of a name in /etc/hosts.
std::vector<std::uint32_t> resolve(const std::string& text, const NodeNetwork& network) {
    in_addr wire{};
    if (inet_pton(AF_INET, text.c_str(), &wire) == 1) return {ntohl(wire.s_addr)};
    std::vector<std::uint32_t> found;
    for (auto [one, end] = network.hosts.equal_range(text); one != end; ++one) found.push_back(one->second);
    if (found.empty())
        throw Error(
            Fault::system,
            "the address of " + text +
                " is not known here: give it as NodeAddr or SlurmctldHost=NAME(ADDRESS) in slurm.conf, "
                "in the enclave's policy ([addresses]) or in /etc/hosts; name services are not asked");
    return found;
}

class Finder {
public:
    Finder(const core::Enclave& enclave, const NodeNetwork& network) : enclave_(enclave), network_(network) {}

    Peer controller(std::uint32_t address) const {
        return {core::ip4_text(address), PEER_CONTROLLER, {route(address, "the controller").interface}};
    }

    Peer fellow(const std::string& node, std::uint32_t address) const {
        if (is_loopback(address) || is_own(address))
            throw Error(Fault::system, "the address of fellow node " + node + " is this node's own");
        if (!enclave_.has_address(address))
            throw Error(Fault::system, "the address of " + node + " is in none of the networks of enclave " +
                                           enclave_.name + "'s policy");
        const Route way = route(address, node);
        if (enclave_.networks.empty() && !way.is_direct)
            throw Error(Fault::system, node +
                                           " is not on a network of this node. If it is reached by a router, "
                                           "name `networks` in the policy of enclave " +
                                           enclave_.name);
        return {core::ip4_text(address), PEER_FELLOW, interfaces(way.interface, node, address)};
    }

    bool is_own(std::uint32_t address) const {
        return std::any_of(network_.own.begin(), network_.own.end(),
                           [&](const OwnAddress& own) { return own.address == address; });
    }

private:
    Route route(std::uint32_t address, const std::string& whose) const {
        const auto found = network_.route(address);
        if (!found || found->interface == 0 || found->interface == LOOPBACK_INTERFACE)
            throw Error(Fault::system, "this node has no route to " + whose);
        return *found;
    }

    bool is_named(std::uint32_t interface) const {
        return std::any_of(network_.own.begin(), network_.own.end(),
                           [&](const OwnAddress& own) { return own.interface == interface && names(own); });
    }

    bool names(const OwnAddress& own) const {
        const auto& list = enclave_.interfaces;
        return std::find(list.begin(), list.end(), own.name) != list.end();
    }

    std::vector<std::uint32_t> interfaces(std::uint32_t first, const std::string& node,
                                          std::uint32_t address) const {
        if (!enclave_.interfaces.empty() && !is_named(first))
            throw Error(Fault::system, "the route to " + node + " is by none of the interfaces of enclave " +
                                           enclave_.name + "'s policy");
        std::vector<std::uint32_t> found{first};
        for (const OwnAddress& own : network_.own)
            if (names(own) && is_on_network_of(own, address) &&
                std::find(found.begin(), found.end(), own.interface) == found.end())
                found.push_back(own.interface);
        return found;
    }

    const core::Enclave& enclave_;
    const NodeNetwork& network_;
};

void add_own(std::vector<Peer>& peers, const NodeNetwork& network) {
    for (const OwnAddress& own : network.own)
        if (!is_loopback(own.address)) peers.push_back({core::ip4_text(own.address), PEER_SELF, {}});
    for (const OwnAddress& own : network.own) {
        if (own.bits > 30) continue;  // RFC 3021: no broadcast
        const std::uint32_t last = own.address | host_bits(own.bits);
        for (const std::uint32_t never : {last & ~host_bits(own.bits), last})
            if (never != own.address) peers.push_back({core::ip4_text(never), PEER_NEVER, {}});
    }
}

}  // namespace

std::vector<std::uint32_t> addresses_of(const std::string& node, const core::Enclave& enclave,
                                        const NodeNetwork& network) {
    const auto by_policy = enclave.addresses.find(node);
    return by_policy != enclave.addresses.end() ? by_policy->second
                                                : resolve(network.slurm_address(node), network);
}

std::vector<Peer> peers_of(const Job& job, const SlurmConf& conf, const core::Enclave& enclave,
                           std::string_view host, const NodeNetwork& network) {
    const Finder find(enclave, network);
    std::vector<Peer> peers;
    for (const std::string& controller : conf.controllers)
        for (const std::uint32_t address : resolve(controller, network))
            if (!find.is_own(address)) peers.push_back(find.controller(address));
    for (const std::string& node : job.nodes) {
        if (node == host) continue;
        for (const std::uint32_t address : addresses_of(node, enclave, network))
            peers.push_back(find.fellow(node, address));
    }
    add_own(peers, network);  // last: what is this node's is nobody else's
    return peers;
}

}  // namespace slurm
