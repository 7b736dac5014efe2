#include "slurm/fence/fence.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "core/base/error.h"
#include "core/base/files.h"
#include "fence.skel.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/fence_check.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using core::with_errno;

struct Destroy {
    void operator()(fence* skeleton) const noexcept { fence__destroy(skeleton); }
};

core::Fd open_cgroup(const std::filesystem::path& cgroup) {
    core::Fd fd(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) throw Error(Fault::system, with_errno("cannot open cgroup " + cgroup.string(), errno));
    return fd;
}

}  // namespace

void write_peers(int map_fd, const std::vector<Peer>& peers) {
    for (const Peer& one : peers) {
        in_addr address{};
        if (inet_pton(AF_INET, one.address.c_str(), &address) != 1)
            throw Error(Fault::system, "a node's address is not IPv4");
        if (one.interfaces.size() > PEER_INTERFACES)
            throw Error(Fault::system, "a node is reached by more interfaces than the fence can tell apart");
        peer value{};
        value.kind = static_cast<std::uint32_t>(one.kind);
        std::copy(one.interfaces.begin(), one.interfaces.end(), value.interface);
        if (bpf_map_update_elem(map_fd, &address.s_addr, &value, BPF_ANY))
            throw Error(Fault::system, with_errno("cannot write a map of peers", errno));
    }
}

std::vector<std::uint8_t> closed_ports(const Policy& policy) {
    std::vector<std::uint8_t> closed(CLOSED_BYTES);
    for (std::uint16_t port = 0; port < 1024; ++port) close_port(closed.data(), port);
    close_port(closed.data(), policy.slurmd_port);
    for (const core::Allowance& one : policy.allowed)
        if (one.is_inbound) close_port(closed.data(), one.port);
    return closed;
}

namespace {

enum class Whose { batch, step, session };

void attach(const std::filesystem::path& cgroup, Whose whose, const std::vector<Peer>& peers,
            const std::vector<std::uint8_t>& closed) {
    core::make_directories(cgroup, 0755);
    if (!is_pure_cgroup2()) core::make_directories(cgroup / "tasks", 0755);  // see task_cgroup
    const core::Fd directory = open_cgroup(cgroup);
    struct stat parent {};
    if (::stat(cgroup.parent_path().c_str(), &parent))
        throw Error(Fault::system, with_errno("cannot stat a cgroup", errno));

    libbpf_set_print(nullptr);  // its messages would land in Slurm's logs without context
    std::unique_ptr<fence, Destroy> programs(fence__open());
    if (!programs) throw Error(Fault::system, with_errno("cannot open the fence's BPF programs", errno));
    programs->rodata->JOB = parent.st_ino;  // a cgroup's id is the inode number of its folder
    programs->rodata->IS_BATCH = whose == Whose::batch;
    programs->rodata->HAS_WALL = whose != Whose::session;
    std::copy(closed.begin(), closed.end(), programs->rodata->CLOSED);
    if (fence__load(programs.get()))
        throw Error(Fault::system, with_errno("the kernel refuses the fence's BPF programs", errno));

    write_peers(bpf_map__fd(programs->maps.peers), peers);

    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, programs->obj) {
        if (bpf_prog_attach(bpf_program__fd(program), directory.get(),
                            bpf_program__expected_attach_type(program), BPF_F_ALLOW_MULTI))
            throw Error(Fault::system,
                        with_errno(std::string("cannot attach ") + bpf_program__name(program), errno));
    }
    require_fence(directory.get());
}

}  // namespace

void attach_fence(const std::filesystem::path& cgroup, Part part, const Policy& policy) {
    attach(cgroup, part == Part::batch ? Whose::batch : Whose::step, policy.peers, closed_ports(policy));
}

void attach_session_fence(const std::filesystem::path& cgroup, const std::vector<Peer>& peers,
                          const std::vector<std::uint8_t>& closed) {
    if (closed.size() != CLOSED_BYTES) throw Error(Fault::bug, "the ports of a session are not 65536");
    attach(cgroup, Whose::session, peers, closed);
}

}  // namespace slurm
