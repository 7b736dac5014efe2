#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "staging/risk/policy.h"

namespace staging {

// The values of one quasi-identifier and what each becomes, step by step (full-domain generalisation: Samarati 2001).
// Values are told by numbers from 0; at each level fewer of them are told apart, never other ones.
struct Hierarchy {
    struct Level {
        std::string name;                  // "as it is", "bands of 10", "parts 1", "month", "first 3", "*"
        std::vector<std::uint32_t> codes;  // what each of the values is here
        std::vector<std::string> values;   // how that is written, by code, in the order of the first of them
        std::int64_t width = 0;            // of bands
    };
    std::string column;
    std::vector<Level> levels;  // the first: the values as they are. The last may be "*"
    // Of each value, whether only people beside the table have it; empty: none. These change no loss.
    std::vector<bool> is_beside{};
    std::vector<std::vector<std::int64_t>> losses() const;
};

// What one value loses, in these parts of 1: the values that it can be beside itself, of all others. The normalised
// certainty penalty of categories (Xu et al., KDD 2006), here of numbers too: values count, not the width of a band. Whole
// numbers, so that sums are the same in any order.
inline constexpr std::int64_t kWholeLoss = 1 << 20;

// `values`: each that the column can have, told apart; whole numbers, bands ("20-24", "90+"), dates (2024-05-31, 20240531)
// or words. What a rule cannot read stays as it is up to "*". Throws Error(usage), which names the column and no value,
// if it can read none, or if it cuts a band in two.
Hierarchy make_hierarchy(const std::string& column, const std::vector<std::string>& values,
                         const HierarchyRule& rule);
// A quasi-identifier that is never changed.
Hierarchy unchanged(const std::string& column, const std::vector<std::string>& values);

using PackedCell = std::array<std::uint64_t, 2>;
using Levels = std::vector<std::uint8_t>;  // by quasi-identifier

// The quasi-identifiers of a table, and how a combination of their values, a cell, lies in sixteen bytes.
class Quasi {
public:
    Quasi() = default;
    // Throws Error(usage) if cells do not fit, a hierarchy has more than 8 levels, or there are more than 16 of them.
    explicit Quasi(std::vector<Hierarchy> hierarchies);
    const std::vector<Hierarchy>& hierarchies() const noexcept { return hierarchies_; }
    std::size_t size() const noexcept { return hierarchies_.size(); }
    // Puts one value into a cell whose place for it is zero.
    void put(PackedCell& cell, std::size_t which, std::uint32_t code) const {
        cell[places_[which].word] |= std::uint64_t{code} << places_[which].shift;
    }
    std::uint32_t code(const PackedCell& cell, std::size_t which) const {
        return static_cast<std::uint32_t>(cell[places_[which].word] >> places_[which].shift &
                                          places_[which].mask);
    }
    PackedCell at(const PackedCell& cell, const Levels& levels) const {
        PackedCell out{};
        for (std::size_t i = 0; i < size(); ++i)
            put(out, i, hierarchies_[i].levels[levels[i]].codes[code(cell, i)]);
        return out;
    }

private:
    struct Place {
        std::size_t word;
        unsigned shift;
        std::uint64_t mask;
    };
    std::vector<Hierarchy> hierarchies_;
    std::vector<Place> places_;
};

}  // namespace staging
