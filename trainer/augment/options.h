#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/config.h"

namespace trainer {

// One [[augment]] of a recipe: a transform, how often, and how much of it.
struct AugmentOptions {
    std::string name;
    double chance = 0;              // of a sample to be changed; of flip, along each axis
    double least = 0, most = 0;     // of what is drawn, uniformly; the transform says what that is
    std::vector<std::string> axes;  // "x" (columns), "y" (rows), "z" (slices); empty: all that there are
    std::vector<double>
        spacing;  // of rows and columns, or slices, rows and columns: lengths of a pixel's sides

    double smoothness = 0;  // of elastic: deviation of the Gaussian that smooths it, in pixels
    double foreground =
        0;  // of crop: share of them that are around a pixel of a class, of samples with masks

    // Throws Error(usage).
    static std::vector<AugmentOptions> from(const std::vector<core::Config>& rows);
    nlohmann::ordered_json told() const;  // for the identity of a run
};

constexpr double kSmoothness = 8;  // of elastic, where a recipe says none

// One row a transform: what it draws, its defaults, and which keys it knows besides name and chance.
struct AugmentKind {
    enum class Draws { nothing, up_to, between };  // up_to: from -most to most; between: from least to most
    std::string_view name, meaning;
    Draws draws;
    double chance, least, most;  // defaults
    double lowest, highest;      // what least and most may be
    bool has_axes = false, has_spacing = false, has_smoothness = false, has_foreground = false;
};
const std::vector<AugmentKind>& augment_kinds();

}  // namespace trainer
