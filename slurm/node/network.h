#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "slurm/decide/slurm_conf.h"

// What a node knows of its network without asking a name service: its interfaces, its routes, /etc/hosts, and
// the addresses that Slurm gives its nodes. Addresses are IPv4 in host order.

namespace slurm {

struct OwnAddress {
    std::uint32_t address = 0;
    std::uint8_t bits = 0;  // of its network
    std::uint32_t interface = 0;
    std::string name;  // of the interface
};

struct Route {
    std::uint32_t interface = 0;
    bool is_direct = false;  // without a gateway
};

// Replaced in tests.
struct NodeNetwork {
    std::vector<OwnAddress> own;  // loopback's too
    std::multimap<std::string, std::uint32_t> hosts;
    std::function<std::optional<Route>(std::uint32_t)> route;  // by which way the kernel would send
    // What Slurm has for a node: an address, or a name to look for in `hosts`.
    std::function<std::string(const std::string&)> slurm_address;
};

// This node's. NodeAddr is read from slurm.conf; of a node that has no line there the controller is asked.
// Throws Error(system).
NodeNetwork look_at_network(const SlurmConf& conf);

// The node's NodeAddr by the lines of slurm.conf, its name if its line has none; nothing without a line.
std::optional<std::string> configured_address(const SlurmConf& conf, const std::string& node);

// The lines of /etc/hosts that are IPv4.
std::multimap<std::string, std::uint32_t> parse_hosts(std::string_view text);

}  // namespace slurm
