// Where the counts of a JSON document stand, as tables.
#include "jobs/release/json_tables.h"

#include <algorithm>

#include "jobs/release/confusions.h"
#include "jobs/release/report_tables.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

using Kind = Value::Kind;

constexpr const char* kTotal = "total";

bool is_total_key(const std::string& key) {
    const auto terms = terms_of(key);
    return terms.size() == 1 && is_total(terms[0]);
}

// `own`: labels of the object in which it stands, the last of `above`.
void collect(Value& value, const std::string& key, const std::vector<std::string>& above, std::size_t own,
             int outer, std::vector<Scope>& scopes) {
    if (value.kind == Kind::number && !value.number->is_hidden())
        scopes[static_cast<std::size_t>(outer)].items.push_back(
            {&*value.number, key, above, value.where, own});
    if (value.kind == Kind::list) {
        if (is_confusion(key)) return;
        for (Value& item : value.items) collect(item, key, above, own, outer, scopes);
    }
    if (value.kind != Kind::object) return;
    const int scope = static_cast<int>(scopes.size());
    scopes.push_back({outer, {}});
    std::vector<std::string> inner = above;
    if (!key.empty()) inner.push_back(key);
    // {"measure": "patients", "step": 3}: a text beside a number says what it is.
    for (std::size_t i = 0; i < value.items.size(); ++i)
        if (value.items[i].kind == Kind::word) inner.push_back(value.items[i].text);
    for (std::size_t i = 0; i < value.items.size(); ++i) {
        const Value& item = value.items[i];
        if (item.kind == Kind::null || (item.kind == Kind::number && item.number->is_hidden()))
            scopes[static_cast<std::size_t>(scope)].empty.push_back(value.keys[i].text);
        collect(value.items[i], value.keys[i].text, inner, inner.size() - above.size(), scope, scopes);
    }
}

struct Place {
    std::string family, key;
    std::vector<std::string> labels, above;
};

class Tables {
public:
    explicit Tables(const ReleaseRules& rules) : rules_(rules) {}

    void walk(const Value& value, const Place& place) {
        switch (value.kind) {
            case Kind::null:
                cells.push_back({place.family, place.labels, std::nullopt});
                return;
            case Kind::number:
                return number(*value.number, place);
            case Kind::list:
                return list(value, place);
            case Kind::object:
                return object(value, place);
            case Kind::boolean:
            case Kind::word:
                return;
        }
    }
    std::vector<CountCell> cells;

private:
    void number(const Number& number, const Place& place) {
        if (number.is_hidden())
            cells.push_back({place.family, place.labels, std::nullopt});
        else if (number.is_whole() && is_count(place.key, place.above, rules_))
            cells.push_back({place.family, place.labels, number.whole()});
    }
    void list(const Value& value, const Place& place) {
        if (is_confusion(place.key)) return matrix(value, place);
        std::size_t at = 0;
        for (const Value& item : value.items) {
            Place inner = place;
            inner.family += "[]";
            const bool named = item.kind == Kind::object &&
                               std::any_of(item.items.begin(), item.items.end(),
                                           [](const Value& part) { return part.kind == Kind::word; });
            ++at;
            if (!named) inner.labels.push_back("#" + std::to_string(at));
            walk(item, inner);
        }
    }
    void object(const Value& value, const Place& place) {
        Place here = place;
        if (!place.key.empty()) here.above.push_back(place.key);
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            const Value& item = value.items[i];
            const std::string& key = value.keys[i].text;
            if (item.kind == Kind::word) {
                here.above.push_back(item.text);
                // The document's own words name the run; only its data tell which people are counted.
                if (!place.family.empty())
                    here.labels.push_back(is_total_key(item.text) ? kTotal : item.text);
                else if (key == "dataset" || key == "split")
                    here.family += "{" + item.text + "}";
            } else if (item.kind == Kind::number && item.number->is_whole() && !is_count(key, {}, rules_) &&
                       !place.family.empty()) {
                here.labels.push_back(key + "=" + item.number->text());
            }
        }
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            Place inner = here;
            inner.key = value.keys[i].text;
            const bool total = is_total_key(inner.key);
            if (total || value.keys[i].is_name) inner.labels.push_back(total ? kTotal : inner.key);
            inner.family += total || value.keys[i].is_name ? ".*" : "." + inner.key;
            walk(value.items[i], inner);
        }
    }
    // Rows of true classes hold the same samples whatever the model: their sums compare, their cells do not.
    void matrix(const Value& value, const Place& place) {
        for (std::size_t row = 0; row < value.items.size(); ++row) {
            std::int64_t sum = 0;
            bool whole = value.items[row].kind == Kind::list;
            for (const Value& cell : value.items[row].items) {
                whole = whole && cell.kind == Kind::number && cell.number->is_whole() &&
                        !cell.number->is_hidden();
                if (whole) sum += cell.number->whole();
            }
            if (!whole) continue;
            auto labels = place.labels;
            labels.push_back("#" + std::to_string(row + 1));
            cells.push_back({place.family + ".rows", labels, sum});
        }
    }

    const ReleaseRules& rules_;
};

