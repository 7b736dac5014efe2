#include "trainer/loader/balance_options.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "trainer/keys/key.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

constexpr Key<BalanceOptions> kMostRepeats{
    "most_repeats",
    &BalanceOptions::most_repeats,
    1,
    100,
    "times",
    "that a sample comes in an epoch at most (of patches: times per_sample); the others share what is left"};

}  // namespace

std::vector<KeyRow> balance_rows() {
    std::vector<KeyRow> out{
        row("balance.columns", {Allowed::Type::word_or_words}, nlohmann::ordered_json::array(), "",
            "none; columns of categories: in training each crossing that has samples comes equally often")};
    add_rows(out, "balance", BalanceOptions(), std::span(&kMostRepeats, 1));
    out.push_back(
        row("balance.weights", {Allowed::Type::table}, nlohmann::ordered_json::object(), "",
            "none; in place of columns, how often a sample comes in an epoch: {site = {north = 0.5, "
            "south = 2}}"));
    return out;
}

BalanceOptions BalanceOptions::from(const core::Config& table) {
    BalanceOptions out;
    out.columns = table.words("columns");
    if (std::set<std::string>(out.columns.begin(), out.columns.end()).size() != out.columns.size())
        table.refuse("columns", "a column stands there twice");
    read(table, out, kMostRepeats);
    const core::Config weights = table.table("weights");
    for (const std::string& column : weights.keys()) {
        const core::Config categories = weights.table(column);
        for (const std::string& category : categories.keys()) {
            const double weight = categories.number(category);
            if (!(weight >= 0 && weight <= static_cast<double>(out.most_repeats)))
                categories.refuse(category,
                                  "expected 0 to most_repeats, " + std::to_string(out.most_repeats));
            out.weights[column][category] = weight;
        }
        if (categories.keys().empty()) weights.refuse(column, "expected a weight for a category");
    }
    if (!out.columns.empty() && !out.weights.empty())
        table.refuse("columns", "either columns to balance, or weights");
    if (!out.is_any()) table.refuse("columns", "expected the columns to balance, or a table of weights");
    return out;
}

nlohmann::ordered_json BalanceOptions::told() const {
    if (!weights.empty()) return {{"weights", weights}};
    return {{"columns", columns}, {"most_repeats", most_repeats}};
}

}  // namespace trainer
