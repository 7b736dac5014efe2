#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "staging/read/record.h"

namespace staging {

// One channel of one frame, 0 to 32767: stored values in their order, from the frame's lowest. Equal values stay equal;
// of more than 15 bits the lowest are lost. Rows stand `stride` apart, with a margin of zeros around them, so that
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
// The range of its values without the hundredth part at both ends, from a sample of them.
int range_of(const Plane& plane);
// Throws Error(bug) if the pixels lack their bytes, that frame or that channel.
Plane plane_of(const Pixels& pixels, std::uint32_t frame, std::uint32_t channel);

}  // namespace staging
