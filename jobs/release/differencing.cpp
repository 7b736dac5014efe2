// Differencing: counts that nobody wrote down, from those that were.
//
// A family is one table of counts, over all releases of a grant and of those that it replaced: its cells are named by labels, and the label
// "total" stands for all of them. Covered:
// - the same cell in two releases, when the two differ by 1 to smallest - 1;
// - a total less the parts that are shown, in every dimension, whether what is missing was left empty or left
//   out, and whether the total left in this release or an earlier one;
// - rows and columns together: unknown cells as a system of linear equations over whole numbers that are not
//   negative, solved exactly up to kUnknowns unknowns. Refused: a cell that is determined and small, and a sum
//   of unknown cells that is small;
// - two versions of a dataset: their tables are one family;
// - counts of several datasets together beside those of some of them, of the same split: refused as such, where the
//   outermost object of a JSON file names them (`dataset`, `split`);
// - codes that contain each other (ATC, ICD): A01X less A01XA and A01XB.
// Not covered: tables that hold the same people under other names (datasets named in a column, a list or an inner
// object, or nowhere) or other cuts of a scale (age 0-9 against 0-10), sums of products, figures other than counts, bounds (a cell known to lie between 11 and 12).
#include "jobs/release/differencing.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "core/base/split.h"
#include "jobs/release/findings.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

constexpr std::size_t kUnknowns = 300, kDimensions = 4;
constexpr const char* kTotal = "total";

using Labels = std::vector<std::string>;

struct Known {
    std::optional<std::int64_t> value;
    bool is_new = false;  // in this release
};
using Family = std::map<Labels, Known>;

// What the unknown cells of one line of a table add up to.
struct Equation {
    std::map<std::size_t, std::int64_t> terms;  // unknown -> factor
    std::int64_t sum = 0;
};

bool is_small(std::int64_t count, std::int64_t smallest) {
    return count > 0 && count < smallest;
}

// Exact elimination: every step divides a row by the greatest common divisor of its factors.
// False if factors grow beyond 63 bits.
bool subtract(Equation& from, const Equation& pivot, std::size_t unknown) {
    const std::int64_t a = pivot.terms.at(unknown), b = from.terms.at(unknown);
    Equation out;
    const auto combine = [&](std::int64_t x, std::int64_t y, std::int64_t& result) {
        std::int64_t left = 0, right = 0;
        return !__builtin_mul_overflow(x, a, &left) && !__builtin_mul_overflow(y, b, &right) &&
               !__builtin_sub_overflow(left, right, &result) && result != INT64_MIN;
    };
    if (!combine(from.sum, pivot.sum, out.sum)) return false;
    std::int64_t divisor = std::abs(out.sum);
    for (const Equation* each : {static_cast<const Equation*>(&from), &pivot})
        for (const auto& [name, factor] : each->terms) {
            const auto f = std::as_const(from.terms).find(name), p = pivot.terms.find(name);
            std::int64_t result = 0;
            if (!combine(f == from.terms.end() ? 0 : f->second, p == pivot.terms.end() ? 0 : p->second,
                         result))
                return false;
            if (result) {
                out.terms[name] = result;
                divisor = std::gcd(divisor, std::abs(result));
            }
        }
    if (divisor > 1) {
        out.sum /= divisor;
        for (auto& [name, factor] : out.terms) factor /= divisor;
    }
    from = std::move(out);
    return true;
}

// Whether a row says that one unknown, or a sum of some, is small: all factors of one sign.
bool tells_small(const Equation& row, std::int64_t smallest) {
    if (row.terms.empty()) return false;
    const bool positive = row.terms.begin()->second > 0;
    std::int64_t factor = 0;
    for (const auto& [name, each] : row.terms) {
        if ((each > 0) != positive) return false;
        factor = std::max(factor, std::abs(each));
    }
    const std::int64_t sum = positive ? row.sum : -row.sum;
    return row.terms.size() == 1 ? sum % factor == 0 && is_small(sum / factor, smallest)
                                 : is_small(sum, smallest);
}

enum class Solved { harmless, small, too_large };

Solved solve(std::vector<Equation> rows, std::int64_t smallest) {
    for (const Equation& row : rows)
        if (tells_small(row, smallest)) return Solved::small;
    // What adds up to nothing is nothing, each of it: counts are not negative.
    for (bool again = true; again;) {
        again = false;
        std::set<std::size_t> none;
        for (const Equation& row : rows)
            if (row.sum == 0)
                for (const auto& [name, factor] : row.terms) none.insert(name);
        for (Equation& row : rows)
            again =
                std::erase_if(row.terms, [&](const auto& term) { return none.contains(term.first); }) > 0 ||
                again;
        for (const Equation& row : rows)
            if (tells_small(row, smallest)) return Solved::small;
    }
    std::erase_if(rows, [](const Equation& row) { return row.terms.empty(); });
    std::set<std::size_t> unknowns;
    for (const Equation& row : rows)
        for (const auto& [name, factor] : row.terms) unknowns.insert(name);
    if (unknowns.size() > kUnknowns || rows.size() > 2 * kUnknowns) return Solved::too_large;
    std::size_t next = 0;
    for (const std::size_t unknown : unknowns) {
        std::size_t pivot = next;
        while (pivot < rows.size() && !rows[pivot].terms.contains(unknown)) ++pivot;
        if (pivot == rows.size()) continue;
        std::swap(rows[next], rows[pivot]);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (i == next || !rows[i].terms.contains(unknown)) continue;
            if (!subtract(rows[i], rows[next], unknown)) return Solved::too_large;
            if (tells_small(rows[i], smallest)) return Solved::small;
        }
        ++next;
    }
    return Solved::harmless;
}

