#include "staging/work/case.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/work/composite.h"
#include "staging/work/spill.h"

using namespace staging;

namespace {

Case made(std::size_t companions, bool mask) {
    Case out;
    out.batch = 3, out.segment = 5, out.offset = 4096;
    for (std::size_t i = 0; i < companions; ++i)
        out.companions.push_back({7 + i, i, {'a', static_cast<char>('b' + i)}});
    if (mask) out.mask = Case::Place{9, 8192};
    if (mask) out.mask_slices = {1, 3}, out.image_slices = 4;
    out.columns = {std::string("benign"), {}, 1.5, std::int64_t{19000}};
    return out;
}

}  // namespace

TEST_CASE("a case waits with all that was joined to its image") {
    const std::size_t companions = GENERATE(0, 1, 2);
    const bool mask = GENERATE(false, true);
    const Case before = made(companions, mask);
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
    REQUIRE(after->mask.has_value() == mask);
    if (mask) CHECK((after->mask->segment == 9 && after->mask->offset == 8192));
    CHECK(after->mask_slices == before.mask_slices);
    CHECK(after->image_slices == before.image_slices);
    CHECK(after->columns == before.columns);
}

TEST_CASE("a case, a volume and a plain sample are not taken for each other") {
    const core::Bytes plain = encode(core::Sample{{}, {std::string("a")}}), volume = encode(Composite{}),
                      joined = encode(made(1, true));
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
    spread_mask(mask, made(0, true));
    CHECK(mask.shape == std::vector<std::int64_t>{1, 4, 1, 3});
    CHECK(mask.bytes == core::Bytes{0, 0, 0, 1, 2, 3, 0, 0, 0, 4, 5, 6});
    spread_mask(whole, made(0, false));
    CHECK(whole.bytes == core::Bytes{1, 2, 3, 4, 5, 6});
    Case beyond = made(0, true);
    beyond.image_slices = 3;
    CHECK_THROWS_AS(spread_mask(mask, beyond), core::Error);
}

TEST_CASE("a case that was cut is an error of ours") {
    const core::Bytes whole = encode(made(2, true));
    // Behind the fixed part: before it, it is no case at all.
    for (std::size_t size = 80; size < whole.size(); ++size)
        CHECK_THROWS_AS(decode_case(core::ByteView(whole).first(size)), core::Error);
}
