#include "staging/image/fit.h"

#include <catch2/catch.hpp>
#include <cstring>

using namespace staging;

namespace {

FieldChoice field(std::vector<std::int64_t> shape, Fit fit, core::DType dtype = core::DType::i16) {
    FieldChoice choice;
    choice.field = {"image", dtype, std::move(shape), ""};
    choice.fit = fit;
    return choice;
}

template <class T>
core::Array array(std::vector<std::int64_t> shape, std::vector<T> values) {
    core::Array out;
    out.shape = std::move(shape);
    out.bytes.resize(values.size() * sizeof(T));
    std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
    return out;
}

template <class T>
std::vector<T> values_of(const core::Array& array) {
    std::vector<T> out(array.bytes.size() / sizeof(T));
    std::memcpy(out.data(), array.bytes.data(), array.bytes.size());
    return out;
}

FitPlan plan(const FieldChoice& choice, const std::vector<std::int64_t>& shape,
             std::vector<double> spacing = {}) {
    return std::get<FitPlan>(plan_fit(choice, shape, spacing));
}

Reason reason(const FieldChoice& choice, const std::vector<std::int64_t>& shape) {
    const auto out = plan_fit(choice, shape, {});
    const auto* rejection = std::get_if<Rejection>(&out);
    return rejection ? rejection->reason : Reason::none;
}

}  // namespace

TEST_CASE("another shape than the field's is left out, unless the field says how to fit it") {
    CHECK(reason(field({1, 2, 2}, Fit::exact), {1, 2, 2}) == Reason::none);
    CHECK(reason(field({1, 2, 2}, Fit::exact), {1, 1, 4}) == Reason::shape_differs);
    CHECK(reason(field({}, Fit::exact), {1, 1, 4}) == Reason::none);
    CHECK(reason(field({1, 2, 2}, Fit::crop_pad), {1, 1, 4}) == Reason::none);
    CHECK(reason(field({1, 2, 2}, Fit::resample), {1, 1, 4}) == Reason::none);
    CHECK(reason(field({1, 2, 2}, Fit::resample), {3, 2, 2}) == Reason::shape_differs);     // colours
    CHECK(reason(field({1, 2, 2}, Fit::resample), {1, 1, 2, 2}) == Reason::shape_differs);  // a volume
    FieldChoice spaced = field({}, Fit::exact);
    spaced.spacing = {1, 1};
    CHECK(reason(spaced, {1, 4, 4}) == Reason::missing_attribute);
}

TEST_CASE("cropping takes the middle, padding fills evenly around it") {
    const auto from = array<std::int16_t>({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
    const auto choice = field({1, 3, 2}, Fit::crop_pad);
    const auto out = apply_fit(from, choice.field.dtype, plan(choice, from.shape), Interpolation::linear, -9);
    CHECK(out.shape == std::vector<std::int64_t>{1, 3, 2});
    CHECK(values_of<std::int16_t>(out) == std::vector<std::int16_t>{2, 3, 6, 7, -9, -9});
    const auto wide = field({1, 1, 7}, Fit::crop_pad);
    CHECK(values_of<std::int16_t>(
              apply_fit(from, wide.field.dtype, plan(wide, from.shape), Interpolation::linear, 0)) ==
          std::vector<std::int16_t>{0, 1, 2, 3, 4, 0, 0});
}

TEST_CASE("resampling keeps both ends where they are, and integers are rounded") {
    const auto from = array<std::int16_t>({1, 1, 4}, {0, 10, 20, 31});
    const auto half = field({1, 1, 2}, Fit::resample);
    CHECK(values_of<std::int16_t>(
              apply_fit(from, half.field.dtype, plan(half, from.shape), Interpolation::linear, 0)) ==
          std::vector<std::int16_t>{5, 26});  // 25.5 away from zero
    CHECK(values_of<std::int16_t>(apply_fit(from, half.field.dtype, plan(half, from.shape),
                                            Interpolation::nearest, 0)) == std::vector<std::int16_t>{10, 31});
    const auto twice = field({1, 1, 8}, Fit::resample, core::DType::f32);
    const auto reals = array<float>({1, 1, 4}, {0, 10, 20, 30});
    CHECK(values_of<float>(
              apply_fit(reals, twice.field.dtype, plan(twice, reals.shape), Interpolation::linear, 0)) ==
          std::vector<float>{0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30});
}

TEST_CASE("an array that fits already is not touched") {
    const auto choice = field({1, 2, 2}, Fit::resample);
    CHECK_FALSE(plan(choice, {1, 2, 2}).changes({1, 2, 2}));
}

TEST_CASE("the affine of a fitted volume says where its voxels lie") {
    const Affine affine = {0.75, 0, 0, -10, 0, 0.5, 0, -20, 0, 0, 3, 7};
    // Two slices filled in front, rows cut by one, columns doubled in size.
    const auto padded = field({1, 8, 2, 6}, Fit::crop_pad);
    const Affine cut = fitted_affine(affine, plan(padded, {1, 4, 4, 6}));
    CHECK(cut == Affine{0.75, 0, 0, -10, 0, 0.5, 0, -19.5, 0, 0, 3, 1});
    FieldChoice spaced = field({}, Fit::exact);
    spaced.spacing = {3, 0.5, 1.5};
    const FitPlan coarse = plan(spaced, {1, 4, 4, 6}, {3, 0.5, 0.75});
    CHECK(coarse.shape == std::vector<std::int64_t>{1, 4, 4, 3});
    // The first of two voxels that are joined begins at -10 - 0.375; the middle of both is at -10 + 0.375.
    CHECK(fitted_affine(affine, coarse) == Affine{1.5, 0, 0, -9.625, 0, 0.5, 0, -20, 0, 0, 3, 7});
}