std::size_t leaves(const Value& value) {
    if (value.kind != Kind::list) return 1;
    std::size_t sum = 0;
    for (const Value& item : value.items) sum += leaves(item);
    return sum;
}

bool is_square(const Value& value) {
    return std::all_of(value.items.begin(), value.items.end(), [&](const Value& row) {
        return row.kind == Kind::list && row.items.size() == value.items.size();
    });
}

void check_length(std::size_t length, const std::string& where, const Context& context, Findings& findings) {
    constexpr std::size_t kLong = 100;
    std::vector<std::int64_t> sizes = context.group_sizes;
    sizes.push_back(context.patients);
    if (is_one_for_each(length, sizes))
        findings.refuse("one-per-patient", where,
                        "as many entries as patients or samples of the dataset or of a split; release "
                        "summaries of groups");
    else if (length > static_cast<std::size_t>(context.rules.list_length))
        findings.refuse(
            "size", where,
            "more than " + std::to_string(context.rules.list_length) + " entries are data; thin a curve out");
    else if (length > kLong)
        findings.flag("long-list", where,
                      "a list of more than 100 entries: see that it is a curve and no list of cases");
}

// The most texts that stand with a number: those of its object and of all around it.
std::size_t most_texts(const Value& value) {
    std::size_t own = 0, inner = 0;
    for (const Value& item : value.items) {
        own += value.kind == Kind::object && item.kind == Kind::word;
        inner = std::max(inner, most_texts(item));
    }
    return own + inner;
}

void visit_lists(const Value& value, const std::string& key, const Context& context, Findings& findings) {
    const bool matrix = is_confusion(key) && is_square(value);
    if (value.kind == Kind::list && !matrix) {
        check_length(value.items.size(), value.where, context, findings);
        const std::size_t all = leaves(value);
        if (all != value.items.size()) check_length(all, value.where, context, findings);
    }
    if (value.kind == Kind::object) check_length(value.items.size(), value.where, context, findings);
    if (matrix) return;
    for (std::size_t i = 0; i < value.items.size(); ++i)
        visit_lists(value.items[i], value.kind == Kind::object ? value.keys[i].text : key, context, findings);
}

}  // namespace

std::vector<Scope> scopes_of(Value& document) {
    std::vector<Scope> scopes;
    scopes.push_back({});
    collect(document, "", {}, 0, 0, scopes);
    return scopes;
}

std::vector<CountCell> counts_of(const Value& document, const ReleaseRules& rules) {
    Tables tables(rules);
    tables.walk(document, {});
    for (CountCell& cell : report_cells(document)) tables.cells.push_back(std::move(cell));
    // An empty place hides a count only in a table that has counts.
    std::vector<std::string> counted;
    for (const CountCell& cell : tables.cells)
        if (cell.value) counted.push_back(cell.family);
    std::sort(counted.begin(), counted.end());
    std::erase_if(tables.cells, [&](const CountCell& cell) {
        return !cell.value && !std::binary_search(counted.begin(), counted.end(), cell.family);
    });
    return std::move(tables.cells);
}

bool check_lists(const Value& document, const Context& context, Findings& findings) {
    constexpr std::size_t kMostTexts = 100;
    visit_lists(document, "", context, findings);
    if (most_texts(document) <= kMostTexts) return true;
    findings.refuse("size", "",
                    "more than " + std::to_string(kMostTexts) +
                        " texts in one object and those around it; release settings in a file of their own");
    return false;
}

}  // namespace jobs
