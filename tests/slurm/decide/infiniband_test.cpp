#include "slurm/decide/infiniband.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/files.h"
#include "slurm/decide/policy.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;
using Catch::Contains;

constexpr std::uint16_t kOurs = 0x0012;

// /sys and /dev of a node, as the kernel's InfiniBand core lays them out
// (Documentation/ABI/stable/sysfs-class-infiniband).
struct Node {
    test::Scratch scratch;

    static void write(const fs::path& file, const std::string& text) {
        core::make_directories(file.parent_path());
        std::ofstream(file) << text << '\n';
    }
    void add_port(const std::string& device, const std::vector<std::string>& keys,
                  const std::string& link = "InfiniBand") const {
        const fs::path port = scratch / "sys" / "class/infiniband" / device / "ports/1";
        write(port / "link_layer", link);
        for (std::size_t i = 0; i < keys.size(); ++i) write(port / "pkeys" / std::to_string(i), keys[i]);
        for (const char* name : {"uverbs0", "rdma_cm", "umad0", "issm0"})
            write(scratch / "dev" / "infiniband" / name, "");
    }
    slurm::Infiniband found(std::uint16_t pkey = kOurs) const {
        return slurm::infiniband_of(pkey, scratch / "sys", scratch / "dev");
    }
};

}  // namespace

TEST_CASE("a node without InfiniBand has nothing to show and nothing to withhold") {
    const Node node;
    CHECK_FALSE(node.found().is_here);
    CHECK(node.found().devices.empty());
    CHECK(node.found().why_withheld.empty());
}

TEST_CASE("a port of the enclave's partition alone gives verbs and connections, not management") {
    const Node node;
    node.add_port("mlx5_0", {"0x7fff", "0x8012", "0x0000"});
    const auto found = node.found();
    CHECK(found.why_withheld.empty());
    std::vector<std::string> names;
    for (const auto& device : found.devices) names.push_back(device.filename());
    CHECK(names == std::vector<std::string>{"rdma_cm", "uverbs0"});
}

TEST_CASE("a limited member of the enclave's partition is a member") {
    const Node node;
    node.add_port("mlx5_0", {"0x0012"});
    CHECK(node.found().devices.size() == 2);
}

TEST_CASE("one port that fences nothing withholds every device") {
    struct Port {
        std::vector<std::string> keys;
        std::string link, why;
    };
    const auto port = GENERATE(values<Port>({
        {{"0xffff", "0x8012"}, "InfiniBand", "another partition"},  // full member of the default partition
        {{"0x8012", "0x8013"}, "InfiniBand", "another partition"},
        {{"0x7fff"}, "InfiniBand", "does not hold"},
        {{}, "InfiniBand", "does not hold"},
        {{"0x8012"}, "Ethernet", "RoCE"},
        {{"0x8012"}, "", "RoCE"},
        {{"member"}, "InfiniBand", "cannot be read"},
        {{"0x18012"}, "InfiniBand", "cannot be read"},
    }));
    const Node node;
    node.add_port("mlx5_0", {"0x7fff", "0x8012"});
    node.add_port("mlx5_1", port.keys, port.link);
    CHECK(node.found().is_here);
    CHECK(node.found().devices.empty());
    CHECK_THAT(node.found().why_withheld, Contains(port.why));
}

TEST_CASE("without a partition key, or without device files, InfiniBand is withheld") {
    const Node node;
    node.add_port("mlx5_0", {"0x7fff", "0x8012"});
    CHECK_THAT(node.found(0).why_withheld, Contains("infiniband_pkey"));
    CHECK(node.found(0).devices.empty());
    fs::remove_all(node.scratch / "dev");
    CHECK_THAT(node.found().why_withheld, Contains("no device files"));
}

TEST_CASE("the devices travel in the job's policy") {
    slurm::Policy policy;
    policy.devices = {"/dev/infiniband/uverbs0"};
    CHECK(slurm::parse_policy(slurm::to_json(policy)).devices == policy.devices);
}
