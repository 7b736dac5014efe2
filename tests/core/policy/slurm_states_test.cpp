#include "core/policy/slurm_states.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>

#include "core/base/files.h"

TEST_CASE("a job is over in the states that have an outcome, and in no other") {
    CHECK(core::outcome_of_state("COMPLETED") == "completed");
    CHECK(core::outcome_of_state("REVOKED") == "cancelled");
    for (const char* state : {"PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "CONFIGURING",
                              "STAGE_OUT", "completed", ""}) {
        CAPTURE(state);
        CHECK(core::outcome_of_state(state).empty());
    }
}

TEST_CASE("scripts have the same states in which a job is over") {
    std::set<std::string> ours, theirs;
    for (const core::SlurmEnd& one : core::kSlurmEnds) ours.emplace(one.state);
    std::istringstream words(
        core::read_text(std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "tests/cluster/states_over"));
    for (std::string word; words >> word;) theirs.insert(word);
    CHECK(ours == theirs);
}
