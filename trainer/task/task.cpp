#include "trainer/task/task.h"

#include <algorithm>

#include "core/base/error.h"

namespace trainer {
namespace {

struct Row {
    const char* name;  // of a row of judge.cpp too
    Target target;
    bool has_several_columns;
    std::unique_ptr<Task> (*make)(const TaskOptions&, const core::Schema&);
};
constexpr Row kTasks[] = {
    {"classification", Target::classes, false, make_classification},
    {"regression", Target::numbers, false, make_regression},
    {"multilabel", Target::flags, true, make_multilabel},
};

const Row& row_of(const std::string& name) {
    const auto found = std::find_if(std::begin(kTasks), std::end(kTasks),
                                    [&](const Row& each) { return name == each.name; });
    if (found == std::end(kTasks)) throw core::Error(core::Fault::bug, "a task that is in no row");
    return *found;
}

}  // namespace

TaskOptions TaskOptions::from(const core::Config& task, const core::Config& data, const core::Config& loss) {
    TaskOptions out;
    out.name = task.text_or("name", out.name);
    try {
        judge_of(out.name);
    } catch (const core::Error& e) {
        task.refuse("name", e.what());
    }
    const Row& row = row_of(out.name);
    if (row.has_several_columns) {
        out.columns = data.texts("labels");
        if (data.has("missing_label"))
            data.refuse("missing_label",
                        "of several labels those that are missing are left out, and no sample");
        if (out.columns.empty()) data.refuse("labels", "expected the columns of the targets");
        for (std::size_t i = 0; i < out.columns.size(); ++i)
            if (std::find(out.columns.begin(), out.columns.begin() + static_cast<std::ptrdiff_t>(i),
                          out.columns[i]) != out.columns.begin() + static_cast<std::ptrdiff_t>(i))
                data.refuse("labels", "names a column twice");
    } else {
        out.columns = {data.text_or("label", "label")};
    }
    out.loss = LossOptions::from(loss, row.target);
    return out;
}

ModelInput Task::input(std::vector<std::int64_t> shape) const {
    return {std::move(shape), static_cast<std::int64_t>(outputs_.size()),
            row_of(options_.name).target == Target::numbers};
}

std::unique_ptr<Task> make_task(const TaskOptions& options, const core::Schema& schema) {
    return row_of(options.name).make(options, schema);
}

std::vector<std::string> category_names(const core::Schema& schema, const std::string& column) {
    const core::Column& found = schema.columns[schema.column(column)];
    if (found.type != core::ColumnType::category)
        throw core::Error(core::Fault::usage, "column " + column +
                                                  " of the dataset is not a category: models are "
                                                  "trained to tell categories apart");
    return found.names;
}

}  // namespace trainer