// The equations of one family: a line of cells that differ in one label, and their total.
std::vector<Equation> equations_of(const Family& family) {
    std::map<Labels, std::size_t> unknowns;
    const auto unknown = [&](const Labels& labels) {
        return unknowns.emplace(labels, unknowns.size()).first->second;
    };
    std::vector<Equation> equations;
    std::size_t dimensions = 0;
    for (const auto& [labels, known] : family) dimensions = std::max(dimensions, labels.size());
    for (std::size_t at = 0; at < std::min(dimensions, kDimensions); ++at) {
        // Each total and its line. A cell that is listed nowhere may exist as well: of one dimension the rest of
        // the line, of more the cell that its row and its column share.
        std::set<std::string> seen;
        std::map<Labels, std::vector<std::pair<std::string, const Known*>>> lines;
        for (const auto& [labels, known] : family) {
            if (labels.size() <= at || labels[at] == kTotal) continue;
            Labels line = labels;
            seen.insert(line[at]);
            line[at] = kTotal;
            lines[line].push_back({labels[at], &known});
        }
        for (const auto& [line, parts] : lines) {
            const auto total = family.find(line);
            if (total == family.end()) continue;
            Equation equation;
            if (total->second.value)
                equation.sum = *total->second.value;
            else
                equation.terms[unknown(line)] = -1;
            std::set<std::string> here;
            for (const auto& [label, known] : parts) {
                here.insert(label);
                Labels cell = line;
                cell[at] = label;
                if (known->value)
                    equation.sum -= *known->value;
                else
                    equation.terms[unknown(cell)] += 1;
            }
            bool any_hidden = equation.terms.size() > (total->second.value ? 0U : 1U);
            for (const std::string& label : seen)
                if (!here.contains(label)) {
                    Labels cell = line;
                    cell[at] = label;
                    equation.terms[unknown(cell)] += 1;
                    any_hidden = true;
                }
            if (!any_hidden) {  // what was left out without a word
                Labels rest = line;
                rest[at] = "\1rest";
                equation.terms[unknown(rest)] += 1;
            }
            equations.push_back(std::move(equation));
        }
    }
    return equations;
}

