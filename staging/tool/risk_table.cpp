#include "staging/tool/risk_table.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "core/base/bytes.h"
#include "core/base/config.h"
#include "core/base/error.h"
#include "core/shard/schema.h"
#include "staging/deid/profile.h"
#include "staging/read/delivery.h"
#include "staging/read/reason.h"

namespace staging {
namespace {

std::string_view without_blanks(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; };
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return text;
}

// The different values of a column, numbered as they come.
class Dictionary {
public:
    std::size_t size() const noexcept { return numbers_.size(); }
    // Whether two of them differ in blanks around them alone.
    bool has_blank_twins() const {
        std::unordered_set<std::string_view> bare;
        for (const auto& [text, number] : numbers_)
            if (!bare.insert(without_blanks(text)).second) return true;
        return false;
    }
    std::uint32_t number(const std::string& value) {
        return numbers_.try_emplace(value, static_cast<std::uint32_t>(numbers_.size())).first->second;
    }
    // Brings the values into an order that does not depend on how the rows stand: by number if all are numbers.
    // Returns the new number of each.
    std::vector<std::uint32_t> sort(std::vector<std::string>& sorted, bool need_numbers,
                                    const std::string& column) const {
        struct One {
            double number;
            const std::string* text;
            std::uint32_t was;
        };
        std::vector<One> all;
        bool are_numbers = true;
        for (const auto& [text, was] : numbers_) {
            One one{0, &text, was};
            const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), one.number);
            if (!text.empty() && (failed != std::errc{} || end != text.data() + text.size() ||
                                  !(one.number - one.number == 0)))
                are_numbers = false;
            all.push_back(one);
        }
        if (need_numbers && !are_numbers)
            throw core::Error(
                core::Fault::usage,
                "risk.distance: \"" + column + "\" is not of numbers: there is no order between its values");
        std::sort(all.begin(), all.end(), [&](const One& a, const One& b) {
            if (are_numbers && a.text->empty() != b.text->empty()) return a.text->empty();
            if (are_numbers && a.number != b.number) return a.number < b.number;
            return *a.text < *b.text;
        });
        std::vector<std::uint32_t> becomes(all.size());
        for (const One& one : all) {
            becomes[one.was] = static_cast<std::uint32_t>(sorted.size());
            sorted.push_back(*one.text);
        }
        return becomes;
    }

private:
    std::unordered_map<std::string, std::uint32_t> numbers_;
};

struct Rows {
    std::vector<std::uint32_t> values;     // by row and quasi-identifier
    std::vector<core::Id16> patients;      // by row; empty: every row is another's
    std::vector<std::uint32_t> sensitive;  // by row
    std::vector<std::int64_t> counts;      // by row of a population
    std::int64_t all = 0;                  // rows of every part
    std::int64_t people = 0;               // of a population, of every part
    std::size_t size = 0;
};

core::Id16 digest_of(std::string_view text) {
    const core::Digest digest = core::sha256(core::view(text));
    core::Id16 id{};
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
}

class Reading {
public:
    Reading(const Readers& readers, const TableRules& rules, int part, int parts)
        : readers_(readers),
          rules_(rules),
          part_(part),
          parts_(parts),
          columns_(rules.risk.quasi_identifiers.size()) {}

