// Where patches of the training split are centred.
#include "trainer/engine/patch.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "trainer/engine/results.h"
#include "trainer/made_world.h"

using namespace trainer;
using core::Comm;

namespace {

constexpr std::int64_t kSamples = 6;
const std::vector<std::int64_t> kShape{7, 20, 30};

// Of sample 0 nothing; of the others a line of class 1 and, of the odd ones, many pixels of class 2.
std::vector<std::uint8_t> mask(std::int64_t sample) {
    std::vector<std::uint8_t> out(7 * 20 * 30, 0);
    if (sample == 0) return out;
    for (std::size_t x = 0; x < 5; ++x) out[static_cast<std::size_t>(sample) * 600 + 90 + x] = 1;
    if (sample % 2 == 1)
        for (std::size_t i = 0; i < 600; ++i) out[i] = 2;
    return out;
}

Foreground all_of(const Comm& comm, double share, std::uint64_t seed = 3) {
    Foreground out(share, seed);
    for (std::int64_t sample = comm.rank(); sample < kSamples; sample += comm.size())
        out.add(sample, mask(sample), kShape);
    out.merge(comm);
    return out;
}

std::uint8_t class_at(std::int64_t sample, const std::vector<std::int64_t>& at) {
    return mask(sample)[static_cast<std::size_t>((at[0] * 20 + at[1]) * 30 + at[2])];
}

}  // namespace

TEST_CASE("patches are centred on pixels of classes, of each class alike, in the share that is asked for") {
    const Comm comm(MPI_COMM_WORLD);
    const Foreground foreground = all_of(comm, 0.4);
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
        std::map<std::uint8_t, int> of;
        std::set<std::vector<std::int64_t>> places;
        int anywhere = 0;
        for (std::int64_t draw = 0; draw < 2000; ++draw) {
            const auto at = foreground.centre(draw, sample);
            if (at.empty()) {
                ++anywhere;
                continue;
            }
            ++of[class_at(sample, at)];
            places.insert(at);
        }
        CHECK(of.count(0) == 0);
        if (sample == 0) {
            CHECK(anywhere == 2000);
            continue;
        }
        CHECK((anywhere > 1120 && anywhere < 1280));
        CHECK(of.size() == (sample % 2 == 1 ? 2 : 1));
        if (sample % 2 == 1) CHECK((of[1] > 320 && of[2] > 320));
        CHECK(places.size() <= 5 + Foreground::kKept);
        CHECK(places.size() > (sample % 2 == 1 ? 150 : 4));  // from all of the class
    }
}

TEST_CASE("where patches are is a function of seed, draw and sample, on any number of ranks") {
    const Comm comm(MPI_COMM_WORLD), alone(MPI_COMM_SELF);
    const Foreground ours = all_of(comm, 0.7), one = all_of(alone, 0.7), other = all_of(alone, 0.7, 4);
    int differ = 0;
    for (std::int64_t sample = 0; sample < kSamples; ++sample)
        for (std::int64_t draw = 0; draw < 50; ++draw) {
            CHECK(ours.centre(draw, sample) == one.centre(draw, sample));
            differ += ours.centre(draw, sample) != other.centre(draw, sample);
        }
    CHECK(differ > 100);
}

TEST_CASE("what stands around a sample is said, or 0 where no value is below it") {
    const auto padding = [](core::DType dtype, const std::string& more) {
        const MadeWorld world(made::images({1, 6, 5}, dtype), {4});
        Recipe recipe = world.recipe(
            "[data]\nmask = \"image\"\n[task]\nname = \"segmentation\"\nclasses = [\"a\", "
            "\"b\"]\n[patch]\nsize = "
            "[4, 4]\n" +
            more);
        settle_padding(recipe, *world.dataset);
        return recipe.patch.padding;
    };
    for (const auto dtype : {core::DType::u8, core::DType::u16, core::DType::u32})
        CHECK(padding(dtype, "") == 0);
    for (const auto dtype : {core::DType::i16, core::DType::i32, core::DType::f32}) {
        CHECK_THROWS_WITH(padding(dtype, ""), Catch::Contains("patch.padding"));
        CHECK(padding(dtype, "padding = -1000\n") == -1000);
    }
}
