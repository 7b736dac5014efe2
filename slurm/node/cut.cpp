#include "slurm/node/cut.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <cerrno>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "cut.skel.h"
#include "slurm/fence/ingress.h"
#include "slurm/node/cgroup.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using core::with_errno;

::cut* load(std::uint16_t slurmd_port) {
    libbpf_set_print(nullptr);  // its messages would land in Slurm's logs without context
    ::cut* programs = cut__open();
    if (!programs) throw Error(Fault::system, with_errno("cannot open the BPF programs of an end", errno));
    programs->rodata->SLURMD_PORT = slurmd_port;
    if (cut__load(programs)) {
        const int failed = errno;
        cut__destroy(programs);
        throw Error(Fault::system, with_errno("the kernel refuses the BPF programs of an end", failed));
    }
    return programs;
}

template <class Addresses>
void add(const ::cut& programs, const Addresses& addresses) {
    const std::uint32_t one = 1;
    for (const std::string& text : addresses) {
        in_addr address{};
        if (inet_pton(AF_INET, text.c_str(), &address) != 1)
            throw Error(Fault::system, "a node's address is not IPv4");
        if (bpf_map_update_elem(bpf_map__fd(programs.maps.gone), &address.s_addr, &one, BPF_ANY))
            throw Error(Fault::system, with_errno("cannot write the map of nodes that left", errno));
    }
}

void attach(const std::filesystem::path& cgroup, bpf_program* out, bpf_program* in) {
    const core::Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open() && errno == ENOENT) return;  // it ended meanwhile
    for (const auto& [program, type] :
         {std::pair{out, BPF_CGROUP_INET_EGRESS}, std::pair{in, BPF_CGROUP_INET_INGRESS}})
        if (!folder.is_open() ||
            bpf_prog_attach(bpf_program__fd(program), folder.get(), type, BPF_F_ALLOW_MULTI))
            throw Error(Fault::system, with_errno("cannot cut a job from the network", errno));
}

// srun's, which runs no code of the user and tells the user how the job ends.
bool is_of_batch(const std::filesystem::path& step) {
    return step.filename() == "batch" || step.filename() == "step_batch";
}

}  // namespace

Cuts::Cuts() = default;
Cuts::~Cuts() = default;
void Cuts::Destroy::operator()(::cut* skeleton) const noexcept {
    cut__destroy(skeleton);
}

void Cuts::cut(std::uint32_t job, const std::vector<std::string>& gone) {
    const auto cgroups = task_cgroups(job);
    if (cgroups.empty()) return;
    One& one = jobs_[job];
    if (!one.programs) one.programs.reset(load(0));
    add(*one.programs, gone);
    for (const auto& tasks : cgroups) {
        if (one.attached.contains(tasks.string())) continue;
        const auto& programs = one.programs->progs;
        if (!is_of_batch(tasks.parent_path())) attach(tasks, programs.cut_tasks_out, programs.cut_tasks_in);
        attach(tasks.parent_path(), programs.cut_step_out, programs.cut_step_in);
        one.attached.insert(tasks.string());
    }
}

void Cuts::forget(std::uint32_t job) {
    jobs_.erase(job);
}

void close_node_to(const std::set<std::string>& addresses, std::uint16_t slurmd_port) {
    libbpf_set_print(nullptr);
    std::unique_ptr<::cut, void (*)(::cut*)> programs(nullptr, [](::cut* one) { cut__destroy(one); });
    if (!addresses.empty()) {
        programs.reset(load(slurmd_port));
        add(*programs, addresses);
    }
    for (const int interface : interfaces_but_lo()) {
        bpf_tc_hook hook = ingress_of(interface);
        bpf_tc_opts options = place_at(kCutPriority);
        if (!programs) {
            const int error = bpf_tc_detach(&hook, &options);
            // Not there: no filter, no place for one, or the interface has gone meanwhile.
            if (error && error != -ENOENT && error != -EINVAL && error != -ENODEV)
                throw Error(Fault::system, with_errno("cannot open the node to who left a job", -error));
            continue;
        }
        if (const int error = bpf_tc_hook_create(&hook); error && error != -EEXIST)
            throw Error(Fault::system, with_errno("cannot make a place for a filter", -error));
        options.prog_fd = bpf_program__fd(programs->progs.cut_node);
        options.flags = BPF_TC_F_REPLACE;
        if (const int error = bpf_tc_attach(&hook, &options))
            throw Error(Fault::system, with_errno("cannot close the node to who left a job", -error));
    }
}

}  // namespace slurm
