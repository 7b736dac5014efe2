#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/eval/calibrate.h"
#include "trainer/eval/curves.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/measure.h"
#include "trainer/eval/metrics.h"
#include "trainer/eval/patients.h"

namespace trainer {

// A figure that has an interval.
struct FigureRow {
    std::string_view name;
    bool is_score = true;  // strata may be compared by it, and weights kept
    bool is_more_better = true;
    bool needs_ranks = false;
    bool has_unit = false;
    int significant = 0;  // digits that are told; 0: six behind the point
};

// Some samples of one set of predictions, measured.
class Judged {
public:
    using Times = std::vector<std::uint32_t>;  // how often each sample of the predictions counts
    // Keeps the reference.
    explicit Judged(const Predictions& predictions) : predictions_(predictions) {}
    Judged(const Judged&) = delete;
    Judged& operator=(const Judged&) = delete;
    virtual ~Judged() = default;

    // The values of Judge::figures, in their order; NaN where one is not defined. Linear.
    virtual std::vector<double> of(const Times& times) const = 0;
    std::vector<double> of_once() const { return of(Times(predictions_.samples(), 1)); }
    // Each sample once: as it stands in metrics.json, `samples` first.
    virtual nlohmann::ordered_json once() const = 0;
    // Samples of which the model says something that is not finite.
    virtual std::int64_t unscored() const = 0;
    // Whether figure `number` may stand in a report; else it is null there. Weights may be kept by it all the same.
    virtual bool may_be_told(std::size_t) const { return true; }
    // Nor may these, whatever that says.
    void leave_untold(std::vector<bool> figures) { untold_ = std::move(figures); }
    // Whether figure `number` is a mean of the same classes there as here. `rest` is of the same judge and predictions.
    virtual bool compares_with(const Judged& /*rest*/, std::size_t /*number*/) const { return true; }
    // `of` where they may be told, else NaN.
    std::vector<double> told_of(const Times& times) const;

    // Figures beyond those, of the same samples, and their place in the entry `of` of metrics.json; `rounds`: the
    // former of each resampling, empty without resamplings.
    virtual std::vector<double> further(const Times&) const { return {}; }
    virtual void tell_further(nlohmann::ordered_json& of,
                              const std::vector<std::vector<double>>& rounds) const;

protected:
    const Predictions& predictions_;

private:
    std::vector<bool> untold_;
};

// How what a model says is measured, for one task: all that a report knows of it. METRICS.md defines the figures.
class Judge {
public:
    virtual ~Judge() = default;

    virtual std::string_view task() const = 0;
    virtual const std::vector<FigureRow>& figures() const = 0;
    virtual std::string_view first_select() const = 0;       // train.select where the recipe says none
    virtual std::string_view first_score() const = 0;        // evaluate.score
    virtual std::vector<std::string_view> told() const = 0;  // figures in the event of a validation
    // Whether metrics.json may tell the score of weights that were kept, whatever the validation split was.
    virtual bool tells_kept() const { return true; }
    // What people see first, with its heading.
    virtual std::vector<std::pair<std::string_view, std::string_view>> shown() const = 0;

    virtual std::vector<std::string_view> tabled() const = 0;  // columns of report.html, beside the score

    // Throws Error(usage) if [evaluate] asks for what outputs of these names do not have.
    virtual void check(const EvaluateOptions& options, const std::vector<std::string>& outputs) const = 0;
    // Whether evaluate.bins and evaluate.temperature say anything.
    virtual bool has_calibration() const { return false; }
    // Whether evaluate.surface_tolerance does.
    virtual bool has_surfaces() const { return false; }
    // Whether this score is made of surfaces; "last" is not.
    virtual bool is_of_surfaces(std::string_view /*score*/) const { return false; }
    // Whether anything is chosen on the validation split.
    virtual bool chooses(const EvaluateOptions&) const { return false; }
    virtual Chosen choose(const EvaluateOptions&, const std::vector<std::string>&, const Predictions*) const {
        return {};
    }

    // All groups of the wanted strata; those of which nothing may be told are hidden.
    virtual std::vector<Group> groups(const Predictions& predictions, const EvaluateOptions& options) const {
        return groups_of(predictions, options);
    }
    // Which figures are told of none of the strata, though of the whole they may be; `groups` as above. Empty: of all.
    virtual std::vector<bool> untold_of_strata(const Predictions&, const EvaluateOptions&,
                                               const std::vector<Group>& /*groups*/) const {
        return {};
    }
    // Which figures `per_patient` of these samples leaves out: that of the samples times their number less that of their
    // patients times theirs is made by the patients of whom there are more samples. Here all, where those are few.
    virtual std::vector<bool> untold_of_persons(const Predictions& predictions,
                                                const std::vector<std::size_t>& samples,
                                                const EvaluateOptions& options) const;
    // Keeps a reference to `predictions`.
    virtual std::unique_ptr<Judged> judged(const Predictions& predictions, std::vector<std::size_t> samples,
                                           const EvaluateOptions& options, const Chosen& chosen,
                                           Ranks ranks) const = 0;
    // Rows of patients in place of samples.
    virtual ByPatient by_patient(const Predictions& predictions,
                                 const std::vector<std::size_t>& samples) const = 0;
    // Whether `samples` have patients enough for the error that resampling shows to be that of the score. `patient`: of
    // each sample of the predictions, its number below `patients`.
    virtual bool are_enough(const Predictions& predictions, const EvaluateOptions& options,
                            const std::vector<std::size_t>& samples, const std::vector<std::size_t>& patient,
                            std::size_t patients) const;

    // metrics.json: what stands there before all, and between `overall` and `min_stratum`.
    virtual void tell_outputs(nlohmann::ordered_json& out, const Predictions& predictions,
                              const EvaluateOptions& options) const = 0;
    virtual void tell_whole(nlohmann::ordered_json& out, const Predictions& predictions,
                            const EvaluateOptions& options, const Chosen& chosen,
                            const Judged& whole) const = 0;
    // Of report.html alone: a curve for each class or label that metrics.json tells of by itself, of two classes the one
    // that is looked for. `told`: the report of these predictions, beside which they stand.
    virtual std::vector<Curve> curves(const Predictions&, const EvaluateOptions&,
                                      const nlohmann::ordered_json& /*told*/) const {
        return {};
    }

    const FigureRow* find_score(std::string_view name) const;  // nullptr if there is none
    std::size_t place(std::string_view figure) const;          // among figures; throws Error(bug)
    std::string score_names() const;                           // "accuracy", ... or "..."
    // The score by which weights are kept; more is better. Nothing if it is not defined there or any sample is
    // unscored: such weights win over none, and lose to all others. Of "last" the first one.
    std::optional<double> kept_by(const Judged& all, const std::string& select) const;
    // What that was.
    double unsigned_score(double kept, const std::string& select) const;
};

constexpr std::int64_t kLeastOfKind = 10;  // patients of a kind, for an error that can be believed

// One row a task: "classification", "regression", "multilabel", "segmentation". Throws Error(usage).
const Judge& judge_of(std::string_view task);
std::vector<std::string> task_names();

const Judge& judge_classes();
const Judge& judge_numbers();
const Judge& judge_flags();
const Judge& judge_masks();

}  // namespace trainer
