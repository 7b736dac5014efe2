#include "staging/image/fit.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "core/base/error.h"
#include "staging/image/pixels.h"

namespace staging {
namespace {

std::int64_t product(const std::vector<std::int64_t>& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

template <class T>
T rounded(double value) {
    if constexpr (std::integral<T>)
        return static_cast<T>(std::clamp(std::round(value),
                                         static_cast<double>(std::numeric_limits<T>::lowest()),
                                         static_cast<double>(std::numeric_limits<T>::max())));
    else
        return static_cast<T>(value);
}

// Where the elements of an outcome's axis come from.
struct Source {
    std::int64_t low, high;
    double weight;  // of `high`
};
std::vector<Source> sources(const Stretch& axis, std::int64_t from, Interpolation interpolation) {
    std::vector<Source> out;
    for (std::int64_t o = 0; o < axis.size; ++o) {
        const double at =
            std::clamp(static_cast<double>(o) * axis.scale + axis.offset, 0.0, static_cast<double>(from - 1));
        const auto low =
            static_cast<std::int64_t>(std::floor(interpolation == Interpolation::nearest ? at + 0.5 : at));
        const std::int64_t first = std::min(low, from - 1);
        if (interpolation == Interpolation::nearest)
            out.push_back({first, first, 0});
        else
            out.push_back({first, std::min(first + 1, from - 1), at - static_cast<double>(first)});
    }
    return out;
}

// One axis after the other, in doubles: linear interpolation is separable.
std::vector<double> along(const std::vector<double>& from, std::vector<std::int64_t>& shape, std::size_t axis,
                          const Stretch& stretch, Interpolation interpolation) {
    const auto inner =
        static_cast<std::size_t>(std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                                                 shape.end(), std::int64_t{1}, std::multiplies<>()));
    const auto outer =
        static_cast<std::size_t>(product(shape)) / inner / static_cast<std::size_t>(shape[axis]);
    const auto length = static_cast<std::size_t>(shape[axis]);
    const auto sources_of = sources(stretch, shape[axis], interpolation);
    std::vector<double> out(outer * sources_of.size() * inner);
    for (std::size_t a = 0; a < outer; ++a)
        for (std::size_t o = 0; o < sources_of.size(); ++o) {
            const Source& s = sources_of[o];
            const double* low = from.data() + (a * length + static_cast<std::size_t>(s.low)) * inner;
            const double* high = from.data() + (a * length + static_cast<std::size_t>(s.high)) * inner;
            double* to = out.data() + (a * sources_of.size() + o) * inner;
            for (std::size_t i = 0; i < inner; ++i)
                to[i] = s.weight == 0 ? low[i] : low[i] * (1 - s.weight) + high[i] * s.weight;
        }
    shape[axis] = stretch.size;
    return out;
}

template <class T>
core::Array apply(const core::Array& array, const FitPlan& plan, Interpolation interpolation,
                  double padding) {
    std::vector<std::int64_t> shape = array.shape;
    std::vector<T> values(array.bytes.size() / sizeof(T));
    std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
    if (!plan.axes.empty()) {
        std::vector<double> all(values.begin(), values.end());
        for (std::size_t axis = 0; axis < plan.axes.size(); ++axis)
            all = along(all, shape, axis + 1, plan.axes[axis], interpolation);
        values.resize(all.size());
        std::ranges::transform(all, values.begin(), rounded<T>);
    }
    // Cut or filled, row by row of the last axis.
    std::vector<T> out(static_cast<std::size_t>(product(plan.shape)), rounded<T>(padding));
    const std::size_t last = shape.size() - 1;
    const std::int64_t row = plan.shape[last], rows = static_cast<std::int64_t>(out.size()) / row;
    const std::int64_t first = std::max<std::int64_t>(0, -plan.cut[last]);
    const std::int64_t end = std::min(row, shape[last] - plan.cut[last]);
    for (std::int64_t n = 0; n < rows; ++n) {
        std::int64_t rest = n, from = 0, stride = shape[last];
        bool inside = true;
        for (std::size_t axis = last; axis-- > 0;) {
            const std::int64_t at = rest % plan.shape[axis] + plan.cut[axis];
            rest /= plan.shape[axis];
            inside &= at >= 0 && at < shape[axis];
            from += at * stride;
            stride *= shape[axis];
        }
        if (!inside || first >= end) continue;
        std::copy_n(values.begin() + from + first + plan.cut[last], end - first,
                    out.begin() + n * row + first);
    }
    core::Array made;
    made.shape = plan.shape;
    made.bytes.resize(out.size() * sizeof(T));
    std::memcpy(made.bytes.data(), out.data(), made.bytes.size());
    return made;
}

}  // namespace

Stretch stretch(std::int64_t from, std::int64_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    return {to, scale, 0.5 * scale - 0.5};
}

Stretch stretch_to_spacing(std::int64_t from, double from_mm, double to_mm) {
    const double scale = to_mm / from_mm;
    const auto size =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(std::llround(static_cast<double>(from) / scale)));
    return {size, scale, 0.5 * scale - 0.5};
}

