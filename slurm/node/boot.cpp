#include "slurm/node/boot.h"

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

// An empty file would be a damaged one.
void write(const Fellows& all, const fs::path& state) {
    std::string text;
    for (const auto& [enclave, addresses] : all)
        for (const std::string& address : addresses)
            text.append(address).append(" ").append(enclave).append("\n");
    core::make_directories(state, 0755);
    if (!text.empty()) return core::write_atomically(memory_of_fellows(state), text, 0600);
    fs::remove(memory_of_fellows(state));
    core::sync_directory(state);
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
    Fellows all = remembered_fellows(state);
    const Fellows before = all;
    for (const Peer& peer : policy.peers)
        if (peer.kind == PEER_FELLOW) all[policy.enclave].insert(peer.address);
    if (all != before) write(all, state);
}

void forget_fellows(const std::string& enclave, const std::set<std::string>& addresses,
                    const fs::path& state) {
    Fellows all = remembered_fellows(state);
    for (const std::string& address : addresses)
        if (!all[enclave].erase(address))
            throw Error(Fault::usage, memory_of_fellows(state).string() + " has no line \"" + address + " " +
                                          enclave + "\"");
    write(all, state);
}

void close_before_network(const fs::path& slurm_conf, const fs::path& state, const fs::path& mark) {
    std::set<std::string> former;
    try {
        for (const auto& [enclave, addresses] : remembered_fellows(state))
            former.insert(addresses.begin(), addresses.end());
    } catch (const std::exception& e) {  // a damaged file, or a disk that does not say
        core::Event("error", "closed_to_everybody").with("text", e.what());
        former = {"0.0.0.0/0"};
    }
    if (!former.empty())
        close_to(former, slurmd_port(slurm_conf));
    else
        end_closing_before_network();  // what was there of fellows that root has taken out
    mark_closed_at_boot(mark);
}

void end_closing_before_network() {
    if (fs::exists(kNft)) run_nft(std::string(kNoTable), "open this node after its agent has closed it");
}

}  // namespace slurm
