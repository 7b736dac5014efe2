#include "slurm/fence/gate.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>

#include "core/base/error.h"
#include "core/base/files.h"
#include "gate.skel.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/ingress.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using core::with_errno;

struct Destroy {
    void operator()(gate* skeleton) const noexcept { gate__destroy(skeleton); }
};

std::filesystem::path owner_file(const core::Site& site) {
    return site.run / "gate";
}

// The job whose gate is up; 0 if there is none.
std::uint32_t owner(const core::Site& site) {
    std::uint32_t job = 0;
    try {
        const std::string text = core::read_text(owner_file(site), 32);
        std::from_chars(text.data(), text.data() + text.size(), job);
    } catch (const Error&) {
    }
    return job;
}

void take_down() {
    for (const int interface : interfaces_but_lo()) {
        const bpf_tc_hook hook = ingress_of(interface);
        bpf_tc_opts options = place_at(kGatePriority);
        const int error = bpf_tc_detach(&hook, &options);
        // Not there: no filter, no place for one, or the interface has gone meanwhile.
        if (error && error != -ENOENT && error != -EINVAL && error != -ENODEV)
            throw Error(Fault::system, with_errno("cannot take the gate down", -error));
    }
}

void write_allowed(int map_fd, const std::vector<core::Allowance>& allowed) {
    for (const core::Allowance& one : allowed) {
        allowance key{};
        key.prefix_bits = ALLOWANCE_BITS + one.network.bits;
        key.direction = one.is_inbound ? DIRECTION_IN : DIRECTION_OUT;
        key.protocol = one.is_tcp ? IPPROTO_TCP : IPPROTO_UDP;
        key.port = htons(one.port);
        key.address = htonl(one.network.address);
        const std::uint32_t nothing = 0;
        if (bpf_map_update_elem(map_fd, &key, &nothing, BPF_ANY))
            throw Error(Fault::system, with_errno("cannot write the gate's allowances", errno));
    }
}

}  // namespace

void close_gate(const core::Site& site, const Policy& policy) {
    libbpf_set_print(nullptr);  // its messages would land in Slurm's logs without context
    const std::unique_ptr<gate, Destroy> program(gate__open());
    if (!program) throw Error(Fault::system, with_errno("cannot open the gate's BPF program", errno));
    program->rodata->SLURMD_PORT = policy.slurmd_port;
    if (gate__load(program.get()))
        throw Error(Fault::system, with_errno("the kernel refuses the gate's BPF program", errno));
    write_peers(bpf_map__fd(program->maps.peers), policy.peers);
    write_allowed(bpf_map__fd(program->maps.allowed), policy.allowed);
    core::write_atomically(owner_file(site), std::to_string(policy.job),
                           0600);  // first: what is begun must be found
    for (const int interface : interfaces_but_lo()) {
        bpf_tc_hook hook = ingress_of(interface);
        if (const int error = bpf_tc_hook_create(&hook); error && error != -EEXIST)
            throw Error(Fault::system, with_errno("cannot make a place for the gate", -error));
        bpf_tc_opts options = place_at(kGatePriority);
        options.prog_fd = bpf_program__fd(program->progs.fence_gate);
        options.flags = BPF_TC_F_REPLACE;
        if (const int error = bpf_tc_attach(&hook, &options))
            throw Error(Fault::system, with_errno("cannot close the gate", -error));
    }
}

void open_gate(const core::Site& site, std::uint32_t job) {
    if (owner(site) != job) return;
    take_down();
    std::filesystem::remove(owner_file(site));
}

void open_stray_gate(const core::Site& site) {
    libbpf_set_print(nullptr);
    if (owner(site) == 0) take_down();
}

}  // namespace slurm
