#include "jobs/release/modular.h"

#include <algorithm>
#include <utility>

namespace jobs {
namespace {

constexpr std::uint64_t kPrime = 2147483647;

std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
    std::uint64_t out = 1;
    for (; exponent; exponent >>= 1U, base = base * base % kPrime)
        if (exponent & 1U) out = out * base % kPrime;
    return out;
}

void subtract(ModularSystem::Row& from, const ModularSystem::Row& row, std::uint64_t times) {
    if (times == 0) return;
    for (std::size_t i = 0; i < from.size(); ++i) from[i] = (from[i] + (kPrime - times) * row[i]) % kPrime;
}

}  // namespace

std::uint64_t ModularSystem::quotient(std::int64_t of, std::int64_t by) {
    // Fermat: the inverse is the power of the prime less two.
    return static_cast<std::uint64_t>(of) % kPrime *
           power(static_cast<std::uint64_t>(by) % kPrime, kPrime - 2) % kPrime;
}

void ModularSystem::add(Row row) {
    for (std::size_t i = 0; i < rows_.size(); ++i) subtract(row, rows_[i], row[pivots_[i]]);
    const auto first = std::find_if(row.begin(), row.end(), [](std::uint64_t factor) { return factor != 0; });
    if (first == row.end()) return;
    const auto pivot = static_cast<std::size_t>(first - row.begin());
    const std::uint64_t inverse = power(*first, kPrime - 2);
    for (std::uint64_t& factor : row) factor = factor * inverse % kPrime;
    for (Row& other : rows_) subtract(other, row, other[pivot]);
    rows_.push_back(std::move(row));
    pivots_.push_back(pivot);
}

bool ModularSystem::tells(const std::vector<std::int64_t>& values,
                          const std::function<bool(std::int64_t sum)>& is_told) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
        // A sum: a factor of 1 for each of some (the pivot's is 1).
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < unknowns_; ++i) {
            if (row[i] > 1) return false;
            if (row[i]) sum += values[i];
        }
        return is_told(sum);
    });
}

}  // namespace jobs
