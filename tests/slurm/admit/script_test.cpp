#include "slurm/admit/script.h"

#include <catch2/catch.hpp>

#include "core/base/bytes.h"
#include "core/base/error.h"

TEST_CASE("variables come back as they were, whatever is in them") {
    const std::vector<std::string> variables{"A=1",       "B=", "C=a\nb", "D=x=y", "BASH_FUNC_f%%=() { :; }",
                                             "E=\xff\x01"};
    CHECK(slurm::unpack_environment(slurm::pack_environment(variables)) == variables);
    CHECK(slurm::unpack_environment(slurm::pack_environment({})).empty());
}

TEST_CASE("variables that Slurm, MPI or Aloft own are left out on both ways") {
    const std::vector<std::string> ours{"SLURM_CONF=x",       "SBATCH_ACCOUNT=x", "PMIX_RANK=3",
                                        "ALOFT_STEP_TOKEN=x", "HOME=/x",          "_SLURM_SPANK_OPTION_x=1",
                                        "SPANK_X=1",          "SRUN_X=1"};
    CHECK(slurm::unpack_environment(slurm::pack_environment(ours)).empty());
    std::string joined;
    for (const std::string& one : ours) joined += one + '\0';
    CHECK(slurm::unpack_environment(core::to_base64(core::view(joined))).empty());
}

TEST_CASE("what is no variable is no variable") {
    CHECK(slurm::unpack_environment(slurm::pack_environment({"NOEQUALS", "=x"})).empty());
    CHECK_THROWS_AS(slurm::unpack_environment(core::to_base64(core::view("A=1"))), core::Error);
    CHECK_THROWS_AS(slurm::unpack_environment("not base64!"), core::Error);
}

TEST_CASE("a script's folder and arguments come back as they were") {
    const slurm::Call call{"/aloft/workspace/a b", {"", "x y", "--k=v", "\xff\n"}};
    const slurm::Call back = slurm::unpack_call(slurm::pack_call(call));
    CHECK(back.folder == call.folder);
    CHECK(back.arguments == call.arguments);
    CHECK(slurm::unpack_call("").folder.empty());
    CHECK(slurm::unpack_call("").arguments.empty());
    CHECK_THROWS_AS(slurm::unpack_call(core::to_base64(core::view("x"))), core::Error);
}

TEST_CASE("a script without the wrapper's line did not pass admission") {
    CHECK_THROWS_AS(slurm::user_script("#!/bin/sh\ntrue\n"), core::Error);
    CHECK_THROWS_AS(slurm::user_script(""), core::Error);
    CHECK_THROWS_AS(slurm::user_script(std::string("\n") + std::string(slurm::kWrapperLine)), core::Error);
    CHECK(slurm::user_script(slurm::kWrapperLine) == "");
}
