#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
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
    std::vector<std::string> columns{"label"};  // of the targets
    LossOptions loss;

    // `columns` of the recipe's [data]: `label`, or `labels` where a task has several. Throws Error(usage).
    static TaskOptions from(const core::Config& task, const core::Config& data, const core::Config& loss);
};

// What a model is trained for: which columns are the target, what is made less, and what the outputs mean. All that a
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
    ModelInput input(std::vector<std::int64_t> shape) const;  // of a model for samples of this shape
    // The column that no sample may miss; "" if there is none.
    virtual std::string needed() const { return options_.columns.at(0); }

    // Which columns batches must bring.
    virtual void ask(LoaderOptions& options) const = 0;
    // Those of a batch, [n] or [n, columns], on the CPU.
    virtual at::Tensor target(const Batch& batch) const = 0;
    // Of one row of it: whether a model can be trained and measured by it.
    virtual bool is_target(std::span<const double> row) const = 0;
    // Before the first step, on one rank: what the model must know of the targets of the training split. Throws
    // core::Error.
    virtual void learn(Model&, const Dataset&) const {}

    // Mean over the samples (loss_of); `scores` as Model::forward gives them, `target` on their device.
    virtual at::Tensor loss(const Model& model, const at::Tensor& scores, const at::Tensor& target) const = 0;
    // What the model says, [n, outputs] float32: probabilities, or values in their units.
    virtual at::Tensor said(const Model& model, const at::Tensor& scores) const = 0;
    // Adds a row of the target to `out`.
    virtual void add(Predictions& out, std::span<const double> row) const = 0;

protected:
    Task(TaskOptions options, std::vector<std::string> outputs)
        : options_(std::move(options)), outputs_(std::move(outputs)) {}

private:
    TaskOptions options_;
    std::vector<std::string> outputs_;
};

// Throws Error(usage) if the dataset has no such columns, or they are of other kinds.
std::unique_ptr<Task> make_task(const TaskOptions& options, const core::Schema& schema);

// One function per file.
std::unique_ptr<Task> make_classification(const TaskOptions& options, const core::Schema& schema);
std::unique_ptr<Task> make_multilabel(const TaskOptions& options, const core::Schema& schema);
std::unique_ptr<Task> make_regression(const TaskOptions& options, const core::Schema& schema);

// Names of a category column. Throws Error(usage) if it is none.
std::vector<std::string> category_names(const core::Schema& schema, const std::string& column);

}  // namespace trainer
