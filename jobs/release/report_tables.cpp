// What aloft-train reports, made safe: cells of confusion matrices and sizes of strata that tell a small count,
// alone or with the others, are left empty. The report suppresses small strata itself; their sum, or what rows
// and columns of two kinds of strata tell together, may still be small.
#include "jobs/release/report_tables.h"

#include <algorithm>
#include <map>

#include "jobs/release/json_tables.h"

namespace jobs {
namespace {

using Kind = Value::Kind;
using Labels = std::vector<std::string>;

constexpr const char* kTotal = "total";

Labels split(const std::string& text, const std::string& by) {
    Labels parts;
    std::size_t begin = 0;
    for (std::size_t at; (at = text.find(by, begin)) != std::string::npos; begin = at + by.size())
        parts.push_back(text.substr(begin, at - begin));
    parts.push_back(text.substr(begin));
    return parts;
}

Number* shown(Value* value) {
    const bool count =
        value && value->kind == Kind::number && value->number->is_whole() && !value->number->is_hidden();
    return count ? &*value->number : nullptr;
}

// The cells of one kind of strata; nullptr: no size shown. Totals of pairs are cells of the single kinds.
struct Strata {
    std::string name;
    std::map<Labels, Number*> cells;
};

struct Report {
    Number* whole = nullptr;
    std::vector<Strata> strata;
};

Report find_report(Value& document) {
    Report report;
    Value* strata = document.member("strata");
    if (!strata || strata->kind != Kind::object) return report;
    if (Value* overall = document.member("overall")) report.whole = shown(overall->member("samples"));
    for (std::size_t i = 0; i < strata->items.size(); ++i) {
        Value* list = strata->items[i].member("worst_first");
        if (!list || list->kind != Kind::list) continue;
        Strata found{strata->keys[i].text, {}};
        for (Value& entry : list->items)
            if (const Value* value = entry.member("value"); value && value->kind == Kind::word)
                found.cells[split(value->text, " * ")] = shown(entry.member("samples"));
        if (const Value* hidden = strata->items[i].member("suppressed"))
            for (const Value& value : hidden->items)
                if (value.kind == Kind::word) found.cells[split(value.text, " * ")] = nullptr;
        report.strata.push_back(std::move(found));
    }
    // Totals: of one label, the whole; of a pair, the single strata of its parts.
    for (Strata& each : report.strata) {
        const Labels kinds = split(each.name, "*");
        const auto cells = each.cells;
        for (const auto& [labels, size] : cells) {
            if (labels.size() != kinds.size() || labels.size() > 2) continue;
            if (labels.size() == 1) each.cells[{kTotal}] = report.whole;
            for (std::size_t at = 0; labels.size() == 2 && at < 2; ++at)
                for (const Strata& single : report.strata) {
                    if (single.name != kinds[at]) continue;
                    const auto total = single.cells.find({labels[at]});
                    Labels line = {kTotal, kTotal};
                    each.cells[line] = report.whole;
                    line[at] = labels[at];
                    if (total != single.cells.end()) each.cells[line] = total->second;
                }
        }
    }
    return report;
}

std::vector<CountCell> cells_of(const Report& report, const std::string& of) {
    std::vector<CountCell> cells;
    for (const Strata& each : report.strata)
        for (const auto& [labels, size] : each.cells)
            cells.push_back({of + ".strata." + each.name, labels,
                             size && !size->is_hidden() ? std::optional(size->whole()) : std::nullopt});
    return cells;
}

std::string data_of(const Value& document) {
    std::string out;
    for (const char* key : {"dataset", "split"})
        if (const Value* word = document.member(key); word && word->kind == Kind::word)
            out += "{" + word->text + "}";
    return out;
}

bool is_harmless(const Report& report, std::int64_t smallest) {
    const auto findings = check_differencing(cells_of(report, ""), {}, smallest);
    return std::none_of(findings.begin(), findings.end(),
                        [](const Finding& finding) { return finding.weight == Finding::Weight::refuse; });
}

// Hides the smallest size that is shown of any kind; false if there is none.
bool hide_smallest(Report& report) {
    Number* smallest = nullptr;
    for (Strata& each : report.strata)
        for (auto& [labels, size] : each.cells)
            if (size && size != report.whole && !size->is_hidden() &&
                (!smallest || size->whole() < smallest->whole()))
                smallest = size;
    if (smallest) smallest->hide();
    return smallest != nullptr;
}

bool is_small(std::int64_t count, const ReleaseRules& rules) {
    return count > 0 && count < rules.smallest_count;
}

// Of one line of a matrix.
struct Line {
    std::vector<Number*> shown;
    std::int64_t hidden = 0, hidden_sum = 0;
};

Line line_of(const std::vector<Number*>& cells) {
    Line line;
    for (Number* cell : cells) {
        if (cell->is_hidden()) {
            ++line.hidden;
            line.hidden_sum += cell->whole();
        } else {
            line.shown.push_back(cell);
        }
    }
    // The smallest that says something first: hiding a zero protects least.
    std::sort(line.shown.begin(), line.shown.end(), [](const Number* a, const Number* b) {
        return std::pair(a->whole() == 0, a->whole()) < std::pair(b->whole() == 0, b->whole());
    });
    return line;
}

// Whether it left any cell empty.
bool suppress_matrix(Value& value, const ReleaseRules& rules, Findings& findings) {
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
    lines.insert(lines.end(), columns.begin(), columns.end());
    lines.push_back(all);
    for (bool again = true; again;) {
        again = false;
        for (const auto& cells : lines) {
            const Line line = line_of(cells);
            if (line.hidden == 0 || line.shown.empty()) continue;
            if (line.hidden > 1 && line.hidden_sum >= rules.smallest_count) continue;
            line.shown.front()->hide();
            again = true;
        }
    }
    findings.flag("suppressed-cells", value.where,
                  "a confusion matrix has cells of fewer than " + std::to_string(rules.smallest_count) +
                      "; they and those that would tell them leave empty");
    return true;
}

// Whether a matrix has empty cells now.
bool visit(Value& value, const std::string& key, const ReleaseRules& rules, Findings& findings) {
    if (value.kind == Kind::list && is_confusion(key)) return suppress_matrix(value, rules, findings);
    bool has_empty = false;
    for (std::size_t i = 0; i < value.items.size(); ++i)
        has_empty |=
            visit(value.items[i], value.kind == Kind::object ? value.keys[i].text : "", rules, findings);
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

}  // namespace

bool is_confusion(const std::string& key) {
    return key == "confusion" || key == "confusion_matrix" || key == "test_confusion" ||
           key == "validation_confusion";
}

void suppress_cells(Value& document, const ReleaseRules& rules, Findings& findings) {
    if (visit(document, "", rules, findings)) hide_rates_of_classes(document, false, findings);
}

std::vector<CountCell> report_cells(const Value& document) {
    Value copy = document;  // find_report hands out places to write to
    return cells_of(find_report(copy), data_of(document));
}

void suppress_strata(Value& document, const ReleaseRules& rules, Findings& findings) {
    constexpr int kRounds = 64;  // of one size each; then all
    Report report = find_report(document);
    if (report.strata.empty() || is_harmless(report, rules.smallest_count)) return;
    for (int round = 0; hide_smallest(report);)
        if (++round < kRounds && is_harmless(report, rules.smallest_count)) break;
    findings.flag("suppressed-strata", "",
                  "sizes of strata that would tell a small one, with the others and the whole, leave empty");
}

}  // namespace jobs
