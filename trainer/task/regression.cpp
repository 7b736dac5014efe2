// Each sample has a number: a column of whole or real numbers, in whatever unit. The model learns it standardised by the
// mean and deviation of the training split, which travel with the weights.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "trainer/data/exact_sum.h"
#include "trainer/task/task.h"

namespace trainer {
namespace {

constexpr double kLargest = 1e9;

class Regression final : public ColumnTask {
public:
    explicit Regression(const TaskOptions& options) : ColumnTask(options, options.columns) {}

    void ask(LoaderOptions& asked) const override {
        asked.label = "";
        asked.targets = options().columns;
    }
    at::Tensor target(const Batch& batch) const override { return batch.targets; }
    bool is_target(std::span<const double> row) const override { return std::isfinite(row[0]); }

    void learn(Model& model, const Dataset& dataset) const override {
        const core::ColumnData column = dataset.column(options().columns[0], "train");
        std::vector<double> values;
        for (const double value : column.numbers)
            if (std::isfinite(value)) values.push_back(value);
        for (const std::int64_t value : column.integers)
            if (value != core::kMissingInteger) values.push_back(static_cast<double>(value));
        const auto refuse = [&](const char* why) {
            return core::Error(core::Fault::data,
                               "column " + options().columns[0] + " of the split train " + why);
        };
        double largest = 0;
        for (const double value : values) largest = std::max(largest, std::abs(value));
        if (largest > 1e100) throw refuse("has values above 1e100: take another unit");
        // The same bits on every machine.
        ExactSum sum, squares;
        for (const double value : values) sum.add(value);
        const auto count = static_cast<double>(values.size());
        const double mean = values.empty() ? 0 : sum.value() / count;
        for (const double value : values) squares.add((value - mean) * (value - mean));
        const double deviation = values.empty() ? 0 : std::sqrt(squares.value() / count);
        if (!(deviation > 1e-12 * largest)) throw refuse("has one value: there is nothing to learn");
        // Both are kept as float32, and may be released (jobs/release/weights.cpp) up to 1e9.
        if (deviation < 1e-4 * std::abs(mean))
            throw refuse(
                "varies by less than a ten thousandth of its mean: take the difference to a fixed value");
        if (!(std::abs(mean) < kLargest && deviation < kLargest && 1 / deviation < kLargest))
            throw refuse("has a mean or deviation above 1e9, or a deviation below 1e-9: take another unit");
        model.set_output_scale({static_cast<double>(mean)}, {deviation});
    }

    at::Tensor loss(const Model& model, const at::Tensor& scores, const at::Tensor& target) const override {
        return loss_of(options().loss, scores, model.standard_target(target));
    }
    at::Tensor said(const Model& model, const at::Tensor& scores) const override {
        return model.in_units(scores).to(at::kFloat);
    }
    void add_target(Predictions& out, std::span<const double> row) const override {
        out.truth.push_back(row[0]);
    }
};

}  // namespace

std::unique_ptr<Task> make_regression(const TaskOptions& options, const core::Schema& schema) {
    const std::string& name = options.columns.at(0);
    const core::ColumnType type = schema.columns[schema.column(name)].type;
    if (type != core::ColumnType::i64 && type != core::ColumnType::f64)
        throw core::Error(core::Fault::usage,
                          "column " + name + " of the dataset holds no numbers, which a regression needs");
    return std::make_unique<Regression>(options);
}

}  // namespace trainer
