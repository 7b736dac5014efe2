#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace slurm {

// RDMA bypasses the kernel's filters: packets of a queue pair meet neither netfilter nor BPF. What fences
// them is the fabric, by partition keys that the subnet manager writes into each port (InfiniBand
// Architecture Specification, vol. 1, section 10.9): a port takes part in no partition whose key it does not
// hold.
struct Infiniband {
    bool is_here = false;                        // the node has RDMA devices
    std::vector<std::filesystem::path> devices;  // that a job may have; none: withheld
    std::string why_withheld;                    // empty if it is not here, or not withheld
};

// What jobs of an enclave with this partition key (15 bits, without the membership bit; 0: it has none) may
// have. Every port must hold that key and besides it none but a limited membership in the default partition
// (0x7fff), which every port needs to talk to the subnet manager. One port that holds another key, or is
// Ethernet (RoCE has no partitions): all devices are withheld. `sysfs`, `dev`: /sys and /dev.
Infiniband infiniband_of(std::uint16_t pkey, const std::filesystem::path& sysfs = "/sys",
                         const std::filesystem::path& dev = "/dev");

}  // namespace slurm
