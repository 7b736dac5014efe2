#include "slurm/step/devices.h"

#include <catch2/catch.hpp>

TEST_CASE("a job sees the devices of the list and no other") {
    for (const char* shown :
         {"null", "zero", "full", "random", "urandom", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools",
          "nvidia0", "nvidia15", "nvidia-caps/nvidia-cap3", "nvidia-caps/nvidia-cap120"}) {
        CAPTURE(shown);
        CHECK(slurm::device_row(shown) != nullptr);
    }
    for (const char* hidden : {"nvidia",
                               "nvidia0x",
                               "nvidia-1",
                               "nvidia 0",
                               "nvidia99999999999999999999",
                               "nvidia-modeset",
                               "nvidia-nvswitch0",
                               "nvidia-nvswitchctl",
                               "nvidia-fs0",
                               "nvidia-caps",
                               "nvidia-caps/nvidia-cap1",
                               "nvidia-caps/nvidia-cap2",
                               "nvidia-caps-imex-channels",
                               "nvidia-caps-imex-channels/channel0",
                               "nvidia-vgpu1",
                               "kmsg",
                               "mem",
                               "kvm",
                               "fuse",
                               "vhost-vsock",
                               "vhost-net",
                               "net/tun",
                               "infiniband/uverbs0",
                               "nullx",
                               "sda",
                               "tty",
                               "ptmx",
                               "shm",
                               ""}) {
        CAPTURE(hidden);
        CHECK(slurm::device_row(hidden) == nullptr);
    }
}

TEST_CASE("each row says why") {
    for (const slurm::Device& row : slurm::kDevices) CHECK_FALSE(row.why.empty());
}
