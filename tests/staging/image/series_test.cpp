#include "staging/image/series.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "staging/deid/computed.h"

using namespace staging;

namespace {

constexpr std::array<double, 6> kAxial = {1, 0, 0, 0, 1, 0};
constexpr std::array<double, 6> kSagittal = {0, 1, 0, 0, 0, -1};

Slice slice(double x, double y, double z, const std::array<double, 6>& orientation = kAxial) {
    static std::uint64_t number = 0;
    Slice out;
    out.frame.position = {x, y, z};
    out.frame.orientation = orientation;
    out.frame.spacing = {0.5, 0.75};  // between rows, between columns
    out.rows = 4;
    out.columns = 6;
    out.order = ++number;
    for (int i = 0; i < 8; ++i) out.content[i] = static_cast<std::uint8_t>(number >> 8 * i);
    return out;
}

std::vector<Slice> axial(int count, double distance, double first = 0) {
    std::vector<Slice> out;
    for (int i = 0; i < count; ++i) out.push_back(slice(-10, -20, first + i * distance));
    return out;
}

std::set<Reason> reasons(const Series& series) {
    std::set<Reason> out;
    for (const LeftOver& one : series.left) out.insert(one.reason);
    return out;
}

// Every slice is in one stack or left over, once.
void check_whole(const Series& series, std::size_t count) {
    std::vector<int> seen(count, 0);
    for (const Stack& stack : series.stacks)
        for (const std::size_t i : stack.slices) ++seen[i];
    for (const LeftOver& one : series.left) ++seen[one.slice];
    CHECK(std::ranges::all_of(seen, [](int n) { return n == 1; }));
}

}  // namespace

TEST_CASE(
    "slices are sorted along the normal, whatever order they come in, and the affine says where voxels lie") {
    auto slices = axial(5, 3, 7);
    std::mt19937 random(GENERATE(1, 2, 3));
    std::ranges::shuffle(slices, random);
    for (std::size_t i = 0; i < slices.size(); ++i) slices[i].frame.instance = static_cast<std::int64_t>(i);
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    REQUIRE(series.stacks.size() == 1);
    const Stack& stack = series.stacks[0];
    REQUIRE(stack.slices.size() == 5);
    for (std::size_t k = 0; k < 5; ++k)
        CHECK((*slices[stack.slices[k]].frame.position)[2] == 7 + 3.0 * static_cast<double>(k));
    CHECK(stack.spacing == std::array<double, 3>{3, 0.5, 0.75});
    CHECK(stack.affine == Affine{0.75, 0, 0, -10, 0, 0.5, 0, -20, 0, 0, 3, 7});
    CHECK(orientation_name(stack.affine) == "LPS");
    CHECK(stack.parts == 1);
}

TEST_CASE("a sagittal volume runs along its own normal") {
    std::vector<Slice> slices;
    for (int i = 0; i < 4; ++i) slices.push_back(slice(10 - 2.0 * i, -50, 60, kSagittal));
    const Series series = sort_series(slices);
    REQUIRE(series.stacks.size() == 1);
    // Row to the back, column to the feet: (0,1,0) x (0,0,-1) = (-1,0,0), to the right.
    CHECK(series.stacks[0].slices == std::vector<std::size_t>{0, 1, 2, 3});
    CHECK(series.stacks[0].affine == Affine{0, 0, -2, 10, 0.75, 0, 0, -50, 0, -0.5, 0, 60});
    CHECK(orientation_name(series.stacks[0].affine) == "PIR");
}

TEST_CASE("an oblique volume's name has each direction once, and every name is a category") {
    const auto names = orientation_names();
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == 48);
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    for (int round = 0; round < 500; ++round) {
        Affine affine;
        for (double& number : affine) number = normal(random);
        CHECK(std::ranges::find(names, orientation_name(affine)) != names.end());
    }
}

TEST_CASE("time points, echoes and b-values become volumes of their own") {
    const int by = GENERATE(0, 1, 2, 3, 4, 5);
    std::vector<Slice> slices;
    for (int time = 0; time < 3; ++time)
        for (Slice one : axial(4, 2)) {
            one.frame.instance = static_cast<std::int64_t>(slices.size());
            if (by == 0) one.frame.temporal = time;
            if (by == 1) one.frame.echo = time;
            if (by == 2) one.frame.b_value = time * 500.0;
            if (by == 3) one.frame.trigger_ms = time * 33.0;  // by == 4: InstanceNumber alone tells
            // Kinds of image whose numbers tell nothing: magnitude, phase, magnitude of the next slice.
            if (by == 5) one.frame.kind = time, one.frame.instance = (time + slices.size()) % 3;
            slices.push_back(one);
        }
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    REQUIRE(series.stacks.size() == 3);
    for (std::size_t part = 0; part < 3; ++part) {
        CHECK(series.stacks[part].part == part);
        CHECK(series.stacks[part].parts == 3);
        for (std::size_t k = 0; k < 4; ++k) CHECK(series.stacks[part].slices[k] == part * 4 + k);
    }
}

