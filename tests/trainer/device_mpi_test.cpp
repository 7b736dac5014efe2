#include <ATen/Context.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "trainer/engine/group.h"

using core::Comm;

TEST_CASE("cpu and auto always name a device; another word is a usage error on every rank") {
    const Comm comm(MPI_COMM_WORLD);
    CHECK(trainer::choose_device(comm, "cpu").is_cpu());
    CHECK(trainer::choose_device(comm, "auto").is_cuda() ==
          (at::hasCUDA() && at::getNumGPUs() >= static_cast<std::size_t>(comm.size())));
    try {
        trainer::choose_device(comm, "gpu");
        CHECK(false);
    } catch (const core::AgreedError& e) {
        CHECK(e.fault() == core::Fault::usage);
    }
}

TEST_CASE("a job that was given GPUs never runs on the CPU unasked") {
    if (at::hasCUDA()) return;
    const Comm comm(MPI_COMM_WORLD);
    if (comm.rank() == comm.size() - 1) setenv("SLURM_JOB_GPUS", "0", 1);  // one rank knows: all end
    try {
        trainer::choose_device(comm, "auto");
        CHECK(false);
    } catch (const core::AgreedError& e) {
        CHECK(e.fault() == core::Fault::system);
        CHECK_THAT(e.what(), Catch::Contains("given GPUs"));
    }
    CHECK(trainer::choose_device(comm, "cpu").is_cpu());
    unsetenv("SLURM_JOB_GPUS");
}

TEST_CASE("without a GPU, cuda and NCCL end in one clear line on every rank") {
    if (at::hasCUDA()) return;
    const Comm comm(MPI_COMM_WORLD);
    try {
        trainer::choose_device(comm, "cuda");
        CHECK(false);
    } catch (const core::AgreedError& e) {
        CHECK(e.fault() == core::Fault::system);
        CHECK_THAT(e.what(), Catch::Contains("no GPU") && Catch::Contains("--device cpu"));
    }
    try {
        trainer::make_nccl_backend(comm, {at::kCUDA, 0});
        CHECK(false);
    } catch (const core::AgreedError& e) {
        CHECK(e.fault() == core::Fault::system);
        CHECK_THAT(e.what(), Catch::Contains("NCCL") && !Catch::Contains("\n"));
    }
}
