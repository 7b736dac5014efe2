// Each sample is of one class: a category column.
#include <ATen/ATen.h>

#include "core/base/error.h"
#include "trainer/task/task.h"

namespace trainer {
namespace {

class Classification final : public ColumnTask {
public:
    Classification(const TaskOptions& options, std::vector<std::string> classes)
        : ColumnTask(options, std::move(classes)) {
        const auto& weights = options.loss.class_weights;
        if (!weights.empty() && weights.size() != outputs().size())
            throw core::Error(core::Fault::usage, "loss.class_weights: expected one for each of the " +
                                                      std::to_string(outputs().size()) + " classes");
    }

    void ask(LoaderOptions& asked) const override { asked.label = options().columns[0]; }
    at::Tensor target(const Batch& batch) const override { return batch.labels; }
    bool is_target(std::span<const double> row) const override {
        return row[0] >= 0 && row[0] < static_cast<double>(outputs().size());
    }

    at::Tensor loss(const Model&, const at::Tensor& scores, const at::Tensor& target) const override {
        return loss_of(options().loss, scores, target);
    }
    // [n, classes] float32: the share of each class.
    at::Tensor mixed(const at::Tensor& mine, const at::Tensor& others,
                     const at::Tensor& share) const override {
        const at::Tensor classes = at::arange(static_cast<std::int64_t>(outputs().size()), mine.options());
        const auto is = [&](const at::Tensor& of) { return (of.unsqueeze(1) == classes).to(at::kFloat); };
        return is(mine) * share.view({-1, 1}) + is(others) * (1 - share.view({-1, 1}));
    }
    at::Tensor said(const Model&, const at::Tensor& scores) const override {
        return at::softmax(scores.to(at::kDouble), 1).to(at::kFloat);
    }
    void add_target(Predictions& out, std::span<const double> row) const override {
        out.label.push_back(static_cast<std::int32_t>(row[0]));
    }
};

}  // namespace

std::unique_ptr<Task> make_classification(const TaskOptions& options, const core::Schema& schema) {
    return std::make_unique<Classification>(options, category_names(schema, options.columns.at(0)));
}

}  // namespace trainer
