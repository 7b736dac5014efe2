#include "slurm/node/boot.h"

#include <arpa/inet.h>

#include <set>
#include <sstream>
#include <string>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/nft.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

// Made first, so that it is there to be deleted.
constexpr std::string_view kNoTable = "table ip aloft_boot\ndelete table ip aloft_boot\n";

fs::path memory(const fs::path& state) {
    return state / "fellows";
}

std::set<std::string> remembered(const fs::path& state) {
    if (!fs::exists(memory(state))) return {};
    const std::string text = core::read_text(memory(state));
    std::istringstream lines(text);
    std::set<std::string> addresses;
    for (std::string line; std::getline(lines, line);) {
        in_addr address{};
        if (inet_pton(AF_INET, line.c_str(), &address) != 1)
            throw Error(Fault::data, memory(state).string() + " is damaged");
        addresses.insert(line);
    }
    if (!text.ends_with('\n')) throw Error(Fault::data, memory(state).string() + " is damaged");
    return addresses;
}

std::uint16_t slurmd_port(const fs::path& slurm_conf) {
    try {
        return load_slurm_conf(slurm_conf).slurmd_port;
    } catch (const Error&) {
        return SlurmConf{}.slurmd_port;
    }
}

void close_to(const std::set<std::string>& former, std::uint16_t slurmd_port) {
    std::ostringstream rules;
    rules << kNoTable
          << "table ip aloft_boot {\n  set former { type ipv4_addr; flags interval; elements = { ";
    for (const std::string& address : former) rules << address << ", ";
    // What cut_node (cut.bpf.c) says of a packet, on whatever interface there will be. A job speaks no IPv6.
    rules << R"(} }
  chain in {
    type filter hook prerouting priority raw; policy accept;
    iif 1 accept
    ip saddr != @former accept
    meta l4proto != { tcp, udp } accept
    ip frag-off & 0x1fff != 0 counter drop
    th dport < 1024 accept
    th dport )"
          << slurmd_port << R"( accept
    counter drop
  }
}
)";
    run_nft(rules.str(), "close this node before its network starts");
    core::Event("info", "closed_before_network").with("addresses", former.size());
}

}  // namespace

void remember_fellows(const Policy& policy, const fs::path& state) {
    std::set<std::string> all = remembered(state);
    const auto before = all.size();
    for (const Peer& peer : policy.peers)
        if (peer.kind == PEER_FELLOW) all.insert(peer.address);
    if (all.size() == before) return;
    std::string text;
    for (const std::string& address : all) text += address + "\n";
    core::make_directories(state, 0755);
    core::write_atomically(memory(state), text, 0600);
}

void close_before_network(const fs::path& slurm_conf, const fs::path& state, const fs::path& mark) {
    std::set<std::string> former;
    try {
        former = remembered(state);
    } catch (const std::exception& e) {  // a damaged file, or a disk that does not say
        core::Event("error", "closed_to_everybody").with("text", e.what());
        former = {"0.0.0.0/0"};
    }
    if (!former.empty()) close_to(former, slurmd_port(slurm_conf));
    mark_closed_at_boot(mark);
}

void end_closing_before_network() {
    if (fs::exists(kNft)) run_nft(std::string(kNoTable), "open this node after its agent has closed it");
}

}  // namespace slurm
