#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "slurm/decide/policy.h"
#include "slurm/decide/slurm_conf.h"

// What a session reaches by network: slurmctld, on its port, and nothing else.

namespace slurm {

struct Reach {
    std::vector<Peer> peers;               // the controllers, and this host's own addresses
    std::vector<std::uint8_t> closed;      // one bit per port (fence_bpf.h): all but slurmctld's
    std::vector<std::string> controllers;  // as slurm.conf names them
};

// What of this host's network that takes. Replaced in tests.
struct LoginNetwork {
    std::map<std::string, std::string> hosts;  // /etc/hosts, IPv4: name to address
    std::set<std::string> own;                 // this host's addresses
    // By which interface the kernel would send to an address.
    std::function<std::optional<std::uint32_t>(const std::string&)> interface_to;
};
LoginNetwork look_at_login_host();  // throws Error(system)

// Names are looked up in /etc/hosts only: the answer of a name service would open the fence. Throws
// Error(system) if a controller cannot be found, or is this host itself: then its loopback would have to be
// open to a session.
Reach reach_of(const SlurmConf& conf, const LoginNetwork& network);

// SlurmctldPort: "6817", or a range "6817-6820". Throws Error(usage).
std::vector<std::uint16_t> controller_ports(std::string_view text);

// Every port closed but these.
std::vector<std::uint8_t> all_closed_but(const std::vector<std::uint16_t>& ports);

}  // namespace slurm
