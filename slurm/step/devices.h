#pragma once
#include <array>
#include <string_view>

// The devices that a job sees. Everything else of the host's /dev is not there.

namespace slurm {

struct Device {
    std::string_view path;  // below /dev; '#' stands for a number
    enum class Need { always, if_there } need;
    std::string_view why;
    unsigned from = 0;  // the first number that is shown
};

// To let one more device into the view: one row here. A device is seen by all jobs of all enclaves; which of
// several (GPUs) are this job's is for Slurm's device cgroup (ConstrainDevices) to say. No row for a device
// that carries data to another machine past the packet filter: nvidia-caps-imex-channels (memory shared
// between nodes by NVLink), nvidia-nvswitch#, nvidia-fs# (storage, past the file system); InfiniBand's are
// the policy's to add (slurm/decide/infiniband.h).
inline constexpr std::array<Device, 10> kDevices = {{
    {"null", Device::Need::always, "every program"},
    {"zero", Device::Need::always, "memory"},
    {"full", Device::Need::always, "tests of programs"},
    {"random", Device::Need::always, "randomness"},
    {"urandom", Device::Need::always, "randomness"},
    {"nvidiactl", Device::Need::if_there, "CUDA: which GPUs there are"},
    {"nvidia-uvm", Device::Need::if_there, "CUDA: unified memory"},
    {"nvidia-uvm-tools", Device::Need::if_there, "CUDA: debuggers and profilers of unified memory"},
    {"nvidia#", Device::Need::if_there, "CUDA: one GPU"},
    {"nvidia-caps/nvidia-cap#", Device::Need::if_there,
     "a slice of a GPU (MIG); 1 and 2 configure and watch all of them", 3},
}};

// The row for `path` (below /dev), or null: it is not shown.
const Device* device_row(std::string_view path);

}  // namespace slurm
