#include "staging/risk/link.h"

#include <catch2/catch.hpp>

#include "staging/pool/parts.h"
#include "staging/risk/make_releases.h"

using namespace staging;

TEST_CASE("ranks that share the patients find of releases what one finds") {
    const core::Comm comm(MPI_COMM_WORLD);
    const RankParts parts(comm, 1 << 16);
    std::mt19937 draw(21);
    for (int round = 0; round < 20; ++round) {
        MadeReleases made(draw, 2 + draw() % 2, static_cast<int>(draw() % 40));
        LinkPolicy policy;
        policy.k = 1 + draw() % 4;
        policy.l = draw() % 2 ? 2 : 0;
        for (const LinkedBy by : {LinkedBy::identifiers, LinkedBy::columns}) {
            policy.by = by;
            if (by == LinkedBy::columns) made.has_values.assign(made.releases.size(), true);
            INFO("round " << round);
            CHECK(are_equal(link(made.made(comm.rank(), comm.size()), policy, parts), made.judge(policy)));
        }
    }
}

TEST_CASE("a group goes back whole to each rank that has some of it, and to no other") {
    const core::Comm comm(MPI_COMM_WORLD);
    const RankParts parts(comm, 1 << 16);
    const auto rank = static_cast<std::uint32_t>(comm.rank()),
               ranks = static_cast<std::uint32_t>(comm.size());
    Shares mine, here, back;
    const auto add = [&](std::uint64_t group, std::uint32_t category) {
        Share share;
        share.group = {group, 1};
        share.category = category;
        share.patients = 1;
        mine.add(share);
    };
    for (std::uint64_t group = 0; group < 200; ++group) add(group, rank);  // everybody's
    add(1000 + rank, 5);                                                   // one's own
    parts.bring(mine.all(), here);
    parts.give_back(mine, here, back);
    CHECK(back.groups() == 201);
    back.each_group([&](std::span<const Share> group) {
        const bool is_own = group[0].group[0] >= 1000;
        CHECK(group.size() == (is_own ? 1U : ranks));
        if (is_own) CHECK(group[0].group[0] == 1000 + rank);
    });
}
