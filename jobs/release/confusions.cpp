#include "jobs/release/confusions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>

#include "jobs/release/modular.h"

namespace jobs {
namespace {

using Kind = Value::Kind;
using Cells = std::vector<std::vector<Number*>>;

constexpr std::size_t kMostClasses = 17;  // 289 unknown cells

// Square, of whole numbers; nothing for anything else, or where a cell was empty before.
std::optional<Cells> cells_of(Value& value) {
    Cells cells;
    for (Value& row : value.items) {
        if (row.kind != Kind::list || row.items.size() != value.items.size()) return std::nullopt;
        cells.emplace_back();
        for (Value& cell : row.items) {
            if (cell.kind != Kind::number || !cell.number->is_whole() || cell.number->whole() < 0)
                return std::nullopt;
            cells.back().push_back(&*cell.number);
        }
    }
    return cells;
}

struct Sums {
    explicit Sums(const Cells& cells) : rows(cells.size()), columns(cells.size()) {
        for (std::size_t i = 0; i < cells.size(); ++i)
            for (std::size_t j = 0; j < cells.size(); ++j) {
                const std::int64_t count = cells[i][j]->whole();
                rows[i] += count;
                columns[j] += count;
                all += count;
                if (i == j) right += count;
            }
    }
    std::vector<std::int64_t> rows, columns;
    std::int64_t all = 0, right = 0;
};

// Of one line of a matrix.
struct Row {
    std::vector<Number*> shown;
    std::int64_t hidden = 0, hidden_sum = 0;
};

Row row_of(const std::vector<Number*>& cells) {
    Row row;
    for (Number* cell : cells) {
        if (cell->is_hidden()) {
            ++row.hidden;
            row.hidden_sum += cell->whole();
        } else {
            row.shown.push_back(cell);
        }
    }
    // The smallest that says something first: hiding a zero protects least.
    std::sort(row.shown.begin(), row.shown.end(), [](const Number* a, const Number* b) {
        return std::pair(a->whole() == 0, a->whole()) < std::pair(b->whole() == 0, b->whole());
    });
    return row;
}

// At least two in each line, which are no small number together.
void hide_others(const std::vector<std::vector<Number*>>& lines, const ReleaseRules& rules) {
    for (bool again = true; again;) {
        again = false;
        for (const auto& cells : lines) {
            const Row row = row_of(cells);
            if (row.hidden == 0 || row.shown.empty()) continue;
            if (row.hidden > 1 && row.hidden_sum >= rules.smallest_count) continue;
            row.shown.front()->hide();
            again = true;
        }
    }
}

// What is known of a square matrix: the sums of its lines, how many are right, and means over the classes of these kinds.
// Whether an empty cell that is small, or a small sum of empty cells, follows.
bool tells_hidden(const Cells& cells, const std::set<std::string>& kinds, const ReleaseRules& rules) {
    const std::size_t n = cells.size();
    const Sums sums(cells);
    std::vector<std::int64_t> values;
    std::vector<std::vector<std::size_t>> at(n, std::vector<std::size_t>(n));
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            at[i][j] = values.size();
            if (cells[i][j]->is_hidden()) values.push_back(cells[i][j]->whole());
        }
    ModularSystem system(values.size());
    using Terms = ModularSystem::Row;
    for (std::size_t i = 0; i < n; ++i) {
        Terms row(values.size()), column(values.size());
        for (std::size_t j = 0; j < n; ++j) {
            if (cells[i][j]->is_hidden()) row[at[i][j]] = 1;
            if (cells[j][i]->is_hidden()) column[at[j][i]] = 1;
        }
        system.add(std::move(row));
        system.add(std::move(column));
    }
    // Sums of the right ones, each divided by what its class has.
    const auto add_mean = [&](const auto& weight, const auto& divisor) {
        Terms row(values.size());
        for (std::size_t i = 0; i < n; ++i)
            if (cells[i][i]->is_hidden() && divisor(i) > 0)
                row[at[i][i]] = ModularSystem::quotient(weight(i), divisor(i));
        system.add(std::move(row));
    };
    const auto one = [](std::size_t) { return std::int64_t{1}; };
    const auto size = [&](std::size_t i) { return sums.rows[i]; };
    const auto both = [&](std::size_t i) { return sums.rows[i] + sums.columns[i]; };
    add_mean(one, one);
    if (kinds.contains("recall") || kinds.contains("balanced")) add_mean(one, size);
    if (kinds.contains("specificity")) add_mean(one, [&](std::size_t i) { return sums.all - sums.rows[i]; });
    if (kinds.contains("precision"))
        for (const bool weighted : {false, true})
            add_mean([&](std::size_t i) { return weighted ? sums.rows[i] : 1; },
                     [&](std::size_t i) { return sums.columns[i]; });
    if (kinds.contains("f1"))
        for (const bool weighted : {false, true})
            add_mean([&](std::size_t i) { return weighted ? sums.rows[i] : 1; }, both);
    return system.tells(values, [&](std::int64_t sum) { return is_small(sum, rules); });
}

// Whether it left any cell empty.
bool suppress_matrix(Value& value, const std::set<std::string>& kinds, const ReleaseRules& rules,
                     Findings& findings) {
    std::vector<std::vector<Number*>> lines, columns;
    std::vector<Number*> all;
    for (Value& row : value.items) {
        if (row.kind != Kind::list) return false;
        columns.resize(std::max(columns.size(), row.items.size()));
        lines.emplace_back();
        for (std::size_t i = 0; i < row.items.size(); ++i) {
            Value& cell = row.items[i];
            if (cell.kind != Kind::number || !cell.number->is_whole()) continue;
            for (auto* line : {&lines.back(), &columns[i], &all}) line->push_back(&*cell.number);
        }
    }
    std::size_t small = 0;
    for (Number* cell : all)
        if (is_small(std::abs(cell->whole()), rules)) {
            cell->hide();
            ++small;
        }
    if (!small) return false;
    if (value.items.size() > kMostClasses) {
        findings.refuse(
            "not-solved", value.where,
            "small cells in a confusion matrix of more than " + std::to_string(kMostClasses) +
                " classes: what rows and columns tell of them is not worked out; merge classes, or "
                "leave the matrix out");
        return true;
    }
    lines.insert(lines.end(), columns.begin(), columns.end());
    lines.push_back(all);
    hide_others(lines, rules);
    const auto cells = cells_of(value);
    if (cells && cells->size() > 2)
        for (Row row = row_of(all); !row.shown.empty() && tells_hidden(*cells, kinds, rules);
             row = row_of(all)) {
            const std::size_t more = 1 + row.shown.size() / 16;  // a few rounds, not one of each cell
            for (std::size_t i = 0; i < more; ++i) row.shown[i]->hide();
            hide_others(lines, rules);
        }
    findings.flag("suppressed-cells", value.where,
                  "a confusion matrix has cells of fewer than " + std::to_string(rules.smallest_count) +
                      "; they and those that would tell them leave empty");
    return true;
}

// Kinds of the rates that are told, but for those of single classes, which leave empty where they would matter.
void collect_kinds(const Value& value, const std::string& key, std::set<std::string>& kinds) {
    if (key == "per_class") return;
    if (value.kind == Kind::number) kinds.insert(rate_kind(key));
    for (std::size_t i = 0; i < value.items.size(); ++i)
        collect_kinds(value.items[i], value.kind == Kind::object ? value.keys[i].text : key, kinds);
}

// Whether a matrix has empty cells now.
bool visit(Value& value, const std::string& key, const std::set<std::string>& kinds,
           const ReleaseRules& rules, Findings& findings) {
    if (value.kind == Kind::list && is_confusion(key)) return suppress_matrix(value, kinds, rules, findings);
    bool has_empty = false;
    for (std::size_t i = 0; i < value.items.size(); ++i)
        has_empty |= visit(value.items[i], value.kind == Kind::object ? value.keys[i].text : "", kinds, rules,
                           findings);
    return has_empty;
}

// What is counted in a matrix's lines, class by class: with the sum of all cells it gives the empty ones back.
void hide_rates_of_classes(Value& value, bool is_inside, Findings& findings) {
    for (std::size_t i = 0; i < value.items.size(); ++i) {
        Value& item = value.items[i];
        const std::string key = value.kind == Kind::object ? value.keys[i].text : "";
        const bool is_of_cells =
            key == "sensitivity" || key == "specificity" || key == "precision" || key == "f1";
        if (is_inside && is_of_cells && item.kind == Kind::number) {
            item.number->hide();
            findings.flag("hidden-rates", item.where,
                          "of one class, beside a matrix with empty cells, which it would tell; left empty");
        }
        hide_rates_of_classes(item, is_inside || key == "per_class", findings);
    }
}

void collect_lines(Value& value, const std::string& key, const std::set<std::string>& kinds,
                   const ReleaseRules& rules, Lines& lines) {
    if (value.kind != Kind::list || !is_confusion(key)) {
        for (std::size_t i = 0; i < value.items.size(); ++i)
            collect_lines(value.items[i], value.kind == Kind::object ? value.keys[i].text : "", kinds, rules,
                          lines);
        return;
    }
    // Rows that are whole say how many they are also where others are not.
    for (Value& row : value.items) {
        std::int64_t sum = 0;
        bool is_whole = row.kind == Kind::list;
        for (const Value& cell : row.items) {
            is_whole = is_whole && cell.kind == Kind::number && cell.number->is_whole();
            if (is_whole) sum += cell.number->whole();
        }
        if (is_whole) lines.sums.push_back({sum, {}});
    }
    const auto cells = cells_of(value);
    if (!cells) return;
    const Sums sums(*cells);
    const std::size_t n = cells->size();
    bool is_empty = false;
    for (std::size_t i = 0; i < n; ++i) {
        LineSum row{sums.rows[i], {}}, column{sums.columns[i], {}}, both{sums.rows[i] + sums.columns[i], {}};
        for (std::size_t j = 0; j < n; ++j) {
            if ((*cells)[i][j]->is_hidden()) row.empty.push_back((*cells)[i][j]->whole());
            if ((*cells)[j][i]->is_hidden()) column.empty.push_back((*cells)[j][i]->whole());
        }
        if ((*cells)[i][i]->is_hidden()) both.empty.push_back(2 * (*cells)[i][i]->whole());
        is_empty = is_empty || !row.empty.empty();
        lines.sums.push_back(std::move(row));
        lines.sums.push_back(std::move(column));
        lines.of_f1.push_back(std::move(both));
    }
    if (sums.all > 0)
        lines.known.emplace_back("accuracy", static_cast<double>(sums.right) / static_cast<double>(sums.all));
    if (n > 2) {
        double recall = 0, specificity = 0, precision = 0, f1 = 0;
        const auto classes = static_cast<double>(n);
        for (std::size_t i = 0; i < n; ++i) {
            const std::int64_t right = (*cells)[i][i]->whole(), rest = sums.all - sums.rows[i],
                               right_of_rest = rest - sums.columns[i] + right;
            LineSum others{rest, {}};
            if ((*cells)[i][i]->is_hidden()) others.empty.push_back(right_of_rest);
            lines.sums.push_back(std::move(others));
            const auto add = [&](double& sum, std::int64_t of, std::int64_t by) {
                if (by > 0) sum += static_cast<double>(of) / static_cast<double>(by) / classes;
            };
            add(recall, right, sums.rows[i]);
            add(specificity, right_of_rest, rest);
            add(precision, right, sums.columns[i]);
            add(f1, 2 * right, sums.rows[i] + sums.columns[i]);
        }
        lines.known.insert(
            lines.known.end(),
            {{"recall", recall}, {"specificity", specificity}, {"precision", precision}, {"f1", f1}});
    }
    if (!is_empty) return;
    if (n == 2)
        lines.pairs.push_back({sums.rows[0], sums.rows[1], (*cells)[0][0]->whole(), sums.right});
    else if (tells_hidden(*cells, kinds, rules))  // all are empty, and they are too few
        lines.means.push_back(
            {static_cast<std::int64_t>(n), *std::max_element(sums.rows.begin(), sums.rows.end())});
}

template <class One>
void unite(std::vector<One>& into, const std::vector<One>& more) {
    into.insert(into.end(), more.begin(), more.end());
    std::sort(into.begin(), into.end());
    into.erase(std::unique(into.begin(), into.end()), into.end());
}

// Figures of two classes, by how many of the first are right.
std::array<double, 12> figures(const ClassPair& pair, double right) {
    const auto first = static_cast<double>(pair.first), second = static_cast<double>(pair.second),
               all = static_cast<double>(pair.right_of_all);
    const double right2 = all - right, said = right + second - right2, said2 = first + second - said;
    const auto share = [](double of, double whole) { return whole > 0 ? of / whole : NAN; };
    const double recall = share(right, first), recall2 = share(right2, second),
                 precision = share(right, said), precision2 = share(right2, said2),
                 f1 = share(2 * right, first + said), f12 = share(2 * right2, second + said2);
    const double mcc =
        share(right * right2 - (first - right) * (second - right2), std::sqrt(first * second * said * said2));
    const double chance = share(first * said + second * said2, (first + second) * (first + second));
    return {recall,
            recall2,
            (recall + recall2) / 2,
            precision,
            precision2,
            (precision + precision2) / 2,
            f1,
            f12,
            (f1 + f12) / 2,
            share(first * f1 + second * f12, first + second),
            mcc,
            share(share(all, first + second) - chance, 1 - chance)};
}

}  // namespace

