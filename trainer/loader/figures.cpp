#include "trainer/loader/figures.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/base/error.h"
#include "trainer/eval/judge.h"
#include "trainer/loader/strata.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

// Where in `samples` each of the split's samples is, in the split's order.
std::vector<std::size_t> places(const std::vector<std::int64_t>& wanted,
                                std::span<const std::int64_t> samples, const std::string& split) {
    std::vector<std::size_t> order(samples.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return samples[a] < samples[b]; });
    const auto refuse = [&](std::int64_t sample, const char* what) {
        throw Error(Fault::usage, "sample " + std::to_string(sample) + " of the split " + split + what +
                                      ": a report is of every sample of the split, each once");
    };
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i > 0 && samples[order[i]] == samples[order[i - 1]])
            refuse(samples[order[i]], " is predicted twice");
        if (!std::binary_search(wanted.begin(), wanted.end(), samples[order[i]]))
            throw Error(Fault::usage,
                        "sample " + std::to_string(samples[order[i]]) + " is not of the split " + split);
        if (samples[order[i]] != wanted[i]) refuse(wanted[i], " is not predicted");
    }
    if (order.size() < wanted.size()) refuse(wanted[order.size()], " is not predicted");
    return order;
}

// Logits are an easy mistake, and give figures that look like some.
void check_row(std::span<const float> row, std::int64_t sample) {
    if (!std::all_of(row.begin(), row.end(), [](float p) { return std::isfinite(p); })) return;
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    if (std::abs(sum - 1) > 1e-3 || std::any_of(row.begin(), row.end(), [](float p) { return p < 0; }))
        throw Error(Fault::usage, "sample " + std::to_string(sample) +
                                      ": its probabilities do not sum to 1 (softmax comes before a report)");
}

}  // namespace

std::string figures(const Dataset& dataset, const std::string& split, const std::string& label,
                    const std::string& options, std::span<const std::int64_t> samples,
                    std::span<const float> probabilities) {
    const core::Config config = core::Config::parse(options, "evaluate");
    const EvaluateOptions evaluate = EvaluateOptions::from(config, judge_classes());
    if (!evaluate.flips.empty())
        config.refuse(
            "flips",
            "these probabilities are made: give the mean over the flipped samples, and leave it out");
    config.finish();
    const core::Schema& schema = dataset.schema();
    const core::Column& category = schema.columns[schema.column(label)];
    if (category.type != core::ColumnType::category)
        throw Error(Fault::usage, "the column " + label + " is not a category");
    const std::size_t classes = category.names.size();
    if (probabilities.size() != samples.size() * classes)
        throw Error(Fault::usage, "a row has a probability for each of the " + std::to_string(classes) +
                                      " names of " + label);
    const std::vector<std::int64_t> numbers = dataset.numbers(split).integers;
    const std::vector<std::size_t> order = places(numbers, samples, split);

    Predictions out;
    out.classes = category.names;
    out.label = dataset.column(label, split).codes;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (out.label[i] < 0)
            throw Error(Fault::data,
                        "sample " + std::to_string(numbers[i]) + " of the split " + split + " has no label");
        const auto row = probabilities.subspan(order[i] * classes, classes);
        check_row(row, numbers[i]);
        out.probability.insert(out.probability.end(), row.begin(), row.end());
    }
    for (const core::Id16& id : dataset.column("patient", split).ids) {
        // Half of the pseudonym tells patients apart well enough, and stays in memory only.
        std::memcpy(&out.patient.emplace_back(), id.data(), sizeof(std::uint64_t));
    }
    for (const char* name : {"site", "vendor"})
        if (schema.has_column(name) && schema.columns[schema.column(name)].type == core::ColumnType::category)
            out.strata.push_back(
                {name, schema.columns[schema.column(name)].names, dataset.column(name, split).codes});
    add_strata(out, dataset, split, label, evaluate);
    nlohmann::ordered_json json{{"format", 1}, {"dataset", dataset.manifest().id()}, {"split", split}};
    json.update(report(out, evaluate));
    return json.dump();
}

}  // namespace trainer
