#include "slurm/step/root.h"

#include <catch2/catch.hpp>

#include "slurm/step/view.h"

TEST_CASE("mounts below a folder are found, outermost first, and nothing beside it") {
    const char* text =
        "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
        "30 22 0:40 / /opt/aloft/site\\040packages/deep ro shared:5 - nfs4 host:/x rw\n"
        "31 22 0:41 / /opt/aloft/site\\040packages ro shared:5 master:7 - nfs4 host:/x rw\n"
        "32 22 0:41 / /opt/aloft/site\\040packages ro - nfs4 host:/y rw\n"
        "33 22 0:42 / /opt/aloft-old rw - ext4 /dev/sdb rw\n"
        "34 22 0:43 / /opt/aloft rw - ext4 /dev/sdb rw\n"
        "35 22 0:44 / /opt/aloft/later rw - autofs systemd-1 rw\n";
    const std::vector<std::filesystem::path> wanted{"/opt/aloft/site packages",
                                                    "/opt/aloft/site packages/deep"};
    CHECK(slurm::mounts_below("/opt/aloft", text) == wanted);
    CHECK(slurm::mounts_below("/opt/aloft/later", text).empty());
}

TEST_CASE("a job's private folders together are smaller than its memory") {
    const std::uint64_t bytes =
        GENERATE(std::uint64_t{64} << 20, std::uint64_t{1} << 30, std::uint64_t{2} << 40);
    const auto shares = slurm::memory_shares(bytes, slurm::Part::step);
    CHECK(shares.shm + shares.tmp + shares.var_tmp < bytes);
    CHECK(shares.var_tmp > 0);
    CHECK(slurm::memory_shares(bytes, slurm::Part::batch).shm < 64u << 20);
}
