#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "staging/read/record.h"

namespace staging {

// Names and counts of what a file does that its standard forbids (Deviation, record.h).
inline constexpr auto kDeviations = static_cast<std::size_t>(Deviation::count_);

std::string_view deviation_name(Deviation deviation) noexcept;    // "no_preamble": stable, for reports
std::string_view deviation_text(std::string_view name) noexcept;  // for people; empty for a name of none

// Files that have each of them.
using DeviationCounts = std::array<std::uint64_t, kDeviations>;
// A file with `deviations` (1 << Deviation); bits that mean none are passed over.
void count_file(DeviationCounts& counts, std::uint32_t deviations) noexcept;

}  // namespace staging
