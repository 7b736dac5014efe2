#include <catch2/catch.hpp>

#include "staging/pool/make_pool.h"

using namespace staging;

namespace {

std::vector<int> run(const std::vector<Made>& samples, SharedContent* shared = nullptr) {
    const core::Comm comm(MPI_COMM_WORLD);
    MadePool made(comm, {}, samples);
    const SharedContent found = made.pool().find_duplicates();
    if (shared) *shared = found;
    return made.outcome(samples.size());
}

const int kConflict = dropped(WhyDropped::uid_conflict), kAgain = dropped(WhyDropped::sent_again),
          kSame = dropped(WhyDropped::same_content);

}  // namespace

TEST_CASE("one instance with two contents is a conflict, and no copy is dropped for the sake of it") {
    // Trials I M1: a and b have one UID and two contents; c has b's content under its own UID.
    const std::vector<Made> samples{{.content = 1, .instance = 1, .patient = 1},
                                    {.content = 2, .instance = 1, .patient = 2},
                                    {.content = 2, .instance = 2, .patient = 3}};
    CHECK(run(samples) == std::vector<int>{kConflict, kConflict, kStays});
}

TEST_CASE("one instance of two patients is a conflict, though the content is the same") {
    CHECK(run({{.content = 1, .instance = 1, .patient = 1}, {.content = 1, .instance = 1, .patient = 2}}) ==
          std::vector<int>{kConflict, kConflict});
}

TEST_CASE("a file that was sent again is dropped, the first stays") {
    CHECK(
        run({{.content = 1, .instance = 1}, {.content = 1, .instance = 1}, {.content = 1, .instance = 1}}) ==
        std::vector<int>{kStays, kAgain, kAgain});
}

TEST_CASE("the same content of two patients is kept and told") {
    SharedContent shared;  // trials A 2: empty pictures
    CHECK(run({{.content = 1, .instance = 1, .patient = 1},
               {.content = 1, .instance = 2, .patient = 2},
               {.content = 1, .instance = 3, .patient = 2, .place = 9},
               {.content = 2, .instance = 4, .patient = 2}},
              &shared) == std::vector<int>{kStays, kStays, kStays, kStays});
    CHECK(shared.contents == 1);
    CHECK(shared.samples == 3);
}

TEST_CASE("the same content at two places of one patient is kept, at one place it is a duplicate") {
    CHECK(run({{.content = 1, .instance = 1, .place = 1},
               {.content = 1, .instance = 2, .place = 2},
               {.content = 1, .instance = 3, .place = 1}}) == std::vector<int>{kStays, kStays, kSame});
}

TEST_CASE("rows without any UID are duplicates by content and patient") {
    CHECK(run({{.content = 1}, {.content = 1}, {.content = 1, .patient = 2}, {.content = 2}}) ==
          std::vector<int>{kStays, kSame, kStays, kStays});
}

TEST_CASE("a chain of copies ends with one that stays") {
    // S 1.4: Z shares its UID with Y, which is a copy of X. Y is in conflict with Z; X is in none.
    const std::vector<int> outcome = run({{.content = 1, .instance = 1, .place = 1},
                                          {.content = 1, .instance = 2, .place = 1},
                                          {.content = 2, .instance = 2, .place = 2}});
    CHECK(outcome == std::vector<int>{kStays, kConflict, kConflict});
}

TEST_CASE("a study with two patients is left out whole") {
    const int kStudy = dropped(WhyDropped::study_of_two_patients);
    CHECK(run({{.content = 1, .patient = 1, .study = 5},
               {.content = 2, .patient = 2, .study = 5},
               {.content = 3, .patient = 1, .study = 6},
               {.content = 4, .patient = 1, .study = 6}}) ==
          std::vector<int>{kStudy, kStudy, kStays, kStays});
}
