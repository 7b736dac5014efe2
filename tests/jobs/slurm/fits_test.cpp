#include "jobs/slurm/fits.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace jobs;
using Catch::Contains;

namespace {

// As Slurm 22.05 prints them, one line a node.
constexpr const char* kShown =
    "NodeName=node1 Arch=x86_64 CoresPerSocket=1 CPUAlloc=0 CPUEfctv=16 CPUTot=16 CPULoad=0.10 "
    "AvailableFeatures=a100,nvme ActiveFeatures=a100,nvme Gres=gpu:a100:4(S:0-1) NodeAddr=10.0.0.1 "
    "OS=Linux 6.12.0 #1 SMP RealMemory=64000 AllocMem=0 State=IDLE Partitions=open,hel \n"
    "NodeName=node2 CPUTot=8 AvailableFeatures=(null) Gres=gpu:2 RealMemory=32000 Partitions=hel \n"
    "NodeName=node3 CPUTot=8 AvailableFeatures=nvme Gres=(null) RealMemory=16000 Partitions=hel \n"
    "NodeName=other CPUTot=256 AvailableFeatures=h100 Gres=gpu:h100:8,gpu:8 RealMemory=2000000 "
    "Partitions=open,hel2 \n"
    "NodeName=cut Partitions=hel \n";

void fit(JobWish wish) {
    require_fit(wish, parse_nodes(kShown, "hel"));
}

// A wish that one node more or less decides: `fits` does, `not_so` does not, and `text` says why.
template <class Change>
void check(Change change, const char* text) {
    JobWish wish;
    change(wish, true);
    INFO(text);
    CHECK_NOTHROW(fit(wish));
    wish = JobWish();
    change(wish, false);
    try {
        fit(wish);
        FAIL("it fits");
    } catch (const core::Error& error) {
        CHECK(error.fault() == core::Fault::refused);
        CHECK_THAT(error.what(), Contains("could never run") && Contains(text));
    }
}

}  // namespace

TEST_CASE("the nodes of a partition are read with what each has") {
    const auto nodes = parse_nodes(kShown, "hel");
    REQUIRE(nodes.size() == 3);  // one of another enclave, one of which nothing is said
    CHECK(nodes[0].name == "node1");
    CHECK(nodes[0].cores == 16);
    CHECK(nodes[0].memory_mib == 64000);
    CHECK(nodes[0].gpus == std::map<std::string, std::int64_t>{{"a100", 4}});
    CHECK(nodes[0].features == std::set<std::string>{"a100", "nvme"});
    CHECK(nodes[1].gpus == std::map<std::string, std::int64_t>{{"", 2}});
    CHECK(nodes[2].gpus.empty());
    CHECK(
        parse_nodes("NodeName=n CPUTot=1 RealMemory=1 Gres=gpu:a:2(S:0,1),gpu:b:1(IDX:0 Partitions=p", "p")[0]
            .gpus == std::map<std::string, std::int64_t>{{"a", 2}, {"b", 1}});
    CHECK(parse_nodes("No nodes in the system", "hel").empty());
}

TEST_CASE("a job that no nodes could ever run is refused in words, and one that fits by a hair is not") {
    check([](JobWish& wish, bool fits) { wish.nodes = fits ? 3 : 4; }, "--nodes asks for 4");
    check([](JobWish& wish, bool fits) { wish.tasks_per_node = fits ? 16 : 17; },
          "17 cores on each node; the largest has 16");
    check(
        [](JobWish& wish, bool fits) {
            wish.tasks_per_node = 2;
            wish.cpus_per_task = fits ? 8 : 9;
        },
        "ask for 18 cores");
    check(
        [](JobWish& wish, bool fits) {
            wish.nodes = fits ? 1 : 2;
            wish.cpus_per_task = 9;
        },
        "1 of the 2 that are asked for");
    check([](JobWish& wish, bool fits) { wish.memory = fits ? "64000" : "64001"; },
          "64001 MiB on each node; the largest has 64000");
    check(
        [](JobWish& wish, bool fits) {
            wish.nodes = 2;
            wish.memory = fits ? "32000M" : "33G";
        },
        "1 of the 2");
    check([](JobWish& wish, bool fits) { wish.constraint = fits ? "a100&nvme" : "h100"; },
          "--constraint asks for nodes with h100");
    check(
        [](JobWish& wish, bool fits) {
            wish.constraint = "nvme";
            wish.nodes = fits ? 2 : 3;
        },
        "2 of the 3");
}

TEST_CASE("GPUs are counted on each node, for each process, and for the job, by type") {
    check([](JobWish& wish, bool fits) { wish.gpus_per_node = fits ? "4" : "5"; },
          "--gpus-per-node asks for 5 GPUs");
    check([](JobWish& wish, bool fits) { wish.gpus_per_node = fits ? "a100:4" : "h100:1"; },
          "1 GPUs of type h100");
    check([](JobWish& wish, bool fits) { wish.gpus_per_node = fits ? "a100" : "h100"; },
          "of type h100 on each node; the largest has 0");
    check(
        [](JobWish& wish, bool fits) {
            wish.gpus_per_task = "2";
            wish.tasks_per_node = fits ? 2 : 3;
        },
        "--gpus-per-task asks for 6 GPUs");
    check(
        [](JobWish& wish, bool fits) {
            wish.gpus = "6";
            wish.nodes = fits ? 2 : 1;
        },
        "--gpus asks for 6 GPUs; 1 of the enclave's nodes have 4");
    check(
        [](JobWish& wish, bool fits) {
            wish.gpus = fits ? "a100:4" : "a100:5";
            wish.nodes = 3;
        },
        "have 4 together");
    check(
        [](JobWish& wish, bool fits) {
            wish.gpus = "4";
            wish.constraint = fits ? "a100" : "nvme";
            wish.nodes = fits ? 1 : 2;
            wish.memory = fits ? "" : "20000";
        },
        "could never run");
}

TEST_CASE("what a partition gives a job is read as scontrol prints it, and more is refused") {
    constexpr const char* kPartitions =
        "PartitionName=open MaxNodes=1 MaxTime=01:00:00 Nodes=n[1-3] \n"
        "PartitionName=hel AllowGroups=ALL MaxNodes=2 MaxTime=1-02:30:00 MinNodes=0 \n"
        "PartitionName=free MaxNodes=UNLIMITED MaxTime=UNLIMITED \n";
    const auto hel = parse_limits(kPartitions, "hel");
    REQUIRE(hel);
    CHECK(hel->minutes == 26 * 60 + 30);
    CHECK(hel->nodes == 2);
    const auto free = parse_limits(kPartitions, "free");
    REQUIRE(free);
    CHECK_FALSE(free->minutes);
    CHECK_FALSE(free->nodes);
    CHECK_FALSE(parse_limits(kPartitions, "he"));
    JobWish wish;
    wish.nodes = 2, wish.minutes = 26 * 60 + 30;
    CHECK_NOTHROW(require_within(wish, *hel));
    wish.minutes += 1;
    CHECK_THROWS_WITH(require_within(wish, *hel),
                      Contains("--time asks for 1591") && Contains("1590 at most"));
    wish.minutes = 0, wish.nodes = 3;
    CHECK_THROWS_WITH(require_within(wish, *hel), Contains("--nodes asks for 3") && Contains("2 at most"));
    CHECK_NOTHROW(require_within(wish, *free));
}
