#include "staging/face/volume.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "staging/image/cut.h"

using namespace staging;

namespace {

HeadVolume block(std::array<std::int64_t, 3> size, double spacing) {
    HeadVolume out;
    out.grid = {{spacing, 0, 0, 10, 0, spacing, 0, 20, 0, 0, spacing, 30}, size};
    out.values.resize(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    return out;
}

}  // namespace

TEST_CASE(
    "a coarser lattice has the means of whole blocks, and its first voxel in the middle of the first one") {
    HeadVolume volume = block({2, 4, 7}, 2);
    for (std::size_t n = 0; n < volume.values.size(); ++n) volume.values[n] = static_cast<float>(n % 7 / 2);
    const Lattice out = coarser(volume, 4);
    CHECK(out.size == std::array<std::int64_t, 3>{3, 2, 1});  // the seventh column is less than a block
    CHECK(out.spacing == std::array<double, 3>{4, 4, 4});
    CHECK(out.origin == std::array<double, 3>{1, 1, 1});
    CHECK(out.values == std::vector<float>{0, 1, 2, 0, 1, 2});
}

TEST_CASE("the threshold of air lies between what there is little of and what there is nothing of") {
    Lattice lattice{{100, 1, 1}, {1, 1, 1}, {}, std::vector<float>(100, -1000)};
    for (std::size_t n = 40; n < 100; ++n) lattice.values[n] = 40 + static_cast<float>(n % 5);
    CHECK(air_threshold(lattice) > -1000);
    CHECK(air_threshold(lattice) < 40);
    lattice.values.assign(100, 7);
    CHECK(air_threshold(lattice) == 7);  // of nothing but one value nothing is above it
}

TEST_CASE("what hangs by a thread is opened off, and the largest part is what stays") {
    const std::array<std::int64_t, 3> size{12, 5, 5};
    std::vector<std::uint8_t> voxels(300);
    const auto at = [&](int i, int j, int k) -> std::uint8_t& {
        return voxels[static_cast<std::size_t>((k * 5 + j) * 12 + i)];
    };
    for (int k = 1; k < 4; ++k)
        for (int j = 1; j < 4; ++j)
            for (int i = 1; i < 5; ++i) at(i, j, k) = 1;
    for (int i = 5; i < 12; ++i) at(i, 2, 2) = 1;
    const auto whole = largest_component(voxels, size);
    CHECK(std::count(whole.begin(), whole.end(), 1) == 43);
    auto out = opened(voxels, size, 1);
    CHECK(std::count(out.begin(), out.end(), 1) == 36);
    out[static_cast<std::size_t>((2 * 5 + 2) * 12 + 11)] = 1;  // a part of its own
    CHECK(std::count(out.begin(), out.end(), 1) == 37);
    out = largest_component(out, size);
    CHECK(std::count(out.begin(), out.end(), 1) == 36);
    CHECK(out[static_cast<std::size_t>((2 * 5 + 2) * 12 + 11)] == 0);
}

TEST_CASE("what lies beyond a plane is cut off, in every channel, and nothing else") {
    HeadVolume volume = block({2, 3, 4}, 2);
    Cut cut;
    for (auto& plane : cut.planes) plane = {0, 0, 0, 1};
    cut.planes[1] = {1, 0, 0, 13};  // x > 13: i of 2 and 3
    core::Array array{{2, 2, 3, 4}, {}};
    std::vector<std::int16_t> values(48, 5);
    array.bytes.assign(reinterpret_cast<const std::uint8_t*>(values.data()),
                       reinterpret_cast<const std::uint8_t*>(values.data() + values.size()));
    const core::Array before = array;
    cut_off(array, core::DType::i16, volume.grid, cut, -1000);
    CHECK(array.bytes == before.bytes);  // it is not made
    cut.is_made = 1;
    cut_off(array, core::DType::i16, volume.grid, cut, -1000);
    const std::vector<float> out = real_numbers(array, core::DType::i16);
    for (std::size_t n = 0; n < out.size(); ++n) CHECK(out[n] == (n % 4 >= 2 ? -1000 : 5));
}

TEST_CASE("what stands in place of a face is of the field's type") {
    const HeadVolume volume = block({1, 1, 2}, 2);
    Cut cut;
    cut.is_made = 1;
    for (auto& plane : cut.planes) plane = {1, 0, 0, 0};
    const auto filled = [&](auto one, core::DType dtype, double value) {
        core::Array array{{1, 1, 1, 2}, {}};
        array.bytes.resize(2 * sizeof one);
        cut_off(array, dtype, volume.grid, cut, value);
        std::memcpy(&one, array.bytes.data() + sizeof one, sizeof one);
        return one;
    };
    CHECK(filled(std::uint8_t{}, core::DType::u8, 300) == 255);
    CHECK(filled(std::uint16_t{}, core::DType::u16, -5) == 0);
    CHECK(filled(std::int32_t{}, core::DType::i32, 2147483648.0) == 2147483647);
    CHECK(filled(std::int64_t{}, core::DType::i64, 9.3e18) == std::numeric_limits<std::int64_t>::max());
    CHECK(filled(float{}, core::DType::f32, -0.5) == -0.5F);
}
