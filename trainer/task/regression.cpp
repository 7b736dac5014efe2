// Each sample has a number: a column of whole or real numbers, in whatever unit. The model learns it standardised by the
// mean and deviation of the training split, which travel with the weights.
#include <ATen/ATen.h>

#include <cmath>

#include "core/base/error.h"
#include "trainer/task/task.h"

namespace trainer {
namespace {

class Regression final : public Task {
public:
    explicit Regression(const TaskOptions& options) : Task(options, options.columns) {}

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
        // Long doubles in stored order: what is not the same on every machine lies below float32, which is kept.
        long double sum = 0, squares = 0;
        for (const double value : values) sum += value;
        const auto count = static_cast<long double>(values.size());
        const long double mean = values.empty() ? 0 : sum / count;
        for (const double value : values) squares += (value - mean) * (value - mean);
        const auto deviation = static_cast<double>(values.empty() ? 0 : std::sqrt(squares / count));
        if (!(deviation > 1e-6 * std::abs(static_cast<double>(mean))) || !std::isfinite(deviation))
            throw core::Error(core::Fault::data, "column " + options().columns[0] +
                                                     " is the same for all samples of the split train, or "
                                                     "too large: there is nothing to learn");
        model.set_output_scale({static_cast<double>(mean)}, {deviation});
    }

    at::Tensor loss(const Model& model, const at::Tensor& scores, const at::Tensor& target) const override {
        return loss_of(options().loss, scores, model.standard_target(target));
    }
    at::Tensor said(const Model& model, const at::Tensor& scores) const override {
        return model.in_units(scores).to(at::kFloat);
    }
    void add(Predictions& out, std::span<const double> row) const override { out.truth.push_back(row[0]); }
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
