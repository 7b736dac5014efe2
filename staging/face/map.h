#pragma once
#include <array>

namespace staging {

// Linear part and translation, row by row: y = a[0] x0 + a[1] x1 + a[2] x2 + a[3], ...
using Map = std::array<double, 12>;
std::array<double, 3> mapped(const Map& map, const std::array<double, 3>& point) noexcept;
double determinant(const Map& map) noexcept;              // of the linear part
Map inverse(const Map& map);                              // throws Error(bug) of a map that has none
Map after(const Map& second, const Map& first) noexcept;  // second(first(x))

}  // namespace staging
