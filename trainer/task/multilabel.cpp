// Each sample has a yes, a no or nothing in each of several columns: 0 and 1, or a category of two names, of which the
// second is the yes.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "trainer/task/task.h"

namespace trainer {
namespace {

class Multilabel final : public ColumnTask {
public:
    explicit Multilabel(const TaskOptions& options) : ColumnTask(options, options.columns) {}

    std::string needed() const override {
        return "";
    }  // what is missing is left out of the loss and the figures
    void ask(LoaderOptions& asked) const override {
        asked.label = "";
        asked.targets = options().columns;
    }
    at::Tensor target(const Batch& batch) const override { return batch.targets; }
    bool is_target(std::span<const double> row) const override {
        return std::all_of(row.begin(), row.end(),
                           [](double flag) { return flag == 0 || flag == 1 || std::isnan(flag); });
    }

    at::Tensor loss(const Model&, const at::Tensor& scores, const at::Tensor& target) const override {
        return loss_of(options().loss, scores, target);
    }
    // [n, labels, 2]: of each label the mean over those that have it, and how much they weigh.
    at::Tensor mixed(const at::Tensor& mine, const at::Tensor& others,
                     const at::Tensor& share) const override {
        const at::Tensor mine_known = at::isfinite(mine), others_known = at::isfinite(others),
                         kept = share.to(at::kDouble);
        const at::Tensor weight = mine_known * kept + others_known * (1 - kept);
        const at::Tensor yes =
            at::where(mine_known, mine, 0.0) * kept + at::where(others_known, others, 0.0) * (1 - kept);
        return at::stack({at::where(weight > 0, yes / weight, NAN), weight}, -1);
    }
    at::Tensor said(const Model&, const at::Tensor& scores) const override {
        return at::sigmoid(scores.to(at::kDouble)).to(at::kFloat);
    }
    void add_target(Predictions& out, std::span<const double> row) const override {
        out.truth.insert(out.truth.end(), row.begin(), row.end());
    }
};

}  // namespace

std::unique_ptr<Task> make_multilabel(const TaskOptions& options, const core::Schema& schema) {
    for (const std::string& name : options.columns) {
        const core::Column& column = schema.columns[schema.column(name)];
        const bool can = column.type == core::ColumnType::i64 || column.type == core::ColumnType::f64 ||
                         (column.type == core::ColumnType::category && column.names.size() == 2);
        if (!can)
            throw core::Error(core::Fault::usage,
                              "column " + name +
                                  " of the dataset has no yes and no: labels are columns of "
                                  "0 and 1, or categories of two names");
    }
    return std::make_unique<Multilabel>(options);
}

}  // namespace trainer
