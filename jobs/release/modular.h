#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace jobs {

// Which unknowns a system of linear equations with rational factors determines, whatever the right sides are. Worked out
// modulo the prime 2^31 - 1, in which no factor grows and every one has an inverse: a rank that is lost by that is as likely as a
// multiple of the prime among the minors.
class ModularSystem {
public:
    using Row = std::vector<std::uint64_t>;  // a factor of each unknown, below the prime

    explicit ModularSystem(std::size_t unknowns) : unknowns_(unknowns) {}
    static std::uint64_t quotient(std::int64_t of, std::int64_t by);  // `by` is no multiple of the prime
    void add(Row row);  // reduced by those before it: dependent ones cost nothing

    // Whether an unknown, or a sum of unknowns, follows whose value is one of those that `is_told` names. `values`: what holds.
    bool tells(const std::vector<std::int64_t>& values,
               const std::function<bool(std::int64_t sum)>& is_told) const;

private:
    std::size_t unknowns_;
    std::vector<Row> rows_;            // reduced row echelon form
    std::vector<std::size_t> pivots_;  // of each
};

}  // namespace jobs
