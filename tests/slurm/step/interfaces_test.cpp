#include "slurm/step/interfaces.h"

#include <catch2/catch.hpp>

TEST_CASE("a job's libraries are told the interfaces that its nodes meet on, and no other") {
    using Names = std::vector<std::string>;
    const slurm::Addresses all{{"lo", 0x7f000001},
                               {"mgmt0", 0x0a000005},
                               {"eth1", 0x0a010005},
                               {"ib0", 0x0a020005},
                               {"eth1", 0x0a030005}};
    CHECK(slurm::interfaces_with(all, {0x0a010005}) == Names{"eth1"});
    CHECK(slurm::interfaces_with(all, {0x0a030005, 0x0a020005, 0x0a010005}) == Names{"eth1", "ib0"});
    CHECK(slurm::interfaces_with(all, {0x7f000001})
              .empty());  // a name that leads to the loopback tells nothing
    CHECK(slurm::interfaces_with(all, {0x0a010006}).empty());
    CHECK(slurm::interfaces_with(all, {}).empty());
}
