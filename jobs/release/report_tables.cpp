// What aloft-train reports, made safe: sizes of strata that tell a small count, alone or with the others, are left empty. The report suppresses small strata itself; their sum, or what rows
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

}  // namespace

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
