#include "staging/work/case.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/work/composite.h"
#include "staging/work/spill.h"

using namespace staging;

namespace {

Case made(std::size_t companions, std::size_t masks) {
    Case out;
    out.batch = 3, out.segment = 5, out.offset = 4096;
    for (std::size_t i = 0; i < companions; ++i)
        out.companions.push_back({7 + i, i, {'a', static_cast<char>('b' + i)}});
    for (std::size_t i = 0; i < masks; ++i) out.masks.push_back({9 + i, 8192, {1, 3}});
    if (masks > 1) out.masks[1].slices.clear(), out.masks[1].turned = 6;
    out.image_slices = 4;
    out.columns = {std::string("benign"), {}, 1.5, std::int64_t{19000}};
    return out;
}

}  // namespace

TEST_CASE("a case waits with all that was joined to its image") {
    const std::size_t companions = GENERATE(0, 1, 2);
    const std::size_t masks = GENERATE(0, 1, 3);
    const Case before = made(companions, masks);
    const auto after = decode_case(encode(before));
    REQUIRE(after);
    CHECK(after->batch == 3);
    CHECK(after->segment == 5);
    CHECK(after->offset == 4096);
    REQUIRE(after->companions.size() == companions);
    for (std::size_t i = 0; i < companions; ++i) {
        CHECK(after->companions[i].file == 7 + i);
        CHECK(after->companions[i].row == i);
        CHECK(std::string(after->companions[i].file_name) == before.companions[i].file_name);
    }
    REQUIRE(after->masks.size() == masks);
    for (std::size_t i = 0; i < masks; ++i) {
        CHECK((after->masks[i].segment == 9 + i && after->masks[i].offset == 8192));
        CHECK(after->masks[i].slices == before.masks[i].slices);
        CHECK(after->masks[i].turned == before.masks[i].turned);
    }
    CHECK(after->image_slices == before.image_slices);
    CHECK(after->columns == before.columns);
}

TEST_CASE("a case, a volume and a plain sample are not taken for each other") {
    const core::Bytes plain = encode(core::Sample{{}, {std::string("a")}}), volume = encode(Composite{}),
                      joined = encode(made(1, 1));
    CHECK_FALSE(decode_case(plain));
    CHECK_FALSE(decode_case(volume));
    CHECK_FALSE(decode_case({}));
    CHECK_FALSE(decode_composite(joined));
    CHECK_FALSE(decode_composite(plain));
    CHECK(decode_composite(volume));
}

TEST_CASE("a mask that lacks slices of its image shows nothing there") {
    core::Array two;
    two.shape = {1, 2, 1, 3};
    two.bytes = {1, 2, 3, 4, 5, 6};
    core::Array mask = two, whole = two;
    spread_mask(mask, {1, 3}, 4);
    CHECK(mask.shape == std::vector<std::int64_t>{1, 4, 1, 3});
    CHECK(mask.bytes == core::Bytes{0, 0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6});
    spread_mask(whole, {}, 4);
    CHECK(whole.bytes == core::Bytes{1, 2, 3, 4, 5, 6});
    CHECK_THROWS_AS(spread_mask(two, {1, 3}, 3), core::Error);
}

TEST_CASE("of two masks at one voxel the higher number stands, and it is told") {
    const auto mask = [](core::Bytes bytes) {
        core::Array out;
        out.shape = {1, 1, 4};
        out.bytes = std::move(bytes);
        return out;
    };
    core::Array all = mask({0, 1, 1, 0});
    CHECK_FALSE(add_mask(all, mask({2, 0, 1, 0})));
    CHECK(all.bytes == core::Bytes{2, 1, 1, 0});
    CHECK(add_mask(all, mask({1, 3, 0, 0})));
    CHECK(all.bytes == core::Bytes{2, 3, 1, 0});
    core::Array other = mask({0, 0, 0, 0});
    other.shape = {1, 2, 2};
    CHECK_THROWS_AS(add_mask(all, other), core::Error);
}

TEST_CASE("a case that was cut is an error of ours") {
    const core::Bytes whole = encode(made(2, 2));
    // Behind the fixed part: before it, it is no case at all.
    for (std::size_t size = 56; size < whole.size(); ++size)
        CHECK_THROWS_AS(decode_case(core::ByteView(whole).first(size)), core::Error);
}

TEST_CASE("a mask of stored pixels is turned as its picture was") {
    const core::Array stored{{1, 2, 3, 4, 5, 6}, {1, 2, 3}};
    const auto turned = [&](std::uint32_t by) {
        core::Array out = stored;
        turn_mask(out, by);
        return std::pair(out.shape, out.bytes);
    };
    using Shape = std::vector<std::int64_t>;
    CHECK(turned(1) == std::pair(Shape{1, 2, 3}, core::Bytes{1, 2, 3, 4, 5, 6}));
    CHECK(turned(2) == std::pair(Shape{1, 2, 3}, core::Bytes{3, 2, 1, 6, 5, 4}));
    CHECK(turned(3) == std::pair(Shape{1, 2, 3}, core::Bytes{6, 5, 4, 3, 2, 1}));
    // A quarter to the right: the first column, from below, is the first row.
    CHECK(turned(6) == std::pair(Shape{1, 3, 2}, core::Bytes{4, 1, 5, 2, 6, 3}));
    CHECK(turned(8) == std::pair(Shape{1, 3, 2}, core::Bytes{3, 6, 2, 5, 1, 4}));
}
