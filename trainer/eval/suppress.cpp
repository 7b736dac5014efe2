#include "trainer/eval/suppress.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

namespace trainer {
namespace {

using Atoms = std::vector<bool>;
using Numbers = std::vector<std::size_t>;

// What the sums and differences of some sets can tell. Gauss's elimination; each row keeps beside its
// atoms, from which sets it was made.
class Span {
public:
    Span(std::size_t atoms, std::size_t sets) : atoms_(atoms), sets_(sets) {}

    void add(const Atoms& set, std::size_t number) {
        auto row = row_of(set);
        row[atoms_ + number] = 1;
        reduce(row);
        const std::size_t pivot = first_of(row);
        if (pivot == atoms_) return;
        const double first = row[pivot];
        for (double& each : row) each /= first;
        rows_.emplace_back(pivot, std::move(row));
    }
    // The numbers of sets that together tell `wanted`; nothing if they cannot.
    std::optional<Numbers> tells(const Atoms& wanted) const {
        auto row = row_of(wanted);
        reduce(row);
        if (first_of(row) < atoms_) return std::nullopt;
        Numbers used;
        for (std::size_t i = 0; i < sets_; ++i)
            if (is_something(row[atoms_ + i])) used.push_back(i);
        return used;
    }

private:
    using Row = std::vector<double>;
    // All begins as zeros and ones: what rounding leaves is far below.
    static bool is_something(double value) { return std::abs(value) > 1e-7; }
    std::size_t first_of(const Row& row) const {
        std::size_t at = 0;
        while (at < atoms_ && !is_something(row[at])) ++at;
        return at;
    }
    Row row_of(const Atoms& set) const {
        Row row(atoms_ + sets_, 0);
        for (std::size_t i = 0; i < atoms_; ++i) row[i] = set[i];
        return row;
    }
    void reduce(Row& row) const {
        for (const auto& [pivot, values] : rows_) {
            const double times = row[pivot];
            if (!is_something(times)) continue;
            for (std::size_t i = 0; i < row.size(); ++i) row[i] -= times * values[i];
        }
    }

    std::size_t atoms_, sets_;
    std::vector<std::pair<std::size_t, Row>> rows_;  // 1 at the pivot, where all rows behind are 0
};

class Search {
public:
    Search(const std::vector<FigureSet>& sets, std::int64_t least, const IsOfFew& is_of_few)
        : sets_(sets), least_(least), is_of_few_(is_of_few) {
        for (const FigureSet& each : sets)
            hidden_.push_back(each.kind > 0 &&
                              (sets.size() > kMostSets || is_small(each.atoms, each.patients)));
        for (std::size_t i = 0; i < sets.size(); ++i) largest_first_.push_back(i);
        std::stable_sort(largest_first_.begin(), largest_first_.end(),
                         [&](std::size_t a, std::size_t b) { return sets[a].patients > sets[b].patients; });
    }

    std::vector<bool> run() {
        while (const auto used = sets_that_tell_a_secret()) {
            // Of those that tell it, the smallest is given up; never the whole, which tells no part of
            // itself.
            const auto smallest =
                std::find_if(largest_first_.rbegin(), largest_first_.rend(), [&](std::size_t i) {
                    return sets_[i].kind > 0 && std::find(used->begin(), used->end(), i) != used->end();
                });
            hidden_[*smallest] = true;
        }
        return hidden_;
    }

private:
    bool is_small(const Atoms& atoms, std::int64_t patients) {
        if (patients < least_) return true;
        if (!is_of_few_) return false;
        const auto [found, is_new] = known_.try_emplace(atoms, false);
        if (is_new) found->second = is_of_few_(atoms);
        return found->second;
    }

    std::optional<Numbers> sets_that_tell_a_secret() {
        Span span(sets_.at(0).atoms.size(), sets_.size());
        for (const std::size_t i : largest_first_)
            if (!hidden_[i]) span.add(sets_[i].atoms, i);
        for (const Atoms& secret : secrets())
            if (auto used = span.tells(secret)) return used;
        return std::nullopt;
    }

    // Each small set; and, within every set, what is hidden there of one kind, where that is small together.
    std::vector<Atoms> secrets() {
        std::vector<Atoms> out;
        const auto whole = [](const Atoms& atoms) {
            return std::find(atoms.begin(), atoms.end(), false) == atoms.end();
        };
        for (const FigureSet& each : sets_)
            if (!whole(each.atoms) && is_small(each.atoms, each.patients)) out.push_back(each.atoms);
        int kinds = 0;
        for (const FigureSet& each : sets_) kinds = std::max(kinds, each.kind);
        for (const FigureSet& outer : sets_)
            for (int kind = 1; kind <= kinds; ++kind) {
                Atoms together(outer.atoms.size(), false);
                std::int64_t patients = 0;
                for (std::size_t i = 0; i < sets_.size(); ++i) {
                    if (!hidden_[i] || sets_[i].kind != kind || !holds(outer.atoms, sets_[i].atoms)) continue;
                    patients += sets_[i].patients;
                    for (std::size_t a = 0; a < together.size(); ++a)
                        if (sets_[i].atoms[a]) together[a] = true;
                }
                if (patients > 0 && !whole(together) && is_small(together, patients)) out.push_back(together);
            }
        return out;
    }
    static bool holds(const Atoms& outer, const Atoms& inner) {
        for (std::size_t i = 0; i < inner.size(); ++i)
            if (inner[i] && !outer[i]) return false;
        return true;
    }

    const std::vector<FigureSet>& sets_;
    std::int64_t least_;
    const IsOfFew& is_of_few_;
    std::map<Atoms, bool> known_;  // what it said
    std::vector<bool> hidden_;
    std::vector<std::size_t> largest_first_;
};

}  // namespace

std::vector<bool> suppressed(const std::vector<FigureSet>& sets, std::int64_t least,
                             const IsOfFew& is_of_few) {
    return Search(sets, least, is_of_few).run();
}

}  // namespace trainer
