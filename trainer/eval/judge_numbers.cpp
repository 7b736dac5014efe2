// Regression: each sample has a number, in the unit of its column.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/base/error.h"
#include "trainer/eval/dominance.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/report_parts.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<FigureRow>& rows() {
    static const std::vector<FigureRow> kRows{{"mae", true, false, false, true, 3},
                                              {"rmse", true, false, false, true, 3},
                                              {"r2", true, true, false, false, 3},
                                              {"bias", false, false, false, true, 3}};
    return kRows;
}
constexpr std::size_t kR2 = 2;

// Of the samples of one patient.
struct OfPatient {
    double samples = 0, absolute = 0, squares = 0, off = 0, spread = 0;
};
std::vector<OfPatient> patients_in(const Predictions& predictions, const std::vector<std::size_t>& samples) {
    double mean = 0;
    for (const std::size_t i : samples) mean += predictions.truth[i] / static_cast<double>(samples.size());
    std::unordered_map<std::uint64_t, std::size_t> place;
    std::vector<OfPatient> out;
    for (const std::size_t i : samples) {
        const auto [found, is_new] = place.try_emplace(predictions.patient[i], out.size());
        if (is_new) out.emplace_back();
        OfPatient& of = out[found->second];
        const double error = static_cast<double>(predictions.probability[i]) - predictions.truth[i];
        ++of.samples;
        of.absolute += std::abs(error);
        of.squares += error * error;
        of.off += error;
        of.spread += (predictions.truth[i] - mean) * (predictions.truth[i] - mean);
    }
    return out;
}

// Whether one patient's error would follow from a mean error of these samples, or of these patients. Sums of which none
// is unsafe have no unsafe sum where each patient is in one of them.
bool are_errors_unsafe(const std::vector<OfPatient>& patients) {
    Parts absolute, squares, means, squared_means;
    for (const OfPatient& each : patients) {
        const double mean = each.off / each.samples;
        absolute.add(each.absolute);
        squares.add(each.squares);
        means.add(std::abs(mean));
        squared_means.add(mean * mean);
    }
    return absolute.are_unsafe() || squares.are_unsafe() || means.are_unsafe() || squared_means.are_unsafe();
}

// Whether it would from a mean error of the samples and one of their patients together: their sums differ by a patient's
// as often as they have samples more than another, or fewer.
bool are_both_unsafe(const std::vector<OfPatient>& patients) {
    double fewest = INFINITY, greatest = 0;
    for (const OfPatient& each : patients) {
        fewest = std::min(fewest, each.samples);
        greatest = std::max(greatest, each.samples);
    }
    for (const double times : {fewest, greatest}) {
        Parts absolute, squares, off;
        for (const OfPatient& each : patients) {
            const double mean = each.off / each.samples;
            absolute.add(std::abs(each.absolute - times * std::abs(mean)));
            squares.add(std::abs(each.squares - times * mean * mean));
            off.add(std::abs((each.samples - times) * mean));
        }
        if (absolute.are_unsafe() || squares.are_unsafe() || off.are_unsafe()) return true;
    }
    return false;
}

// Or one patient's value from the spread that R2 and RMSE tell together.
bool is_spread_unsafe(const std::vector<OfPatient>& patients) {
    Parts spread;
    for (const OfPatient& each : patients) spread.add(each.spread);
    return spread.are_unsafe();
}

class JudgedNumbers final : public Judged {
public:
    JudgedNumbers(const Predictions& predictions, std::vector<std::size_t> samples)
        : Judged(predictions), samples_(std::move(samples)) {
        for (const std::size_t i : samples_) unscored_ += !std::isfinite(predictions.probability[i]);
        const auto patients = patients_in(predictions, samples_);
        is_unsafe_ = are_errors_unsafe(patients);
        is_r2_unsafe_ = is_spread_unsafe(patients);
    }

    bool may_be_told(std::size_t figure) const override {
        return !is_unsafe_ && !(figure == kR2 && is_r2_unsafe_);
    }

