#include "trainer/loader/strata.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"

namespace trainer {

// Days, or numbers of patients, are no strata: even a list of those that are suppressed would tell of each.
constexpr std::size_t kMostValues = 20;

void add_strata(Predictions& predictions, const Dataset& dataset, const std::string& split,
                const std::string& label, const EvaluateOptions& options) {
    const core::Schema& schema = dataset.schema();
    for (const std::string& name : columns_of(options.strata)) {
        if (name ==
            label)  // with the confusion, which is shown whole, it would tell of those that are suppressed
            throw core::Error(core::Fault::usage,
                              "evaluate.strata: " + name + " is the label; see per_class");
        const auto is_named = [&](const auto& stratum) { return stratum.name == name; };
        if (name == "site" || name == "vendor" ||  // which a dataset need not have
            std::any_of(predictions.strata.begin(), predictions.strata.end(), is_named))
            continue;
        const auto refuse = [&](const std::string& why) {
            return core::Error(core::Fault::usage, "evaluate.strata: " + name + why);
        };
        if (!schema.has_column(name)) throw refuse(" is not a column of the dataset");
        const core::Column& column = schema.columns[schema.column(name)];
        core::ColumnData data = dataset.column(name, split);
        if (column.type == core::ColumnType::category) {
            predictions.strata.push_back({name, column.names, std::move(data.codes), true});
        } else if (column.type == core::ColumnType::i64) {  // an age in bands: "age_40"
            Predictions::Stratum stratum{name, {}, {}, false};
            std::map<std::int64_t, std::int32_t> code_of;
            for (const std::int64_t value : data.integers) code_of[value];
            code_of.erase(core::kMissingInteger);
            if (!code_of.empty() && code_of.begin()->first < 0) throw refuse(" has values below 0");
            if (code_of.size() > kMostValues)
                throw refuse(" has more than " + std::to_string(kMostValues) + " values: take one in bands");
            for (auto& [value, code] : code_of) {
                code = static_cast<std::int32_t>(stratum.values.size());
                stratum.values.push_back(name + '_' + std::to_string(value));
            }
            code_of[core::kMissingInteger] = core::kMissingCategory;
            for (const std::int64_t value : data.integers) stratum.code.push_back(code_of.at(value));
            predictions.strata.push_back(std::move(stratum));
        } else {
            throw refuse(" is neither a category nor a whole number");
        }
    }
}

}  // namespace trainer
