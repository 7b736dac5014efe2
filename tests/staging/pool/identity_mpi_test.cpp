// Run at 1, 2 and 4 ranks.
#include "staging/pool/identity.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace staging;

namespace {

core::Id16 id(int number) {
    core::Id16 out{};
    out[0] = static_cast<std::uint8_t>(number >> 8);
    out[1] = static_cast<std::uint8_t>(number);
    return out;
}
Alias record(int number) {
    return {id(number), false};
}
Alias national(int number) {
    return {id(number), true};
}
const Identities::SplitOf kSplit = [](const core::Id16& patient) { return patient[1] % 4U; };

// How a patient is called in the end.
core::Id16 name(const Identities& identities, int number) {
    const Moved* moved = identities.find(id(number));
    return moved ? moved->to : id(number);
}

}  // namespace

TEST_CASE("a patient with and without the national ID in the file is one person") {
    const Identities identities({{national(900), record(7)}}, kSplit);
    CHECK(name(identities, 7) == id(900));
    CHECK(name(identities, 900) == id(900));
    CHECK(identities.find(id(900)) == nullptr);
    CHECK(identities.find(id(8)) == nullptr);
    CHECK_FALSE(identities.find(id(7))->conflict);
}

TEST_CASE("persons are joined through any number of records, whatever their order") {
    std::vector<Link> links;
    for (int i = 1; i < 2000; ++i) links.push_back({record(i), record(i + 1)});
    for (int round = 0; round < 3; ++round) {
        std::shuffle(links.begin(), links.end(), std::mt19937(static_cast<unsigned>(round)));
        const Identities identities(links, kSplit);
        for (int i = 1; i <= 2000; ++i) REQUIRE(name(identities, i) == id(1));
        CHECK(identities.moved().size() == 1999);
    }
}

TEST_CASE(
    "two national IDs in one person are a conflict of all that are joined to them, and of nobody else") {
    const Identities identities({{national(900), record(7)},
                                 {national(901), record(7)},
                                 {record(7), record(8)},
                                 {national(902), record(9)}},
                                kSplit);
    for (const int number : {900, 901, 7, 8}) {
        REQUIRE(identities.find(id(number)) != nullptr);
        CHECK(identities.find(id(number))->conflict);
    }
    CHECK_FALSE(identities.find(id(9))->conflict);
}

TEST_CASE("the ranks find together what one finds alone") {
    const core::Comm comm(MPI_COMM_WORLD);
    std::vector<Link> all, mine;
    std::mt19937 random(3);
    for (int i = 0; i < 500; ++i)
        all.push_back({random() % 4 ? record(static_cast<int>(random() % 300))
                                    : national(1000 + static_cast<int>(random() % 50)),
                       record(static_cast<int>(random() % 300))});
    for (std::size_t i = 0; i < all.size(); ++i)
        if (static_cast<int>(i) % comm.size() == comm.rank()) mine.insert(mine.end(), 2, all[i]);
    const Identities alone(all, kSplit), together = Identities::joined(comm, mine, kSplit);
    REQUIRE(together.moved().size() == alone.moved().size());
    for (std::size_t i = 0; i < alone.moved().size(); ++i) {
        CHECK(together.moved()[i].from == alone.moved()[i].from);
        CHECK(together.moved()[i].to == alone.moved()[i].to);
        CHECK(together.moved()[i].split == kSplit(together.moved()[i].to));
        CHECK(together.moved()[i].conflict == alone.moved()[i].conflict);
    }
}
