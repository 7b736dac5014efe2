#include "trainer/eval/judge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/split.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

constexpr const Judge& (*kJudges[])() = {judge_classes, judge_numbers, judge_flags, judge_masks};

}  // namespace

const Judge& judge_of(std::string_view task) {
    for (const auto& judge : kJudges)
        if (judge().task() == task) return judge();
    const auto near = core::nearest(task, task_names());
    throw Error(Fault::usage, near ? "no such task; did you mean \"" + *near + "\"?"
                                   : "no such task; there are " + core::joined(task_names()));
}

std::vector<std::string> task_names() {
    std::vector<std::string> out;
    for (const auto& judge : kJudges) out.emplace_back(judge().task());
    return out;
}

std::vector<double> Judged::told_of(const Times& times) const {
    std::vector<double> out = of(times);
    for (std::size_t i = 0; i < out.size(); ++i)
        if (!may_be_told(i) || (i < untold_.size() && untold_[i])) out[i] = NAN;
    return out;
}

void Judged::tell_further(nlohmann::ordered_json&, const std::vector<std::vector<double>>&) const {}

std::vector<bool> Judge::untold_of_persons(const Predictions& predictions,
                                           const std::vector<std::size_t>& samples,
                                           const EvaluateOptions& options) const {
    std::map<std::uint64_t, std::int64_t> of;
    for (const std::size_t i : samples) ++of[predictions.patient[i]];
    const auto several =
        std::count_if(of.begin(), of.end(), [](const auto& each) { return each.second > 1; });
    return std::vector<bool>(figures().size(), several > 0 && several < options.min_stratum);
}

bool Judge::are_enough(const Predictions&, const EvaluateOptions&, const std::vector<std::size_t>& samples,
                       const std::vector<std::size_t>& patient, std::size_t patients) const {
    std::vector<bool> seen(patients);
    std::int64_t count = 0;
    for (const std::size_t i : samples) {
        count += !seen[patient[i]];
        seen[patient[i]] = true;
    }
    return count >= kLeastOfKind;
}

const FigureRow* Judge::find_score(std::string_view name) const {
    for (const FigureRow& each : figures())
        if (each.is_score && each.name == name) return &each;
    return nullptr;
}

std::size_t Judge::place(std::string_view figure) const {
    for (std::size_t i = 0; i < figures().size(); ++i)
        if (figures()[i].name == figure) return i;
    throw Error(Fault::bug, "a report asks for a figure that its task does not have");
}

std::string Judge::score_names() const {
    std::vector<std::string> names;
    for (const FigureRow& each : figures())
        if (each.is_score) names.push_back('"' + std::string(each.name) + '"');
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i)
        out += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
    return out;
}

std::optional<double> Judge::kept_by(const Judged& all, const std::string& select) const {
    if (all.unscored() > 0) return std::nullopt;
    const FigureRow* row = find_score(select);
    if (!row) row = find_score(first_select());
    const double value = all.of_once()[place(row->name)];
    if (std::isnan(value)) return std::nullopt;
    return row->is_more_better ? value : -value;
}

double Judge::unsigned_score(double kept, const std::string& select) const {
    const FigureRow* row = find_score(select);
    if (!row) row = find_score(first_select());  // as kept_by
    return row->is_more_better ? kept : -kept;
}

}  // namespace trainer
