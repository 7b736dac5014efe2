#include "trainer/eval/surface.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace trainer {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();
using Shape = std::vector<std::int64_t>;

std::vector<std::int64_t> strides_of(const Shape& shape) {
    std::vector<std::int64_t> out(shape.size(), 1);
    for (std::size_t a = shape.size(); a-- > 1;) out[a - 1] = out[a] * shape[a];
    return out;
}

// Every place of a grid in C order.
template <class Work>
void each_place(const Shape& shape, const Work& work) {
    Shape at(shape.size(), 0);
    for (bool is_there = true; is_there;) {
        work(at);
        std::size_t a = shape.size();
        while (a > 0 && ++at[a - 1] == shape[a - 1]) at[--a] = 0;
        is_there = a > 0;
    }
}

// The box that holds a class of one of two masks.
struct Box {
    Shape origin, extent;  // empty if it is in neither
};
// Of each class below `classes`, in one pass.
std::vector<Box> boxes_of(std::span<const std::uint8_t> are, std::span<const std::uint8_t> said,
                          std::size_t classes, const Shape& shape) {
    std::vector<Shape> least(classes, shape), most(classes, Shape(shape.size(), -1));
    Shape lines(shape.begin(), shape.end() - 1);
    lines.push_back(1);
    std::size_t i = 0;
    each_place(lines, [&](Shape at) {
        for (at.back() = 0; at.back() < shape.back(); ++at.back(), ++i)
            for (const std::uint8_t c : {are[i], said[i]}) {
                if (c == 0 || c >= classes) continue;
                for (std::size_t a = 0; a < shape.size(); ++a) {
                    least[c][a] = std::min(least[c][a], at[a]);
                    most[c][a] = std::max(most[c][a], at[a]);
                }
            }
    });
    std::vector<Box> out(classes);
    for (std::size_t c = 1; c < classes; ++c) {
        if (most[c][0] < 0) continue;
        out[c].origin = least[c];
        for (std::size_t a = 0; a < shape.size(); ++a) out[c].extent.push_back(most[c][a] - least[c][a] + 1);
    }
    return out;
}

// [extent of the box]: 1 where the class has its surface. Beyond the box it is not.
std::vector<std::uint8_t> surface_of(std::span<const std::uint8_t> mask, std::uint8_t c, const Shape& shape,
                                     const Box& box) {
    const auto strides = strides_of(shape);
    std::vector<std::uint8_t> out;
    each_place(box.extent, [&](const Shape& at) {
        std::int64_t place = 0;
        for (std::size_t a = 0; a < shape.size(); ++a) place += (box.origin[a] + at[a]) * strides[a];
        const auto is = [&](std::int64_t there) { return mask[static_cast<std::size_t>(there)] == c; };
        bool is_surface = false;
        if (is(place))
            for (std::size_t a = 0; a < shape.size() && !is_surface; ++a)
                is_surface = at[a] == 0 || at[a] + 1 == box.extent[a] || !is(place - strides[a]) ||
                             !is(place + strides[a]);
        out.push_back(is_surface);
    });
    return out;
}

// The lower envelope of parabolas of width `spacing` along one line (Felzenszwalb and Huttenlocher 2012, doi
// 10.4086/toc.2012.v008a019): `line` [n] in and out, the others [n] to work in.
void transform_line(std::vector<double>& line, std::vector<std::size_t>& vertex, std::vector<double>& from,
                    std::vector<double>& height, double spacing) {
    const double square = spacing * spacing;
    std::size_t count = 0;  // parabolas in the envelope
    for (std::size_t q = 0; q < line.size(); ++q) {
        if (line[q] == kFar) continue;
        double begin = -kFar;
        while (count > 0) {
            const std::size_t v = vertex[count - 1];
            const auto width = static_cast<double>(q - v), middle = static_cast<double>(q + v) / 2;
            begin = middle + (line[q] - line[v]) / (2 * square * width);
            if (begin > from[count - 1]) break;
            --count;
            begin = -kFar;
        }
        vertex[count] = q;
        from[count++] = begin;
    }
    if (count == 0) return;
    for (std::size_t k = 0; k < count; ++k) height[k] = line[vertex[k]];
    std::size_t k = 0;
    for (std::size_t p = 0; p < line.size(); ++p) {
        const auto place = static_cast<double>(p);
        while (k + 1 < count && from[k + 1] < place) ++k;
        const double apart = place - static_cast<double>(vertex[k]);
        line[p] = height[k] + square * apart * apart;
    }
}

