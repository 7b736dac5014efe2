#include "slurm/decide/infiniband.h"

#include <algorithm>
#include <fstream>
#include <iomanip>

namespace slurm {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kPartition = 0x7fff;  // without the membership bit; all ones: the default partition
constexpr std::uint16_t kDefaultLimited = 0x7fff;  // the membership bit is clear

std::vector<fs::path> entries(const fs::path& folder) {
    std::error_code none;
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder, none)) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
}

std::string first_word(const fs::path& file) {
    std::ifstream in(file);
    std::string word;
    in >> word;
    return word;
}

// Why a port does not fence; empty if it does.
std::string fault_of_port(const fs::path& port, std::uint16_t pkey) {
    if (first_word(port / "link_layer") != "InfiniBand")
        return "a port is not InfiniBand (RoCE has no partitions)";
    bool has_ours = false;
    for (const fs::path& entry : entries(port / "pkeys")) {
        std::ifstream in(entry);
        std::uint32_t key = 0;
        if (!(in >> std::setbase(0) >> key) || key > 0xffff) return "a port's partition keys cannot be read";
        if ((key & kPartition) == pkey)
            has_ours = true;
        else if (key != 0 && key != kDefaultLimited)  // 0: an empty place in the table
            return "a port holds the key of another partition";
    }
    return has_ours ? "" : "a port does not hold the enclave's partition key";
}

}  // namespace

Infiniband infiniband_of(std::uint16_t pkey, const fs::path& sysfs, const fs::path& dev) {
    Infiniband found;
    std::vector<fs::path> ports;
    for (const fs::path& device : entries(sysfs / "class/infiniband")) {
        found.is_here = true;
        const auto of_device = entries(device / "ports");
        if (of_device.empty()) found.why_withheld = "a device shows no ports";
        ports.insert(ports.end(), of_device.begin(), of_device.end());
    }
    if (!found.is_here) return found;
    if (pkey == 0) found.why_withheld = "the enclave has no partition key (infiniband_pkey)";
    for (const fs::path& port : ports)
        if (found.why_withheld.empty()) found.why_withheld = fault_of_port(port, pkey);
    if (!found.why_withheld.empty()) return found;
    // For verbs and connections. umad and issm would reach the subnet manager.
    for (const fs::path& device : entries(dev / "infiniband")) {
        const std::string name = device.filename().string();
        if (name.starts_with("uverbs") || name == "rdma_cm") found.devices.push_back(device);
    }
    if (found.devices.empty()) found.why_withheld = "no device files in " + (dev / "infiniband").string();
    return found;
}

}  // namespace slurm
