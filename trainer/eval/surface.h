#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace trainer {

// How far the surfaces of a class in two masks of one sample lie from each other. The surface: pixels of the class of which
// a neighbour along an axis is not, or which lie at the sample's edge. NaN both where the class is in neither mask; where it
// is in one alone, `hd95` is the sample's diagonal, the greatest distance in it, and `dice` is 0.
struct SurfaceFigures {
    // The greater of the 95th percentiles (linear between ranks) of the distances from each surface to the other, in the
    // spacing's unit (Maier-Hein et al. 2024, Metrics Reloaded, doi 10.1038/s41592-023-02151-z).
    double hd95 = 0;
    // Normalised surface distance: the share of both surfaces within `tolerance` of the other (Nikolov et al. 2021, doi
    // 10.2196/26151, by pixels).
    double dice = 0;
};

// Of each class from 1 to below `classes`. `are` and `said`: [shape] numbers of classes, C order; `spacing` of pixels and
// `tolerance` in one unit; `went_on` is called after each class. Exact; linear in the boxes around the classes, about 15
// bytes a pixel of the greatest: a class that fills 512 x 512 x 300 takes half a minute and 1.2 GB. Throws Error(bug) if
// sizes differ.
std::vector<SurfaceFigures> surface_figures(std::span<const std::uint8_t> are,
                                            std::span<const std::uint8_t> said, std::size_t classes,
                                            const std::vector<std::int64_t>& shape,
                                            const std::vector<double>& spacing, double tolerance,
                                            const std::function<void()>& went_on);

}  // namespace trainer