// [extent]: squared distance to the nearest pixel of `surface`, which has one.
std::vector<double> distances_to(const std::vector<std::uint8_t>& surface, const Shape& extent,
                                 const std::vector<double>& spacing) {
    std::vector<double> out(surface.size());
    std::transform(surface.begin(), surface.end(), out.begin(), [](auto is) { return is ? 0 : kFar; });
    const auto strides = strides_of(extent);
    for (std::size_t axis = 0; axis < extent.size(); ++axis) {
        const auto length = static_cast<std::size_t>(extent[axis]),
                   stride = static_cast<std::size_t>(strides[axis]);
        std::vector<double> line(length), from(length), height(length);
        std::vector<std::size_t> vertex(length);
        for (std::size_t first = 0; first < out.size(); ++first) {
            if (first / stride % length != 0) {  // no beginning of a line: to the next one
                first += stride * (length - 1) - 1;
                continue;
            }
            for (std::size_t i = 0; i < length; ++i) line[i] = out[first + i * stride];
            transform_line(line, vertex, from, height, spacing[axis]);
            for (std::size_t i = 0; i < length; ++i) out[first + i * stride] = line[i];
        }
    }
    return out;
}

// From each pixel of one surface to the other.
std::vector<double> distances(const std::vector<std::uint8_t>& of, const std::vector<std::uint8_t>& to,
                              const Shape& extent, const std::vector<double>& spacing) {
    const std::vector<double> square = distances_to(to, extent, spacing);
    std::vector<double> out;
    for (std::size_t i = 0; i < of.size(); ++i)
        if (of[i]) out.push_back(std::sqrt(square[i]));
    return out;
}

double percentile95(std::vector<double> values) {
    const double rank = 0.95 * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(rank);
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(low);
    std::nth_element(values.begin(), at, values.end());
    if (low + 1 == values.size()) return *at;
    const double next = *std::min_element(at + 1, values.end());
    return *at + (rank - static_cast<double>(low)) * (next - *at);
}

SurfaceFigures figures_in(const Box& box, std::span<const std::uint8_t> are,
                          std::span<const std::uint8_t> said, std::uint8_t of_class, const Shape& shape,
                          const std::vector<double>& spacing, double tolerance) {
    if (box.extent.empty()) return {NAN, NAN};
    const auto truth = surface_of(are, of_class, shape, box), told = surface_of(said, of_class, shape, box);
    const auto is_in = [](const std::vector<std::uint8_t>& surface) {
        return std::find(surface.begin(), surface.end(), 1) != surface.end();
    };
    if (!is_in(truth) || !is_in(told)) {
        double diagonal = 0;
        for (std::size_t a = 0; a < shape.size(); ++a)
            diagonal += std::pow(static_cast<double>(shape[a] - 1) * spacing[a], 2);
        return {std::sqrt(diagonal), 0};
    }
    const auto there = distances(truth, told, box.extent, spacing),
               back = distances(told, truth, box.extent, spacing);
    const double reach = tolerance * (1 + 1e-9);  // a distance of just that, as it is rounded
    std::ptrdiff_t near = 0;
    for (const auto* each : {&there, &back})
        near += std::count_if(each->begin(), each->end(), [&](double d) { return d <= reach; });
    return {std::max(percentile95(there), percentile95(back)),
            static_cast<double>(near) / static_cast<double>(there.size() + back.size())};
}

}  // namespace

std::vector<SurfaceFigures> surface_figures(std::span<const std::uint8_t> are,
                                            std::span<const std::uint8_t> said, std::size_t classes,
                                            const Shape& shape, const std::vector<double>& spacing,
                                            double tolerance, const std::function<void()>& went_on) {
    std::int64_t pixels = 1;
    for (const std::int64_t axis : shape) pixels *= axis;
    if (shape.empty() || pixels < 1 || std::ssize(are) != pixels || std::ssize(said) != pixels ||
        spacing.size() != shape.size())
        throw core::Error(core::Fault::bug, "masks of other sizes were compared");
    const std::vector<Box> boxes = boxes_of(are, said, classes, shape);
    std::vector<SurfaceFigures> out;
    for (std::size_t c = 1; c < classes; ++c) {
        out.push_back(
            figures_in(boxes[c], are, said, static_cast<std::uint8_t>(c), shape, spacing, tolerance));
        went_on();
    }
    return out;
}

}  // namespace trainer
