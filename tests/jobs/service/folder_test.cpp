#include "jobs/service/folder.h"

#include <catch2/catch.hpp>
#include <map>

using jobs::turn_of;

TEST_CASE("of many folders a round looks at some, and each has its turn") {
    std::vector<std::filesystem::path> all;
    for (int n = 10'000; n < 15'000; ++n) all.push_back("/spool/n" + std::to_string(n));
    std::map<std::string, int> seen;
    std::string next;
    for (int round = 0; round < 10; ++round) {
        const auto turn = turn_of(all, next, 1000);
        CHECK(turn.folders.size() == 1000);
        for (const auto& one : turn.folders) ++seen[one.string()];
        next = turn.next;
    }
    CHECK(seen.size() == all.size());
    for (const auto& [folder, times] : seen) CHECK(times == 2);
}

TEST_CASE("a round over few folders looks at all of them, from where the last one stopped") {
    const std::vector<std::filesystem::path> all{"/spool/a", "/spool/b", "/spool/c"};
    const auto turn = turn_of(all, "b", 1000);
    CHECK(turn.folders == std::vector<std::filesystem::path>{"/spool/b", "/spool/c", "/spool/a"});
    CHECK(turn.next.empty());
    CHECK(turn_of(all, "bb", 1).folders.front() == "/spool/c");  // that folder is gone
    CHECK(turn_of(all, "z", 1).folders.front() == "/spool/a");
    CHECK(turn_of(all, "c", 1).next == "a");
    CHECK(turn_of({}, "c", 1).folders.empty());
}
