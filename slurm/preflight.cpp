#include "slurm/preflight.h"

#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "slurm/confine.h"
#include "slurm/policy.h"
#include "slurm/slurm_conf.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

Check check(const std::string& what, bool good, const std::string& found, const std::string& advice,
            Verdict otherwise = Verdict::bad) {
    return {what, found, good ? "" : advice, good ? Verdict::good : otherwise};
}

// Ports from 1024 up on which something listens beyond 127.0.0.1: a job's other nodes can reach them.
std::string open_ports(std::uint16_t slurmd_port) {
    std::ifstream table("/proc/net/tcp");
    std::string line, ports;
    std::getline(table, line);
    while (std::getline(table, line)) {
        std::istringstream words(line);
        std::string number, local, remote, state;
        words >> number >> local >> remote >> state;
        if (state != "0A" || local.substr(6, 2) == "7F") continue;  // not listening, or loopback
        const auto port = std::stoul(local.substr(9), nullptr, 16);
        if (port >= 1024 && port != slurmd_port) ports += (ports.empty() ? "" : " ") + std::to_string(port);
    }
    return ports;
}

}  // namespace

std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf) {
    std::vector<Check> checks;
    utsname kernel{};
    ::uname(&kernel);
    const int abi = landlock_abi();
    checks.push_back(check(
        "kernel", abi >= kLandlockFloor,
        std::string(kernel.release) + ", Landlock ABI " + std::to_string(abi),
        "Linux 6.12 or later with Landlock enabled (Debian 12: linux-image-amd64 from bookworm-backports)"));
    const bool has_types = fs::exists("/sys/kernel/btf/vmlinux");
    checks.push_back(check("kernel types (BTF)", has_types, has_types ? "present" : "absent",
                           "a kernel with CONFIG_DEBUG_INFO_BTF"));
    const bool has_cgroup2 = fs::exists(cgroup_root() / "cgroup.procs");
    checks.push_back(check("cgroup v2", has_cgroup2,
                           !has_cgroup2        ? "absent"
                           : is_pure_cgroup2() ? "pure"
                                               : "beside v1 (hybrid)",
                           "mount cgroup2"));
    if (is_pure_cgroup2())
        checks.push_back(
            {"cgroup layout", "pure v2", "untested in this version: see PROMISE.md", Verdict::warning});
    try {
        const SlurmConf conf = load_slurm_conf(slurm_conf);
        checks.push_back(check("plugstack.conf", requires_fence(core::read_text(conf.plugstack)),
                               conf.plugstack.string(),
                               "add: required " ALOFT_PREFIX "/lib/slurm/aloft_fence.so"));
        const std::string ports = open_ports(conf.slurmd_port);
        checks.push_back(check(
            "services other nodes reach", ports.empty(), ports.empty() ? "none" : "tcp " + ports,
            "a job's other nodes reach these ports: none may relay (proxies, forwarders)", Verdict::warning));
    } catch (const core::Error& e) {
        checks.push_back({"slurm.conf", e.what(), "name it with --slurm-conf", Verdict::bad});
    }
    const bool has_plugin = fs::exists(ALOFT_PREFIX "/lib/slurm/aloft_fence.so");
    checks.push_back(check("fence plugin", has_plugin, has_plugin ? "installed" : "absent",
                           "cmake --install to " ALOFT_PREFIX));
    const bool has_key = fs::exists(site.config / "keys" / "node.key");
    checks.push_back(check("node key", has_key, has_key ? "present" : "absent", "aloft-node init"));
    const bool has_grant_key = fs::exists(site.config / "keys" / "grant.pub");
    checks.push_back(check("grants' public key", has_grant_key, has_grant_key ? "present" : "absent",
                           "copy aloftd's grant.pub here"));
    for (const core::Enclave& enclave : core::load_enclaves(site)) {
        if (!enclave.has_node(core::short_host_name())) continue;
        const bool sealed = fs::exists(site.config / "keys" / (enclave.name + ".enclave.key"));
        checks.push_back(check("key of enclave " + enclave.name, sealed, sealed ? "present" : "absent",
                               "copy the enclave's private key here (root, 0400)"));
    }
    if (fs::exists("/dev/infiniband"))
        checks.push_back({"InfiniBand", "present", "withheld from jobs: RDMA bypasses the packet rules",
                          Verdict::warning});
    return checks;
}

}  // namespace slurm
