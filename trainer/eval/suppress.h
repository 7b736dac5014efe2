#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace trainer {

// A set of samples whose figures may be shown. Sets are made of atoms, which have no sample in common: the
// samples of one site and one vendor.
struct FigureSet {
    std::vector<bool> atoms;  // which of them it holds
    std::int64_t patients = 0;
    int kind = 0;  // 0: the whole. Sets of one kind ("site") have no atom in common.
};

// Which of `sets` must not be shown, so that no set of fewer than `least` patients has figures, and none
// can be computed from those that are shown by any sums and differences; nor what is hidden of one kind, in
// the whole or in any set, where that is fewer than `least` patients together. The smallest are given up
// first; the whole is always shown. Of more than kMostSets, only the whole is. `sets` are not empty, and
// begin with the whole. `is_of_few`: whether the sums of these atoms tell of somebody although the patients are enough;
// such sets are as small ones.
constexpr std::size_t kMostSets = 256;
using IsOfFew = std::function<bool(const std::vector<bool>& atoms)>;
std::vector<bool> suppressed(const std::vector<FigureSet>& sets, std::int64_t least,
                             const IsOfFew& is_of_few = nullptr);

}  // namespace trainer
