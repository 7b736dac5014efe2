// What a rank takes of its node: GPUs and cores.
#include <sched.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "trainer/engine/device.h"
#include "trainer/engine/process.h"
#include "trainer/loader/threads.h"

using namespace trainer;

namespace {

Cores cores(std::size_t first, std::size_t count) {
    Cores out(64);
    for (std::size_t i = 0; i < count; ++i) out[first + i] = true;
    return out;
}

}  // namespace

TEST_CASE("eight ranks that see one GPU each take that one") {
    std::vector<VisibleGpus> ranks;
    for (int i = 0; i < 8; ++i) ranks.push_back({"gpu-" + std::to_string(i)});
    CHECK(share_out(ranks).value() == std::vector<std::size_t>(8, 0));
}

TEST_CASE("eight ranks that all see eight GPUs take one each") {
    VisibleGpus all;
    for (int i = 0; i < 8; ++i) all.push_back("gpu-" + std::to_string(i));
    const auto taken = share_out(std::vector<VisibleGpus>(8, all)).value();
    CHECK(std::set<std::size_t>(taken.begin(), taken.end()).size() == 8);
}

TEST_CASE("ranks whose lists overlap get GPUs that differ, if there is a way") {
    const std::vector<VisibleGpus> ranks{{"a", "b"}, {"a"}, {"b", "c"}};
    const auto taken = share_out(ranks).value();
    std::set<std::string> names;
    for (std::size_t i = 0; i < 3; ++i) names.insert(ranks[i][taken[i]]);
    CHECK(names.size() == 3);
}

TEST_CASE("two ranks with one GPU between them, or a rank with none, get none") {
    CHECK_FALSE(share_out({{"a"}, {"a"}}).has_value());
    CHECK_FALSE(share_out({{"a"}, {}}).has_value());
    CHECK_FALSE(share_out({{}}).has_value());
}

TEST_CASE("a job has GPUs if Slurm says so") {
    CHECK(job_has_gpus({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_GPUS", "0,1"}}));
    CHECK(job_has_gpus({{"SLURM_JOB_GPUS", "0"}}));  // a list: the first GPU
    CHECK(job_has_gpus({{"SLURM_GPUS_ON_NODE", "4"}}));
    CHECK_FALSE(job_has_gpus({{"SLURM_JOB_ID", "7"}, {"SLURM_GPUS_ON_NODE", "0"}}));
    CHECK_FALSE(job_has_gpus({}));
}

TEST_CASE("a rank has the cores that it is bound to, and its part of those it shares") {
    const std::vector<Cores> bound{cores(0, 14), cores(14, 14), cores(28, 14)};
    for (std::size_t i = 0; i < 3; ++i) CHECK(threads_for(bound, i) == 14);
    const std::vector<Cores> free(4, cores(0, 32));
    for (std::size_t i = 0; i < 4; ++i) CHECK(threads_for(free, i) == 8);
    const std::vector<Cores> sockets{cores(0, 32), cores(0, 32), cores(32, 32), cores(32, 32)};
    for (std::size_t i = 0; i < 4; ++i) CHECK(threads_for(sockets, i) == 16);
    CHECK(threads_for(std::vector<Cores>(8, cores(0, 2)), 3) == 1);  // never none
}

TEST_CASE("a loader has a quarter of the cores to read with, unless its number is said") {
    for (const auto& [cores, threads] : {std::pair{1, 1}, {7, 1}, {8, 2}, {14, 3}, {32, 8}, {128, 8}})
        CHECK(reader_threads_for(cores) == threads);
    cpu_set_t set;
    REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
    CHECK(cores_of_process() == CPU_COUNT(&set));
    setenv("LOCAL_WORLD_SIZE", std::to_string(CPU_COUNT(&set)).c_str(), 1);
    CHECK(cores_of_process() == 1);
    CHECK(reader_threads() == 1);
    unsetenv("LOCAL_WORLD_SIZE");
    set_reader_threads(5);
    CHECK(reader_threads() == 5);
    set_reader_threads(0);
    CHECK(reader_threads() == reader_threads_for(cores_of_process()));
}
