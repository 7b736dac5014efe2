#pragma once
#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/image/series.h"

namespace staging {

enum class Interpolation { nearest, linear };

// How one axis of an array is stretched: element o of the outcome lies at o x scale + offset in what was there.
// Voxels are areas, not points: both ends of an axis stay where they are.
struct Stretch {
    std::int64_t size = 0;  // of the outcome
    double scale = 1, offset = 0;
};
Stretch stretch(std::int64_t from, std::int64_t to);
// To voxels of `to_mm`: as many as round(from x from_mm / to_mm), at least one.
Stretch stretch_to_spacing(std::int64_t from, double from_mm, double to_mm);

// What becomes of an array of the field: first resampled to the field's spacing, then fitted to its shape.
struct FitPlan {
    std::vector<Stretch> axes;        // of the array's axes behind the channels; empty: not resampled
    std::vector<std::int64_t> shape;  // at the end
    std::vector<std::int64_t> cut;    // elements before the first one that stays; negative: filled
    bool changes(const std::vector<std::int64_t>& from) const;
};

// `spacing` in mm of the axes behind the channels; empty: not known, and a field that asks for one takes no such
// array. The reason why the array cannot be fitted: shape_differs, missing_attribute.
std::variant<FitPlan, Rejection> plan_fit(const FieldChoice& choice, const std::vector<std::int64_t>& shape,
                                          const std::vector<double>& spacing);

// Elements of the largest array on the way from one of `shape`: itself, resampled along one axis after another, fitted. Not a
// whole number: it may be more than any holds.
double most_elements(const FitPlan& plan, std::vector<std::int64_t> shape);

// Linear (nearest for masks), edges repeated: scipy.ndimage.affine_transform(mode="nearest") to 1e-5. Integers
// are rounded to the nearest, halves away from zero. What is filled has the value `padding`.
core::Array apply_fit(const core::Array& array, core::DType dtype, const FitPlan& plan,
                      Interpolation interpolation, double padding);

// The affine of what apply_fit gives, for arrays [C, D, H, W].
Affine fitted_affine(const Affine& affine, const FitPlan& plan);

}  // namespace staging
