#include "slurm/fence_check.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"

namespace slurm {

void require_fence(int cgroup_fd) {
    for (const bpf_attach_type type :
         {BPF_CGROUP_INET4_CONNECT, BPF_CGROUP_INET6_CONNECT, BPF_CGROUP_UDP4_SENDMSG,
          BPF_CGROUP_UDP6_SENDMSG, BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_EGRESS,
          BPF_CGROUP_INET_INGRESS}) {
        bpf_attr query{};
        query.query.target_fd = static_cast<std::uint32_t>(cgroup_fd);
        query.query.attach_type = type;
        if (::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query))
            throw core::Error(core::Fault::system,
                              core::with_errno("cannot ask for the fence's programs", errno));
        if (query.query.prog_cnt == 0)
            throw core::Error(core::Fault::system, "the job's cgroup has no fence on it");
    }
}

}  // namespace slurm