TEST_CASE("what differs from slice to slice tells no volumes apart") {
    auto slices = axial(6, 2);
    for (std::size_t i = 0; i < slices.size(); ++i) {
        slices[i].frame.acquisition = static_cast<std::int64_t>(i);
        slices[i].frame.trigger_ms = 10.0 * static_cast<double>(i);
    }
    CHECK(sort_series(slices).stacks.size() == 1);
}

TEST_CASE("stacks that a file declares are volumes of their own, wherever they lie") {
    const double second =
        GENERATE(8.0, 50.0, 4.0, 0.0, 5.0);  // abutting, apart, overlapping, at one place, between
    std::vector<Slice> slices = axial(4, 2);
    for (const Slice& one : axial(4, 2, second)) slices.push_back(one);
    for (std::size_t i = 0; i < slices.size(); ++i) slices[i].frame.stack = i < 4 ? 1 : 2;
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    REQUIRE(series.stacks.size() == 2);
    CHECK(series.stacks[0].slices == std::vector<std::size_t>{0, 1, 2, 3});
    CHECK(series.stacks[1].slices == std::vector<std::size_t>{4, 5, 6, 7});
    CHECK(series.stacks[1].affine[11] == second);
    // One for each slice declares nothing.
    auto each = axial(4, 2);
    for (std::size_t i = 0; i < each.size(); ++i) each[i].frame.stack = static_cast<std::int64_t>(i);
    CHECK(sort_series(each).stacks.size() == 1);
}

TEST_CASE("of a scan that was stopped the time points before are whole") {
    std::vector<Slice> slices;
    for (int time = 0; time < 4; ++time)
        for (const Slice& one : axial(time < 3 ? 4 : 2, 2)) {
            slices.push_back(one);
            slices.back().frame.temporal = time;
        }
    Series series = sort_series(slices);
    check_whole(series, slices.size());
    CHECK(series.stacks.size() == 3);
    CHECK(series.left.size() == 2);
    CHECK(reasons(series) == std::set{Reason::series_gap});
    // A hole in an earlier one is no end.
    slices.erase(slices.begin() + 5);
    series = sort_series(slices);
    CHECK(series.stacks.empty());
    CHECK(reasons(series) == std::set{Reason::series_mixed});
}

TEST_CASE("frames of one position that nothing tells apart are left out, all of them") {
    auto slices = axial(4, 2);
    slices.push_back(slice(-10, -20, 2));
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    CHECK(series.stacks.empty());
    CHECK(reasons(series) == std::set{Reason::series_mixed});
}

TEST_CASE("a slice that was sent twice is left out once, and the volume is whole") {
    auto slices = axial(4, 2);
    slices.push_back(slices[1]);
    slices.back().order = 99999;
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    REQUIRE(series.stacks.size() == 1);
    CHECK(series.stacks[0].slices == std::vector<std::size_t>{0, 1, 2, 3});
    REQUIRE(series.left.size() == 1);
    CHECK(series.left[0].slice == 4);
    CHECK(series.left[0].reason == Reason::series_duplicate);
}

TEST_CASE("a volume with a hole, with uneven slices or with a tilt is none") {
    auto gap = axial(6, 2);
    gap.erase(gap.begin() + 3);
    CHECK(reasons(sort_series(gap)) == std::set{Reason::series_gap});
    auto uneven = axial(6, 2);
    (*uneven[3].frame.position)[2] += 0.3;
    CHECK(reasons(sort_series(uneven)) == std::set{Reason::series_spacing});
    // Each distance is near the others, and their sum is not: slices would lie elsewhere than the affine says.
    std::vector<Slice> creeping;
    for (int i = 0; i < 20; ++i) creeping.push_back(slice(0, 0, i * 2 + 0.15 * std::max(i - 10, 0)));
    CHECK(reasons(sort_series(creeping)) == std::set{Reason::series_spacing});
    auto tilted = axial(6, 2);
    for (std::size_t i = 0; i < tilted.size(); ++i)
        (*tilted[i].frame.position)[1] += 0.4 * static_cast<double>(i);
    CHECK(reasons(sort_series(tilted)) == std::set{Reason::series_tilt});
    // Of a few thin slices the whole drift is small, and the angle is not.
    const double degrees = GENERATE(1.0, 5.0, 15.0, -15.0);
    const std::size_t axis = GENERATE(0U, 1U), count = GENERATE(3U, 5U);
    auto few = axial(static_cast<int>(count), 0.6);
    for (std::size_t i = 0; i < few.size(); ++i)
        (*few[i].frame.position)[axis] +=
            0.6 * static_cast<double>(i) * std::tan(degrees * 3.14159265358979 / 180);
    CHECK(reasons(sort_series(few)) == std::set{Reason::series_tilt});
    auto drifting = axial(6, 2);  // a table that is not quite level is no tilt
    for (std::size_t i = 0; i < drifting.size(); ++i)
        (*drifting[i].frame.position)[1] += 0.01 * static_cast<double>(i);
    CHECK(sort_series(drifting).stacks.size() == 1);
    auto rounded = axial(6, 2);  // as headers round positions
    for (std::size_t i = 0; i < rounded.size(); ++i) (*rounded[i].frame.position)[2] += i % 2 ? 0.05 : -0.05;
    CHECK(sort_series(rounded).stacks.size() == 1);
}

