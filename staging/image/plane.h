#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "staging/read/record.h"

namespace staging {

// Stored values from, to that stand for no measurement, as Record has them.
using Padding = std::optional<std::array<double, 2>>;

// One channel of one frame, 0 to 32767: stored values in their order, from the frame's lowest. Equal values stay equal.
// Floating-point values and those of more than 15 bits are scaled: 0 and 32767 are one range below and above the range
// that all but the thousandth part at both ends lie in, so that a few far ones do not hide the others. Padding and what is not
// finite has the lowest hundredth's value where it reaches the frame's edge; elsewhere padding is a value like others, and what
// is not finite is the highest. Rows stand `stride` apart, with a margin of zeros around them, so that
// what lies outside of the frame is as low as its lowest value.
struct Plane {
    static constexpr int kMargin = 3;
    int rows = 0, columns = 0, stride = 0;
    std::vector<std::int16_t> values;

    Plane() = default;
    Plane(int height, int width);
    std::int16_t* row(int y) { return values.data() + std::ptrdiff_t{y + kMargin} * stride + kMargin; }
    const std::int16_t* row(int y) const {
        return values.data() + std::ptrdiff_t{y + kMargin} * stride + kMargin;
    }
};
// The lowest and the highest of its values without the hundredth part at both ends, from a sample of them.
std::array<int, 2> ends_of(const Plane& plane);
int range_of(const Plane& plane);  // between them
// Throws Error(bug) if the pixels lack their bytes, that frame or that channel.
Plane plane_of(const Pixels& pixels, std::uint32_t frame, std::uint32_t channel, const Padding& padding = {});

}  // namespace staging