bool is_code(const std::string& label) {
    return label.size() >= 3 && label[0] >= 'A' && label[0] <= 'Z' && label[1] >= '0' && label[1] <= '9' &&
           std::all_of(label.begin(), label.end(),
                       [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'; });
}

// Of codes that contain each other: the outer less the nearest inner ones.
std::vector<Equation> nested_codes(const Family& family, std::size_t first_unknown) {
    std::map<std::string, const Known*> codes;
    for (const auto& [labels, known] : family)
        for (const std::string& label : labels)
            if (is_code(label)) codes.emplace(label, &known);
    std::vector<Equation> equations;
    for (const auto& [outer, known] : codes) {
        if (!known->value) continue;
        Equation equation;
        equation.sum = *known->value;
        bool any = false;
        std::string last;
        for (auto inner = codes.upper_bound(outer); inner != codes.end() && inner->first.starts_with(outer);
             ++inner) {
            if (!last.empty() && inner->first.starts_with(last)) continue;  // within an inner one
            last = inner->first;
            any = true;
            if (inner->second->value)
                equation.sum -= *inner->second->value;
            else
                equation.terms[first_unknown++] = 1;
        }
        if (!any) continue;
        if (equation.terms.empty()) equation.terms[first_unknown++] = 1;
        equations.push_back(std::move(equation));
    }
    return equations;
}

void check_family(const Family& family, std::int64_t smallest, Findings& findings) {
    std::vector<Equation> equations = equations_of(family);
    for (Equation& each : nested_codes(family, 1 << 20)) equations.push_back(std::move(each));
    // Parts may overlap (a patient with two diagnoses) and so exceed their total: such a line says nothing. By
    // little, they say who overlaps.
    for (const Equation& each : equations)
        if (each.sum < 0 && is_small(-each.sum, smallest))
            return findings.refuse(
                "differencing", "",
                "parts exceed their total by a small number; leave out the total or more than one part");
    std::erase_if(equations, [](const Equation& each) {
        return each.sum < 0 &&
               std::all_of(each.terms.begin(), each.terms.end(), [](const auto& t) { return t.second > 0; });
    });
    switch (solve(std::move(equations), smallest)) {
        case Solved::harmless:
            return;
        case Solved::small:
            return findings.refuse("differencing", "",
                                   "totals and parts, here and in what this application has released before, "
                                   "tell a number below " +
                                       std::to_string(smallest) +
                                       "; leave out more than one part of each total, or the total");
        case Solved::too_large:
            return findings.refuse(
                "not-solved", "",
                "more than " + std::to_string(kUnknowns) +
                    " empty cells, or totals too large to work out exactly what they tell; leave "
                    "the totals out, or merge strata");
    }
}

// Of which datasets, and of which split of them, a table's people are: it is called {a@1*b@2}{test}.strata...
struct People {
    std::set<std::string> datasets;
    std::string as_written, split;
    bool operator==(const People&) const = default;
};

void add(People one, std::vector<People>& all) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(std::move(one));
}

// {a@1*b@2}{test}.strata... is {a*b}{test}.strata...: two versions of a dataset differ by few patients.
std::string without_versions(const std::string& family) {
    const std::size_t end = family.find('}');
    if (!family.starts_with('{') || end == std::string::npos) return family;
    std::vector<std::string> names = core::split(family.substr(1, end - 1), '*');
    for (std::string& name : names) name = core::trimmed(name.substr(0, name.find('@')));
    return "{" + core::joined(names, "*") + family.substr(end);
}

People people_of(const std::string& family) {
    People out;
    const std::size_t end = family.find('}');
    if (!family.starts_with('{') || end == std::string::npos) return out;
    out.as_written = family.substr(1, end - 1);
    for (std::size_t begin = 0; begin <= out.as_written.size();) {
        const std::size_t star = std::min(out.as_written.find('*', begin), out.as_written.size());
        out.datasets.insert(out.as_written.substr(begin, star - begin));
        begin = star + 1;
    }
    if (family.size() > end + 1 && family[end + 1] == '{')
        out.split = family.substr(end + 1, family.find('}', end + 1) - end);
    return out;
}

// The sum of two datasets less one of them is the other, whose small counts were left empty.
bool are_of_some_alike(const People& one, const People& other) {
    if (one.split != other.split || one.as_written == other.as_written) return false;
    return std::any_of(one.datasets.begin(), one.datasets.end(),
                       [&](const std::string& name) { return other.datasets.contains(name); });
}

void check_datasets(const std::vector<CountCell>& now, const std::vector<EarlierTable>& earlier,
                    Findings& findings) {
    std::vector<People> mine, theirs;  // each once: tables are many, people few
    for (const CountCell& cell : now) add(people_of(without_versions(cell.family)), mine);
    theirs = mine;
    for (const EarlierTable& table : earlier)
        for (const CountCell& cell : table.cells) add(people_of(without_versions(cell.family)), theirs);
    for (const People& one : mine)
        for (const People& other : theirs)
            if (are_of_some_alike(one, other))
                return findings.refuse(
                    "differencing", "",
                    "counts of several datasets together, and of some of these datasets in other "
                    "company, leave by one grant: their difference tells small counts; let "
                    "counts of the same datasets leave, in the same order, or none");
}

std::string as_written(const std::string& family) {
    return family;
}

using NameOf = std::string (*)(const std::string& family);

void check_tables(const std::vector<CountCell>& now, const std::vector<EarlierTable>& earlier, NameOf name_of,
                  std::int64_t smallest_count, Findings& findings) {
    std::map<std::string, Family> families;
    for (const CountCell& cell : now) {
        Known& known = families[name_of(cell.family)][cell.labels];
        if (!cell.value) continue;
        if (known.value && is_small(std::abs(*known.value - *cell.value), smallest_count))
            findings.refuse("differencing", "",
                            "two rows or entries of the same name differ by a small number; name them apart");
        known = {cell.value, true};
    }
    for (auto table = earlier.rbegin(); table != earlier.rend(); ++table)  // the newest first
        for (const CountCell& cell : table->cells) {
            const auto family = families.find(name_of(cell.family));
            if (family == families.end() || !cell.value) continue;
            Known& known = family->second[cell.labels];
            if (known.value && known.is_new && is_small(std::abs(*known.value - *cell.value), smallest_count))
                findings.refuse(
                    "differencing", "",
                    "a count differs by a small number from the same count in an earlier release of this "
                    "application; use the people of that release, or leave the count out");
            if (!known.value) known.value = cell.value;
        }
    for (const auto& [name, family] : families) check_family(family, smallest_count, findings);
}

}  // namespace

std::vector<Finding> check_differencing(const std::vector<CountCell>& now,
                                        const std::vector<EarlierTable>& earlier,
                                        std::int64_t smallest_count) {
    Findings findings;
    // Alone first: beside what left before, of other people or of another version, a table's own rest can be hidden.
    check_tables(now, {}, as_written, smallest_count, findings);
    if (!findings.refused()) check_tables(now, earlier, as_written, smallest_count, findings);
    if (!findings.refused()) check_tables(now, earlier, without_versions, smallest_count, findings);
    if (!findings.refused()) check_datasets(now, earlier, findings);
    return findings.list();
}

}  // namespace jobs