TEST_CASE("orientations, sizes and scouts of one series are told apart") {
    auto slices = axial(3, 2);
    for (int i = 0; i < 3; ++i) slices.push_back(slice(2.0 * i, 0, 0, kSagittal));
    slices.push_back(slice(0, 0, 0, {0, 0, 1, 1, 0, 0}));  // the only one of its kind
    auto scout = slice(-10, -20, 6);
    scout.localizer = true;
    slices.push_back(scout);
    auto wide = slice(-10, -20, 8);
    wide.columns = 12;
    slices.push_back(wide);
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    CHECK(series.stacks.size() == 2);
    CHECK(reasons(series) == std::set{Reason::series_single, Reason::series_localizer});
}

TEST_CASE("geometry that no scanner writes is left out and breaks nothing") {
    const double bad = GENERATE(std::numeric_limits<double>::quiet_NaN(),
                                std::numeric_limits<double>::infinity(), 3.4e9, -3.4e38);
    auto slices = axial(3, 2);
    const auto add = [&](auto change) {
        Slice one = slice(0, 0, 100);
        change(one.frame);
        slices.push_back(one);
    };
    add([&](Frame& f) { (*f.position)[1] = bad; });
    add([&](Frame& f) { (*f.orientation)[4] = bad; });
    add([&](Frame& f) { (*f.spacing)[0] = bad; });
    add([&](Frame& f) { f.position.reset(); });
    add([&](Frame& f) { f.orientation.reset(); });
    add([&](Frame& f) { f.spacing.reset(); });
    add([&](Frame& f) { f.orientation = {0, 0, 0, 0, 0, 0}; });
    add([&](Frame& f) { f.orientation = {1, 0, 0, 1, 0, 0}; });  // no normal
    add([&](Frame& f) { f.spacing = {0, 1}; });
    add([&](Frame& f) { f.spacing = {-1, 1}; });
    Slice told = slice(-10, -20, 6);
    told.frame.b_value = bad;
    told.frame.trigger_ms = bad;
    slices.push_back(told);
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    REQUIRE(series.stacks.size() == 1);
    CHECK(series.stacks[0].slices.size() == 4);
    CHECK(reasons(series) == std::set{Reason::series_geometry});
    CHECK(sort_series({}).stacks.empty());
}

TEST_CASE("slices that all lie at one place end with a reason") {
    std::vector<Slice> slices;
    for (int i = 0; i < 300; ++i) slices.push_back(slice(0, 0, 0));
    const Series series = sort_series(slices);
    check_whole(series, slices.size());
    CHECK(series.stacks.empty());
}

TEST_CASE("random places give the same outcome in every order, and every slice one end") {
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
        std::vector<Slice> slices;
        const auto draw = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
        for (int i = draw(30); i >= 0; --i) {
            Slice one = slice(draw(2), 0, draw(8), draw(4) ? kAxial : kSagittal);
            if (draw(2)) one.frame.temporal = draw(3);
            if (draw(2)) one.frame.instance = draw(5);
            slices.push_back(one);
        }
        const auto outcome = [](const std::vector<Slice>& all) {
            const Series series = sort_series(all);
            check_whole(series, all.size());
            std::set<std::vector<std::uint64_t>> out;
            for (const Stack& stack : series.stacks) {
                std::vector<std::uint64_t> orders;
                for (const std::size_t i : stack.slices) orders.push_back(all[i].order);
                out.insert(orders);
            }
            return out;
        };
        const auto first = outcome(slices);
        std::ranges::shuffle(slices, random);
        CHECK(outcome(slices) == first);
    }
}
