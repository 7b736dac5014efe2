#include "slurm/fence/ingress.h"

#include <net/if.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "core/base/error.h"

namespace slurm {
namespace {

constexpr std::uint32_t kHandle = 1;

struct FreeNames {
    void operator()(struct if_nameindex* list) const noexcept { ::if_freenameindex(list); }
};

}  // namespace

std::vector<int> interfaces_but_lo() {
    const std::unique_ptr<struct if_nameindex, FreeNames> list(::if_nameindex());
    if (!list) throw core::Error(core::Fault::system, core::with_errno("cannot list interfaces", errno));
    std::vector<int> found;
    for (const struct if_nameindex* one = list.get(); one->if_index; ++one)
        if (std::string_view(one->if_name) != "lo") found.push_back(static_cast<int>(one->if_index));
    return found;
}

bpf_tc_hook ingress_of(int interface) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = interface;
    hook.attach_point = BPF_TC_INGRESS;
    return hook;
}

bpf_tc_opts place_at(std::uint32_t priority) {
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = kHandle;
    options.priority = priority;
    return options;
}

}  // namespace slurm