bool FitPlan::changes(const std::vector<std::int64_t>& from) const {
    return !axes.empty() || shape != from;
}

std::variant<FitPlan, Rejection> plan_fit(const FieldChoice& choice, const std::vector<std::int64_t>& shape,
                                          const std::vector<double>& spacing) {
    const core::Field& field = choice.field;
    FitPlan plan;
    plan.shape = shape;
    if (!choice.spacing.empty()) {
        const std::size_t axes = shape.size() - 1, known = choice.spacing.size();
        if (spacing.size() != axes || known > axes)
            return Rejection{Reason::missing_attribute, "PixelSpacing"};
        for (std::size_t axis = 0; axis < axes; ++axis) {
            const std::int64_t from = shape[axis + 1];
            // Several frames of an image in the plane keep their number.
            plan.axes.push_back(
                axis < axes - known
                    ? stretch(from, from)
                    : stretch_to_spacing(from, spacing[axis], choice.spacing[axis - (axes - known)]));
            plan.shape[axis + 1] = plan.axes.back().size;
            if (plan.axes.back().size > 1 << 20) return Rejection{Reason::shape_differs, field.name};
        }
    }
    plan.cut.assign(shape.size(), 0);
    if (field.ragged() || field.shape == plan.shape) return plan;
    if (field.shape.size() != plan.shape.size() || field.shape[0] != plan.shape[0] ||
        choice.fit == Fit::exact)
        return Rejection{Reason::shape_differs, field.name};
    if (choice.fit == Fit::resample) {
        plan.axes.clear();
        for (std::size_t axis = 1; axis < shape.size(); ++axis)
            plan.axes.push_back(stretch(shape[axis], field.shape[axis]));
    } else {
        for (std::size_t axis = 1; axis < shape.size(); ++axis) {
            const std::int64_t more = plan.shape[axis] - field.shape[axis];
            plan.cut[axis] = more >= 0 ? more / 2 : -((-more) / 2);
        }
    }
    plan.shape = field.shape;
    return plan;
}

double most_elements(const FitPlan& plan, std::vector<std::int64_t> shape) {
    const auto count = [](const std::vector<std::int64_t>& of) {
        return std::accumulate(of.begin(), of.end(), 1.0, [](double all, std::int64_t extent) {
            return all * static_cast<double>(extent);
        });
    };
    double most = std::max(count(shape), count(plan.shape));
    for (std::size_t axis = 0; axis < plan.axes.size(); ++axis) {
        shape[axis + 1] = plan.axes[axis].size;
        most = std::max(most, count(shape));
    }
    return most;
}

core::Array apply_fit(const core::Array& array, core::DType dtype, const FitPlan& plan,
                      Interpolation interpolation, double padding) {
    return core::with_type(dtype, [&](auto zero) -> core::Array {
        using T = decltype(zero);
        // Not all of them are doubles; the definition refuses it.
        if constexpr (std::is_same_v<T, std::int64_t>)
            throw core::Error(core::Fault::bug, "an array of this type cannot be fitted");
        else
            return apply<T>(array, plan, interpolation, padding);
    });
}

Affine fitted_affine(const Affine& affine, const FitPlan& plan) {
    Affine out = affine;
    if (plan.shape.size() != 4) return out;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const Stretch s = plan.axes.empty() ? Stretch{} : plan.axes[axis];
        const auto cut = static_cast<double>(plan.cut[axis + 1]);
        const std::size_t column = 2 - axis;  // arrays begin with k, affines with i
        for (std::size_t row = 0; row < 3; ++row) {
            out[row * 4 + column] = affine[row * 4 + column] * s.scale;
            out[row * 4 + 3] += affine[row * 4 + column] * (cut * s.scale + s.offset);
        }
    }
    return out;
}

}  // namespace staging
