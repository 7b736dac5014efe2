#include "trainer/task/task.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/error.h"
#include "core/base/split.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

struct Row {
    const char* name;  // of a row of judge.cpp too
    Target target;
    enum class From { column, columns, field } from;
    std::unique_ptr<Task> (*make)(const TaskOptions&, const core::Schema&);
};
constexpr Row kTasks[] = {
    {"classification", Target::classes, Row::From::column, make_classification},
    {"regression", Target::numbers, Row::From::column, make_regression},
    {"multilabel", Target::flags, Row::From::columns, make_multilabel},
    {"segmentation", Target::masks, Row::From::field, make_segmentation},
};

const Row& row_of(const std::string& name) {
    const auto found = std::find_if(std::begin(kTasks), std::end(kTasks),
                                    [&](const Row& each) { return name == each.name; });
    if (found == std::end(kTasks)) throw core::Error(core::Fault::bug, "a task that is in no row");
    return *found;
}

// What the values of a mask stand for.
std::vector<std::string> classes_from(const core::Config& task) {
    std::vector<std::string> out = task.texts("classes");
    if (out.size() < 2)
        task.refuse(
            "classes",
            "expected the names of the mask's values (task.values): the background and what is looked for");
    for (std::size_t i = 0; i < out.size(); ++i) {
        const bool is_plain =
            !out[i].empty() && out[i].size() <= 64 &&
            std::all_of(out[i].begin(), out[i].end(), [](char c) { return c >= ' ' && c <= '~'; });
        if (!is_plain) task.refuse("classes", "expected names of 1 to 64 printable characters");
        if (std::find(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(i), out[i]) !=
            out.begin() + static_cast<std::ptrdiff_t>(i))
            task.refuse("classes", "names a class twice");
    }
    return out;
}

// The value of each class.
std::vector<std::int64_t> values_from(const core::Config& task, std::size_t classes) {
    std::vector<std::int64_t> out = task.integers("values");
    if (!task.has("values")) return out;
    if (out.size() != classes) task.refuse("values", "expected one for each of task.classes");
    std::array<bool, 256> is_seen{};
    bool are_in_order = true;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (out[i] < 0 || out[i] > 255) task.refuse("values", "expected numbers from 0 to 255");
        if (std::exchange(is_seen[static_cast<std::size_t>(out[i])], true))
            task.refuse("values", "names a value twice");
        are_in_order = are_in_order && out[i] == static_cast<std::int64_t>(i);
    }
    if (are_in_order) out.clear();  // said or not, the same run
    return out;
}

}  // namespace

std::vector<KeyRow> task_rows() {
    using Type = Allowed::Type;
    using From = Row::From;
    const auto none = nlohmann::ordered_json::array();
    static const std::string kNames = core::joined(task_names(), " ");
    const auto of = [&](KeyRow row, From from) {
        row.by = "task.name";
        for (const Row& each : kTasks)
            if (each.from == from) row.of.push_back(each.name);
        return row;
    };
    std::vector<KeyRow> out{
        row("task.name", {Type::text, 0, 0, kNames}, TaskOptions().name, "", "what the model is trained for"),
        of(row("task.classes", {Type::texts}, none, "",
               "of masks: what the values stand for, the background first"),
           From::field),
        of(row("task.values", {Type::integers, 0, 255}, nullptr, "", "0, 1, ...; of each class"),
           From::field),
        of(row("data.label", {}, TaskOptions().columns[0], "", "the column of the target", 1), From::column),
        of(row("data.labels", {Type::texts}, none, "",
               "the columns of the targets: 0 and 1, or categories of two names, of which the second is the "
               "yes"),
           From::columns),
        of(row("data.mask", {}, "mask", "", "the field of the target: of each pixel the value of its class"),
           From::field)};
    for (KeyRow& each : out) each.is_needed = each.name == "classes" || each.name == "labels";
    return out;
}

TaskOptions TaskOptions::from(const core::Config& task, const core::Config& data, const core::Config& loss) {
    TaskOptions out;
    out.name = task.text_or("name", out.name);
    try {
        judge_of(out.name);
    } catch (const core::Error& e) {
        task.refuse("name", e.what());
    }
    const Row& row = row_of(out.name);
    if (row.from == Row::From::field) {
        out.columns.clear();
        out.mask = data.text_or("mask", "mask");
        if (out.mask == data.text_or("field", "")) data.refuse("mask", "is the field that the model sees");
        out.classes = classes_from(task);
        out.values = values_from(task, out.classes.size());
        if (data.has("missing_label"))
            data.refuse("missing_label", "a mask is no label: every sample has one");
    } else if (row.from == Row::From::columns) {
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

at::Tensor Task::mixed(const at::Tensor&, const at::Tensor&, const at::Tensor&) const {
    throw core::Error(core::Fault::bug, "targets of task " + options_.name + " were to be mixed");
}

std::optional<std::int64_t> ColumnTask::first_unusable(const at::Tensor& target) const {
    const at::Tensor rows = target.to(at::kDouble).contiguous();
    const std::size_t columns = options().columns.size();
    const auto* row = rows.const_data_ptr<double>();
    for (std::int64_t i = 0; i < rows.size(0); ++i, row += columns)
        if (!is_target({row, columns})) return i;
    return std::nullopt;
}

at::Tensor ColumnTask::rows(const Model& model, const at::Tensor& scores, const at::Tensor& target,
                            const Batch&, const RowOptions& wanted) const {
    const at::Tensor told = (wanted.is_said ? scores : said(model, scores))
                                .to(at::kCPU, at::kDouble)
                                .narrow(0, 0, target.size(0));
    return at::cat({target.to(at::kDouble).view({target.size(0), -1}), told}, 1);
}

void ColumnTask::add(Predictions& out, std::span<const double> row) const {
    add_target(out, row.first(options().columns.size()));
    for (const double each : row.subspan(options().columns.size()))
        out.probability.push_back(static_cast<float>(each));
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