    // `people`: of a population, whose rows have no patient and no sensitive value.
    Rows read(const std::filesystem::path& path, bool people) {
        std::vector<std::string> names = rules_.risk.quasi_identifiers;
        const auto want = [&](const std::string& name) {
            if (name.empty()) return SIZE_MAX;
            const auto found = std::find(names.begin(), names.end(), name);
            if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
            names.push_back(name);
            return names.size() - 1;
        };
        const std::size_t patient = people ? SIZE_MAX : want(rules_.patient);
        const std::size_t sensitive = people ? SIZE_MAX : want(rules_.risk.sensitive);
        const std::size_t count = people ? want(rules_.count) : SIZE_MAX;
        const Delivery folder(path.parent_path().empty() ? "." : path.parent_path());
        Table table(readers_, Wanted::columns(names).in_form(rules_.form), Limits{},
                    folder.open(path.filename().string()));
        Rows out;
        Record row;
        static const std::string kMissing;
        while (table.next(row)) {
            if (!row.ok()) refuse(path, row);
            const auto value = [&](std::size_t at) -> const std::string& {
                return row.values[at] ? row.values[at]->bytes : kMissing;
            };
            const auto place = static_cast<std::uint64_t>(out.all++);
            core::Id16 whose{};
            if (patient != SIZE_MAX) {
                const std::string whole = folded(without_blanks(value(patient)));
                if (whole.empty())
                    throw core::Error(core::Fault::data, path.string() + ": row " + std::to_string(row.row) +
                                                             ": it does not say whose it is");
                whose = digest_of(whole);
            }
            std::uint64_t first = place;
            if (patient != SIZE_MAX) std::memcpy(&first, whose.data(), sizeof first);
            const bool is_ours =
                first % static_cast<std::uint64_t>(parts_) == static_cast<std::uint64_t>(part_);
            for (std::size_t i = 0; i < columns_.size(); ++i)
                if (const std::uint32_t number = columns_[i].number(value(i)); is_ours)
                    out.values.push_back(number);
            const std::uint32_t category =
                sensitive == SIZE_MAX ? 0 : sensitive_.number(std::string(without_blanks(value(sensitive))));
            const std::int64_t stands_for = !people             ? 0
                                            : count == SIZE_MAX ? 1
                                                                : count_of(path, row, value(count));
            out.people += stands_for;
            if (!is_ours) continue;
            ++out.size;
            if (!people) out.sensitive.push_back(category);
            if (patient != SIZE_MAX) out.patients.push_back(whose);
            if (people) out.counts.push_back(stands_for);
        }
        if (people && out.people == 0)
            throw core::Error(core::Fault::data, path.string() + ": it is of nobody: nothing is told by it");
        for (std::size_t i = 0; i < columns_.size(); ++i)
            if (columns_[i].has_blank_twins())
                throw core::Error(core::Fault::data, path.string() + ": two values of the column \"" +
                                                         rules_.risk.quasi_identifiers[i] +
                                                         "\" differ in blanks around them alone");
        if (!people)
            for (const Dictionary& one : columns_) own_.push_back(one.size());
        return out;
    }

    std::vector<Dictionary> columns_of() { return std::move(columns_); }
    // How many of each column's values, the first, are of the table itself.
    const std::vector<std::size_t>& own() const { return own_; }
    Dictionary& sensitive() { return sensitive_; }

private:
    [[noreturn]] static void refuse(const std::filesystem::path& path, const Record& row) {
        throw core::Error(side_of(row.reason) == Side::machine ? core::Fault::system : core::Fault::data,
                          path.string() + ": row " + std::to_string(row.row) + ": " +
                              std::string(reason_name(row.reason)) +
                              (row.detail.empty() ? "" : " (" + row.detail + ")") + ": " +
                              std::string(reason_text(row.reason)));
    }
    static std::int64_t count_of(const std::filesystem::path& path, const Record& row,
                                 const std::string& text) {
        std::int64_t out = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (failed != std::errc{} || end != text.data() + text.size() || out < 0 || out > 100'000'000'000)
            throw core::Error(core::Fault::data,
                              path.string() + ": row " + std::to_string(row.row) + ": no number of people");
        return out;
    }

    const Readers& readers_;
    const TableRules& rules_;
    int part_, parts_;
    std::vector<Dictionary> columns_;
    std::vector<std::size_t> own_;
    Dictionary sensitive_;
};

PackedCell cell_of(const Rows& rows, std::size_t row, const Quasi& quasi,
                   const std::vector<std::vector<std::uint32_t>>& becomes) {
    PackedCell cell{};
    for (std::size_t i = 0; i < quasi.size(); ++i)
        quasi.put(cell, i, becomes[i][rows.values[row * quasi.size() + i]]);
    return cell;
}

std::optional<People> people_of(const std::optional<Rows>& rows, const Quasi& quasi,
                                const std::vector<std::vector<std::uint32_t>>& becomes) {
    if (!rows) return std::nullopt;
    People out;
    for (std::size_t row = 0; row < rows->size; ++row) {
        out.cells.push_back(cell_of(*rows, row, quasi, becomes));
        out.counts.push_back(rows->counts[row]);
    }
    return out;
}

}  // namespace

