#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include "trainer/eval/surface.h"

namespace trainer {

// What is measured of one class in one sample, by its pixels.
struct MaskFigures {
    double pixels = 0;  // that are of the class; NaN, as all else, where the model said what is not finite
    // NaN where they are divided by nothing: Dice where the class is neither there nor said, sensitivity where it is not
    // there, precision where it is not said.
    double dice = 0, sensitivity = 0, precision = 0;
    double hd95 = 0, surface_dice = 0;  // surface_figures

    static constexpr std::size_t kCount = 6;
    std::array<double, kCount> all() const {
        return {pixels, dice, sensitivity, precision, hd95, surface_dice};
    }
};

// Dice (1945): twice the pixels that are of the class and said to be, by the pixels that are and those that are said.
MaskFigures mask_figures(std::int64_t are, std::int64_t said, std::int64_t both,
                         const SurfaceFigures& surface);

}  // namespace trainer
