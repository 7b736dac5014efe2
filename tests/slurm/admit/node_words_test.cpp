#include "slurm/admit/node_words.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

TEST_CASE("types of GPUs and features are those that slurm.conf gives to nodes, wherever it says so") {
    const test::Scratch scratch;
    const auto file = scratch.path() / "slurm.conf";
    core::write_atomically(scratch.path() / "nodes.conf",
                           "nodename=n[3-4] gres=gpu:v100:2 feature=slow\nNodeName=n5 Gres=gpu\n");
    core::write_atomically(file,
                           "NodeName=DEFAULT Features=nvme\n"
                           "NodeName=n1 CPUs=4 \\\n  Gres=gpu:a100:4(S:0-1),gpu:h100:1,gpu:2,shard:x:3 \\\n  "
                           "Features=a,b # Features=c\n"
                           "#NodeName=n2 Features=d\nPartitionName=p Features=e\ninclude nodes.conf\n");
    const auto words = slurm::load_node_words(file);
    CHECK(words.gpu_types == std::set<std::string>{"a100", "h100", "v100"});
    CHECK(words.features == std::set<std::string>{"a", "b", "nvme", "slow"});
}

TEST_CASE("a configuration that cannot be read whole names nothing") {
    const test::Scratch scratch;
    const auto file = scratch.path() / "slurm.conf";
    CHECK_THROWS_AS(slurm::load_node_words(file), core::Error);
    core::write_atomically(file, "NodeName=n1 Features=a\nInclude missing.conf\n");
    CHECK_THROWS_AS(slurm::load_node_words(file), core::Error);
    core::write_atomically(file, "Include slurm.conf\n");
    CHECK_THROWS_AS(slurm::load_node_words(file), core::Error);
}
