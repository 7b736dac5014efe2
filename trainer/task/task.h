#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/data/loader.h"
#include "trainer/eval/judge.h"
#include "trainer/loss/loss.h"
#include "trainer/model/model.h"

namespace trainer {

// [task] and [loss] of a recipe, and the columns of its [data].
struct TaskOptions {
    std::string name = "classification";
    std::vector<std::string> columns{"label"};  // of the targets; none where a field is
    std::string mask;                           // that field
    std::vector<std::string> classes;           // what its values stand for
    std::vector<std::int64_t> values;           // of each class, 0 to 255; empty: 0, 1, ...
    LossOptions loss;
    double surface_tolerance = 1;  // this and the next: EvaluateOptions has them
    bool uses_spacing = true;
    std::size_t patch_axes = 0;  // of the parts of samples that batches bring; 0: whole samples

    // Of the recipe's [data] `label`, or `labels` where a task has several, or `mask`. Throws Error(usage).
    static TaskOptions from(const core::Config& task, const core::Config& data, const core::Config& loss);
};

// What rows of a batch are made for.
struct RowOptions {
    bool has_surfaces = true;               // false: figures of surfaces are NaN
    bool is_said = false;                   // they are made of what Task::said gave, in place of scores
    std::function<void()> went_on = [] {};  // called now and then where rows take long
};

// What a model is trained for: which columns or field are the target, what is made less, and what the outputs mean. All that a
// step, a prediction and a report know of it.
class Task {
public:
    virtual ~Task() = default;
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    const TaskOptions& options() const noexcept { return options_; }
    const Judge& judge() const { return judge_of(options_.name); }
    // Names of the model's outputs, in their order.
    const std::vector<std::string>& outputs() const noexcept { return outputs_; }
    // Of a model for samples of this shape. Throws Error(usage) if the target is none of such samples.
    virtual ModelInput input(std::vector<std::int64_t> shape) const;
    // The column that no sample may miss; "" if there is none.
    virtual std::string needed() const { return options_.columns.at(0); }

    // Which columns and fields batches must bring.
    virtual void ask(LoaderOptions& options) const = 0;
    // And where rows are made of them.
    virtual void ask_measured(LoaderOptions& options) const { ask(options); }
    // Those of a batch, [n] or [n, ...], on the CPU. Throws Error(data) that names the sample of a mask that is none, or of
    // a spacing that is none where the batch brings it.
    virtual at::Tensor target(const Batch& batch) const = 0;
    // The first row of it that no model can be trained or measured by, if there is one.
    virtual std::optional<std::int64_t> first_unusable(const at::Tensor&) const { return std::nullopt; }
    // Before the first step, on one rank: what the model must know of the targets of the training split. Throws
    // core::Error.
    virtual void learn(Model&, const Dataset&) const {}

    // Mean over the samples (loss_of); `scores` as Model::forward gives them, `target` on their device.
    virtual at::Tensor loss(const Model& model, const at::Tensor& scores, const at::Tensor& target) const = 0;
    // Where the loss knows mixtures: targets that are `share` (float32, [n] or [n, 1]) of `mine` and else `others`,
    // as the loss takes them (Target).
    virtual at::Tensor mixed(const at::Tensor& mine, const at::Tensor& others, const at::Tensor& share) const;

    // What scores say, such that it may be averaged: probabilities, or values in their units. As `scores`, float32.
    virtual at::Tensor said(const Model& model, const at::Tensor& scores) const = 0;
    // What figures are made of, on any rank: [n, row_size] float64 on the CPU, a row for each of `target`; `scores` may
    // have more rows behind those.
    virtual std::size_t row_size() const = 0;
    // `batch`: whose target that is, asked for by ask_measured.
    virtual at::Tensor rows(const Model& model, const at::Tensor& scores, const at::Tensor& target,
                            const Batch& batch, const RowOptions& options) const = 0;
    // Adds such a row to `out`.
    virtual void add(Predictions& out, std::span<const double> row) const = 0;

protected:
    Task(TaskOptions options, std::vector<std::string> outputs)
        : options_(std::move(options)), outputs_(std::move(outputs)) {}

private:
    TaskOptions options_;
    std::vector<std::string> outputs_;
};

// A task whose target is columns: its rows are theirs, and then what the model says.
class ColumnTask : public Task {
public:
    std::optional<std::int64_t> first_unusable(const at::Tensor& target) const final;
    std::size_t row_size() const final { return options().columns.size() + outputs().size(); }
    at::Tensor rows(const Model& model, const at::Tensor& scores, const at::Tensor& target,
                    const Batch& batch, const RowOptions& options) const final;
    void add(Predictions& out, std::span<const double> row) const final;

protected:
    using Task::Task;

    // Of one row of the target.
    virtual bool is_target(std::span<const double> row) const = 0;
    virtual void add_target(Predictions& out, std::span<const double> row) const = 0;
};

// Throws Error(usage) if the dataset has no such columns or field, or they are of other kinds.
std::unique_ptr<Task> make_task(const TaskOptions& options, const core::Schema& schema);

// One function per file.
std::unique_ptr<Task> make_classification(const TaskOptions& options, const core::Schema& schema);
std::unique_ptr<Task> make_multilabel(const TaskOptions& options, const core::Schema& schema);
std::unique_ptr<Task> make_regression(const TaskOptions& options, const core::Schema& schema);
std::unique_ptr<Task> make_segmentation(const TaskOptions& options, const core::Schema& schema);

// Names of a category column. Throws Error(usage) if it is none.
std::vector<std::string> category_names(const core::Schema& schema, const std::string& column);

}  // namespace trainer