    std::vector<double> of(const Times& times) const override {
        std::vector<double> out(rows().size(), NAN);
        double count = 0, sum = 0, least = INFINITY, most = -INFINITY;
        for (const std::size_t i : samples_) {
            if (times[i] == 0) continue;
            if (!std::isfinite(predictions_.probability[i])) return out;
            count += times[i];
            sum += times[i] * predictions_.truth[i];
            least = std::min(least, predictions_.truth[i]);
            most = std::max(most, predictions_.truth[i]);
        }
        if (count == 0) return out;
        const double mean = sum / count;  // first: squares of what lies far from zero would lose all digits
        double absolute = 0, squares = 0, off = 0, spread = 0;
        for (const std::size_t i : samples_) {
            const double error = static_cast<double>(predictions_.probability[i]) - predictions_.truth[i];
            const double from_mean = predictions_.truth[i] - mean;
            absolute += times[i] * std::abs(error);
            squares += times[i] * error * error;
            off += times[i] * error;
            spread += times[i] * from_mean * from_mean;
        }
        out[0] = absolute / count;
        out[1] = std::sqrt(squares / count);
        if (least < most) out[kR2] = 1 - squares / spread;
        out[3] = std::abs(off) > 1e-12 * absolute ? off / count : 0;  // not what rounding leaves
        return out;
    }
    Json once() const override {
        Json out = {{"samples", samples_.size()}};
        const auto values = told_of(Times(predictions_.samples(), 1));
        for (std::size_t i = 0; i < values.size(); ++i)
            out[std::string(rows()[i].name)] = number(values[i], rows()[i].significant);
        if (unscored_ > 0) out["without_score"] = unscored_;
        return out;
    }
    std::int64_t unscored() const override { return unscored_; }

private:
    const std::vector<std::size_t> samples_;
    std::int64_t unscored_ = 0;
    bool is_unsafe_ = false, is_r2_unsafe_ = false;
};

class JudgeNumbers final : public Judge {
public:
    std::string_view task() const override { return "regression"; }
    std::string_view first_select() const override { return "mae"; }
    std::string_view first_score() const override { return "mae"; }
    std::vector<std::string_view> told() const override { return {"mae", "r2"}; }
    bool tells_kept() const override { return false; }  // nobody looked whose error it would tell
    std::vector<std::pair<std::string_view, std::string_view>> shown() const override {
        return {{"mae", "MAE"}, {"r2", "R2"}, {"rmse", "RMSE"}, {"bias", "bias"}};
    }
    std::vector<std::string_view> tabled() const override { return {"mae", "rmse", "r2", "bias"}; }
    const std::vector<FigureRow>& figures() const override { return rows(); }

    void check(const EvaluateOptions& options, const std::vector<std::string>&) const override {
        if (!options.positive.empty() || !options.points.empty())
            throw core::Error(core::Fault::usage,
                              "evaluate.positive and evaluate.points are for classes; a regression has none");
    }

    // A group is hidden also where one patient dominates it, or what would follow from those that are shown.
    std::vector<Group> groups(const Predictions& predictions, const EvaluateOptions& options) const override {
        return groups_of(predictions, options, [&](const std::vector<std::size_t>& samples) {
            return are_errors_unsafe(patients_in(predictions, samples));
        });
    }

    std::vector<bool> untold_of_persons(const Predictions& predictions,
                                        const std::vector<std::size_t>& samples,
                                        const EvaluateOptions&) const override {
        return std::vector<bool>(rows().size(), are_both_unsafe(patients_in(predictions, samples)));
    }
    std::unique_ptr<Judged> judged(const Predictions& predictions, std::vector<std::size_t> samples,
                                   const EvaluateOptions&, const Chosen&, Ranks) const override {
        return std::make_unique<JudgedNumbers>(predictions, std::move(samples));
    }
    ByPatient by_patient(const Predictions& predictions,
                         const std::vector<std::size_t>& samples) const override {
        return means_by_patient(predictions, samples);
    }

    void tell_outputs(Json& out, const Predictions& predictions, const EvaluateOptions&) const override {
        out["task"] = task();
        out["target"] = predictions.classes.at(0);
    }
    void tell_whole(Json&, const Predictions&, const EvaluateOptions&, const Chosen&,
                    const Judged&) const override {}
};

}  // namespace

const Judge& judge_numbers() {
    static const JudgeNumbers kJudge;
    return kJudge;
}

}  // namespace trainer
