#include "jobs/slurm/client.h"

#include <catch2/catch.hpp>

using jobs::read_job;
using nlohmann::json;

TEST_CASE("a job is read as Slurm 22.05 writes it: one state, and what wait() told") {
    const auto job = [](const char* state, int status) {
        return read_job({{"job_state", state},
                         {"name", "digits"},
                         {"state_reason", "None"},
                         {"exit_code", status},
                         {"restart_cnt", 2}});
    };
    CHECK(job("COMPLETED", 0).exit == "0:0");
    CHECK(job("FAILED", 3 << 8).exit == "3:0");
    CHECK(job("FAILED", 9).exit == "0:9");
    CHECK(job("RUNNING", 0).exit.empty());
    CHECK(job("PENDING", 0).name == "digits");
    CHECK(job("PENDING", 0).restarts == 2);
}

TEST_CASE("a job is read as Slurm 23.11 and later write it: a list of states, numbers that may be unset") {
    const json number = {{"set", true}, {"infinite", false}, {"number", 3}};
    json job = {{"job_state", {"FAILED"}},
                {"name", "digits"},
                {"restart_cnt", 1},
                {"exit_code",
                 {{"status", {"ERROR"}},
                  {"return_code", number},
                  {"signal", {{"id", {{"set", false}, {"number", 0}}}, {"name", ""}}}}}};
    CHECK(read_job(job).state == "FAILED");
    CHECK(read_job(job).exit == "3:0");
    job["exit_code"]["return_code"]["set"] = false;
    job["exit_code"]["signal"]["id"] = {{"set", true}, {"number", 15}};
    CHECK(read_job(job).exit == "0:15");
    job["job_state"] = {"CONFIGURING", "RUNNING"};
    CHECK(read_job(job).state == "CONFIGURING");
    CHECK(read_job(job).exit.empty());
}

TEST_CASE("of a job's comments those count that are ours") {
    const auto words = [](const json& comment) {
        return read_job({{"job_state", "FAILED"}, {"exit_code", 5 << 8}, {"admin_comment", comment}}).words;
    };
    CHECK(words("aloft: refused: no workspace") == "refused: no workspace");
    CHECK(words("a site's own").empty());
    CHECK(words("").empty());
    CHECK(words(nullptr).empty());  // as 22.05 writes one that nobody has set
    CHECK(read_job({{"job_state", "FAILED"}, {"exit_code", 5 << 8}}).words.empty());
}

TEST_CASE("a job of another form is an error, not a state") {
    CHECK_THROWS_AS(read_job(json::object()), json::exception);
    CHECK_THROWS_AS(read_job({{"job_state", json::array()}}), json::exception);
    CHECK_THROWS_AS(read_job({{"job_state", {"FAILED"}}, {"exit_code", "three"}}), json::exception);
}
