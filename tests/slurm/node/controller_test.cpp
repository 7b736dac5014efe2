#include "slurm/node/controller.h"

#include <catch2/catch.hpp>
#include <utility>

using slurm::Knows;
using slurm::parse_word;

TEST_CASE("what the controller says about a job of this node is understood") {
    const auto word =
        parse_word(17, "17          2           RUNNING             1-00:30:00          node[1-2]\nrc=0\n");
    CHECK(word.knows == Knows::job);
    CHECK(word.start == "2");
    CHECK(word.may_be_on("node1", "2"));
    CHECK(word.may_be_on("node2", ""));
    CHECK_FALSE(word.may_be_on("node1", "1"));  // another run
    CHECK_FALSE(word.may_be_on("node3", "2"));
}

TEST_CASE("of an array's tasks the one with the job's number counts") {
    const auto word = parse_word(
        17,
        "18          0           RUNNING             30:00               node1\n17          0           "
        "COMPLETING          UNLIMITED           node2\nrc=0\n");
    CHECK(word.state == "COMPLETING");
    CHECK(word.nodes == std::vector<std::string>{"node2"});
}

TEST_CASE("a job that waits again is on no node") {
    const auto word = parse_word(
        17, "17          1           PENDING             5:00                                    \nrc=0\n");
    CHECK(word.knows == Knows::job);
    CHECK_FALSE(word.may_be_on("node1", "0"));
}

TEST_CASE("a job that is being requeued still has its tasks' time to end") {
    const auto word =
        parse_word(17, "17          1           COMPLETING          1:30:00             node[1-2]\nrc=0\n");
    CHECK(word.may_be_on("node1", "0"));
    CHECK_FALSE(word.may_be_on("node3", "0"));
}

TEST_CASE("a controller that does not answer is not one that knows no such job") {
    CHECK(parse_word(17, "").may_be_on("node1", "0"));
    CHECK(
        parse_word(17, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\nrc=1\n")
            .may_be_on("node1", "0"));
    CHECK(parse_word(17, "slurm_load_jobs error: Socket timed out on send/recv operation\nrc=1\n").knows ==
          Knows::no_answer);
    CHECK_FALSE(
        parse_word(17, "slurm_load_jobs error: Invalid job id specified\nrc=1\n").may_be_on("node1", "0"));
    CHECK_FALSE(parse_word(17, "rc=0\n").may_be_on("node1", "0"));  // it is over
}

TEST_CASE("a job's time limit is a number of seconds, or none") {
    for (const auto& [limit, seconds] : {std::pair{"1:05", 65},
                                         {"30:00", 1800},
                                         {"1:30:00", 5400},
                                         {"2-00:00:01", 172801},
                                         {"UNLIMITED", 0},
                                         {"NOT_SET", 0},
                                         {"-1:00", 0},
                                         {"1-", 0},
                                         {"x-1:00", 0},
                                         {"1:2:3:4", 0},
                                         {"99999999:00", 0}})
        CHECK(parse_word(17, "17 0 RUNNING " + std::string(limit) + " node1\nrc=0\n").most_seconds ==
              seconds);
}
