#include "jobs/release/regrouped.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "jobs/release/figure_names.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

bool is_figure_name(const std::string& name) {
    return !figure_kind({nullptr, name, {}, "", 0}).empty();
}

bool is_count_name(const std::string& name) {
    const Terms terms = terms_of(name);
    return std::any_of(terms.begin(), terms.end(), counts_people) && !has_term(terms, "rate");
}

// What names are of; each is worked out once, for many stand beside many numbers.
class Names {
public:
    bool are_of_figure(const std::string& name) { return of(name).first; }
    bool are_of_count(const std::string& name) { return of(name).second; }

private:
    const std::pair<bool, bool>& of(const std::string& name) {
        const auto known = known_.find(name);
        if (known != known_.end()) return known->second;
        return known_.emplace(name, std::pair(is_figure_name(name), is_count_name(name))).first->second;
    }
    std::map<std::string, std::pair<bool, bool>> known_;
};

}  // namespace

void add_regrouped(std::vector<Scope>& scopes) {
    using Column = std::tuple<int, std::string, std::vector<std::string>>;  // outer scope, key, other labels
    std::map<Column, std::vector<Item>> columns;
    Names names;
    // A share under the name of a figure, a whole number under that of a count.
    const auto is_named_by = [&](const Number& number, const std::string& name) {
        return (names.are_of_figure(name) && number.value() >= -1 && number.value() <= 100) ||
               (names.are_of_count(name) && number.is_whole());
    };
    for (const Scope& scope : scopes)
        for (const Item& item : scope.items) {
            if (names.are_of_figure(item.key) || names.are_of_count(item.key)) continue;
            // The nearest label of its own that names a measure.
            for (std::size_t i = item.above.size(), end = i - item.own_labels; i-- > end;) {
                if (!is_named_by(*item.number, item.above[i])) continue;
                Item named = item;
                named.key = item.above[i];
                named.above.erase(named.above.begin() + static_cast<std::ptrdiff_t>(i));
                auto& column = columns[{scope.outer, item.key, named.above}];
                named.above.push_back(item.key);  // "macro avg"
                column.push_back(std::move(named));
                break;
            }
        }
    for (auto& [column, items] : columns)
        if (items.size() > 1) scopes.push_back({std::get<0>(column), std::move(items), {}});
}

}  // namespace jobs
