#include "slurm/node/begin.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>

TEST_CASE("the GPUs of a node that Slurm names are counted") {
    for (const auto& [list, count] :
         {std::pair{"", 0u}, {"0", 1u}, {"0,1", 2u}, {"0-3", 4u}, {"0-3,7", 5u}, {"1023", 1u}})
        CHECK(slurm::count_gpus(list) == count);
}

TEST_CASE("what is no list of GPUs counts none") {
    for (const char* list :
         {"a100", ",0", "-1", "3-1", "0-", "0-4294967295", "0-1023,5000", "99999999999", "0 1", "1,x"})
        CHECK(slurm::count_gpus(list) == 0);
}
