#pragma once
#include <vector>

namespace core {

// Holm (1979): each probability as it is where so many are looked at.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace core
