#include "slurm/admit/dependency.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

namespace {

using State = slurm::JobOwner::State;
constexpr std::uint32_t kAlice = 70001, kBob = 70002, kCarol = 70010;

// 1 to 9 are alice's, 11 to 19 bob's (both of an enclave), 21 to 29 carol's, 30 to 99 purged; 100 comes next.
slurm::JobOwner find(std::uint32_t id) {
    if (id >= 100) return {State::future};
    if (id >= 30 || id % 10 == 0) return {State::past};
    return {State::known, id < 10 ? kAlice : id < 20 ? kBob : kCarol};
}

std::string own(const std::string& text) {
    return slurm::own_dependency(text, kAlice, find);
}

void foreign(const std::string& text) {
    slurm::forbid_enclave_jobs(text, find, [](std::uint32_t uid) { return uid == kAlice || uid == kBob; });
}

}  // namespace

TEST_CASE("an enclave's job waits for its own account's jobs") {
    for (const char* text : {"afterok:1", "afterany:1:2:3", "after:1,afternotok:2", "aftercorr:4?afterok:5",
                             "afterok:1_7", "afterany:1_*", "singleton", "singleton,afterok:3"})
        CHECK(own(text) == text);
    CHECK(own("").empty());
    CHECK(own("0").empty());
}

TEST_CASE("an enclave's job waits for nobody else's, and carries no text in how it says so") {
    for (const char* text : {"afterok:11",
                             "afterok:21",
                             "afterok:1:11",
                             "afterok:1,afterany:21",
                             "afterok:55",
                             "afterok:100",
                             "afterok:4294967297",
                             "afterok:0",
                             "afterok:",
                             "afterok",
                             "afterok:x",
                             "afterok:1x",
                             "afterok: 1",
                             "afterok:+1",
                             "afterok:-1",
                             "expand:1",
                             "afterburstbuffer:1",
                             "1",
                             "after:1+1234567",
                             "afterok:1(failed)",
                             "AFTEROK:1",
                             "afterok:1_",
                             "afterok:1_x",
                             "afterok:1,",
                             "afterok:1,,afterok:2",
                             ",afterok:1",
                             "singleton:1",
                             "singletons",
                             "afterok:1_99999999999",
                             "hello"}) {
        INFO(text);
        CHECK_THROWS_AS(own(text), core::Error);
    }
    CHECK(own("afterok:0001") == "afterok:1");
    std::string many = "afterok";
    for (int n = 0; n < 33; ++n) many += ":1";
    CHECK_THROWS_WITH(own(many), Catch::Contains("at most 32"));
}

TEST_CASE("nobody else waits for an enclave's job, however its number is written") {
    for (const char* text :
         {"afterok:1", "1", "21,1", "afterok:21:11", "after:1+5", "afterok:21?afternotok:1", "aftercorr:1_3",
          "afterok:1_[1-3]", "afterok:1_*", "afterok: 1", "afterok:+1", "afterok:0001", "expand:1",
          "afterok:\t1", "afterok:4294967297", "afterok:-4294967295", "afterok:100", "AfterOK:1",
          "afterok:21_[22],1"}) {
        INFO(text);
        CHECK_THROWS_AS(foreign(text), core::Error);
    }
}

TEST_CASE("others' jobs wait for others' jobs as ever") {
    for (const char* text : {"afterok:21", "21,22", "afterany:21:22,singleton", "afterok:21_[1-9,11]",
                             "afterok:55", "after:21_1", "", "0", "afterok:21_11", "afterok:21_*"}) {
        INFO(text);
        CHECK_NOTHROW(foreign(text));
    }
}