void Lines::add(const Lines& other) {
    unite(sums, other.sums);
    unite(of_f1, other.of_f1);
    unite(pairs, other.pairs);
    unite(means, other.means);
    unite(known, other.known);
}

bool is_confusion(const std::string& key) {
    return key == "confusion" || key == "confusion_matrix" || key == "test_confusion" ||
           key == "validation_confusion";
}

void suppress_cells(Value& document, const ReleaseRules& rules, Findings& findings) {
    std::set<std::string> kinds;
    collect_kinds(document, "", kinds);
    if (visit(document, "", kinds, rules, findings)) hide_rates_of_classes(document, false, findings);
}

Lines lines_of(const Value& document, const ReleaseRules& rules) {
    Value copy = document;  // cells are handed out as places to write to
    std::set<std::string> kinds;
    collect_kinds(copy, "", kinds);
    Lines lines;
    collect_lines(copy, "", kinds, rules, lines);
    Lines once;
    once.add(lines);
    return once;
}

bool tells_of(const std::string& kind, double value, double half, const ClassPair& pair) {
    if (!is_of_class(kind) && kind != "f1" && kind != "balanced" && kind != "mcc" && kind != "kappa")
        return false;
    // Counts next to the one that holds: each figure grows or falls with it.
    constexpr std::int64_t kAround = kFewestFits - 1;
    const std::size_t kFigures = figures(pair, 0).size();
    std::array<std::array<double, 12>, 2 * kAround + 1> near{};
    for (std::int64_t step = -kAround; step <= kAround; ++step) {
        const std::int64_t right = pair.right + step, right2 = pair.right_of_all - right;
        const bool can_be = right >= 0 && right <= pair.first && right2 >= 0 && right2 <= pair.second;
        auto& each = near[static_cast<std::size_t>(step + kAround)];
        if (can_be)
            each = figures(pair, static_cast<double>(right));
        else
            each.fill(NAN);
    }
    for (std::size_t figure = 0; figure < kFigures; ++figure) {
        std::int64_t fits = 0;
        for (const auto& each : near) fits += std::abs(each[figure] - value) <= half + 1e-12;
        if (fits < kFewestFits && std::abs(near[kAround][figure] - value) <= half + 1e-12) return true;
    }
    return false;
}

bool tells_of(const std::string& kind, double half, const ClassMean& mean) {
    if (!is_of_class(kind) && kind != "f1" && kind != "balanced") return false;
    return 2 * half * static_cast<double>(mean.classes * mean.largest) + 1 < static_cast<double>(kFewestFits);
}

}  // namespace jobs