TableRules TableRules::load(const std::filesystem::path& path) {
    const core::Config file = core::Config::load(path);
    TableRules out;
    const core::Config table = file.table("table");
    out.patient = table.text_or("patient", "");
    out.count = table.text_or("count", "");
    const std::string separator = table.text_or("separator", ",");
    if (separator.size() != 1) table.refuse("separator", "expected one sign, as \",\" or \";\"");
    out.form.separator = separator[0];
    out.form.encoding = table.text_or("encoding", "utf-8");
    if (!out.form.has_known_encoding()) table.refuse("encoding", "no such encoding");
    if (!out.form.separator_is_told_apart())
        table.refuse("separator", "is a part of characters in this encoding");
    const std::int64_t titles = table.integer_or("title_rows", 0);
    if (titles < 0 || titles > 1000) table.refuse("title_rows", "expected 0 to 1000");
    out.form.title_rows = static_cast<std::uint32_t>(titles);
    out.risk = read_risk(file.table("risk"));
    if (out.risk.quasi_identifiers.empty())
        file.table("risk").refuse("quasi_identifiers",
                                  "missing; expected what an attacker may know of a person");
    out.linked = read_linked(file.table("linked"), {.k = out.risk.k, .l = out.risk.l});
    file.finish();
    return out;
}

JudgedTable read_judged(const Readers& readers, const TableFiles& files, const TableRules& rules, int part,
                        int parts) {
    Reading reading(readers, rules, part, parts);
    Rows rows = reading.read(files.table, false);
    std::optional<Rows> population, people_of_register;
    if (!files.population.empty()) population = reading.read(files.population, true);
    if (!files.people_of_register.empty()) people_of_register = reading.read(files.people_of_register, true);

    const RiskPolicy& policy = rules.risk;
    std::vector<std::vector<std::uint32_t>> becomes;
    std::vector<Hierarchy> hierarchies;
    const std::vector<Dictionary> columns = reading.columns_of();
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const std::string& name = policy.quasi_identifiers[i];
        std::vector<std::string> values;
        becomes.push_back(columns[i].sort(values, false, name));
        const auto rule = policy.hierarchies.find(name);
        hierarchies.push_back(rule == policy.hierarchies.end() ? unchanged(name, values)
                                                               : make_hierarchy(name, values, rule->second));
        hierarchies.back().is_beside.resize(values.size());
        for (std::size_t was = 0; was < values.size(); ++was)
            hierarchies.back().is_beside[becomes[i][was]] = was >= reading.own()[i];
    }
    JudgedTable out;
    out.quasi = Quasi(std::move(hierarchies));
    out.rows = rows.all;
    std::vector<std::string> categories;
    const std::uint32_t missing = reading.sensitive().number("");  // there or not
    auto order = reading.sensitive().sort(categories, policy.distance == Distance::ordered, policy.sensitive);
    // What is missing comes first.
    for (std::uint32_t& one : order)
        if (one < order[missing]) ++one;
    order[missing] = kMissing;
    const auto several = static_cast<std::uint32_t>(categories.size());
    out.categories = several + 1;
    out.values.emplace_back();
    for (std::string& one : categories)
        if (!one.empty()) out.values.push_back(std::move(one));

    // Rows of one patient follow each other.
    std::vector<std::uint64_t> in_order(rows.size);
    std::iota(in_order.begin(), in_order.end(), 0);
    if (!rows.patients.empty())
        std::sort(in_order.begin(), in_order.end(), [&](std::uint64_t a, std::uint64_t b) {
            return std::tie(rows.patients[a], a) < std::tie(rows.patients[b], b);
        });
    std::vector<PackedCell> cells;
    for (std::size_t begin = 0, end = 0; begin < rows.size; begin = end) {
        const std::uint64_t first = in_order[begin];
        const auto category_of = [&](std::uint64_t row) {
            return policy.sensitive.empty() ? kMissing : order[rows.sensitive[row]];
        };
        std::uint32_t category = category_of(first);
        cells.clear();
        for (end = begin; end < rows.size; ++end) {
            const std::uint64_t row = in_order[end];
            if (end > begin && (rows.patients.empty() || rows.patients[row] != rows.patients[first])) break;
            category = joined(category, category_of(row), several);
            cells.push_back(cell_of(rows, row, out.quasi, becomes));
        }
        out.patients.add(cells, category);
        if (files.keep_whose && !rows.patients.empty()) out.whose.push_back(rows.patients[first]);
        out.in_several_cells += cells.size() > 1;
    }
    out.population = people_of(population, out.quasi, becomes);
    out.people_of_register = people_of(people_of_register, out.quasi, becomes);
    return out;
}

}  // namespace staging
