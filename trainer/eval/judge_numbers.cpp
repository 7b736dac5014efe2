// Regression: each sample has a number, in the unit of its column.
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/report_parts.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<FigureRow>& rows() {
    static const std::vector<FigureRow> kRows{{"mae", true, false, false, true},
                                              {"rmse", true, false, false, true},
                                              {"r2", true, true, false, false},
                                              {"bias", false, false, false, true}};
    return kRows;
}

class JudgedNumbers final : public Judged {
public:
    JudgedNumbers(const Predictions& predictions, std::vector<std::size_t> samples)
        : Judged(predictions), samples_(std::move(samples)) {
        for (const std::size_t i : samples_) unscored_ += !std::isfinite(predictions.probability[i]);
    }

    std::vector<double> of(const Times& times) const override {
        std::vector<double> out(rows().size(), NAN);
        double count = 0, sum = 0;
        for (const std::size_t i : samples_) {
            if (times[i] == 0) continue;
            if (!std::isfinite(predictions_.probability[i])) return out;
            count += times[i];
            sum += times[i] * predictions_.truth[i];
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
        if (spread > 0) out[2] = 1 - squares / spread;
        out[3] = off / count;
        return out;
    }
    Json once() const override {
        Json out = {{"samples", samples_.size()}};
        const auto values = of_once();
        for (std::size_t i = 0; i < values.size(); ++i) out[std::string(rows()[i].name)] = number(values[i]);
        if (unscored_ > 0) out["without_score"] = unscored_;
        return out;
    }
    std::int64_t unscored() const override { return unscored_; }

private:
    const std::vector<std::size_t> samples_;
    std::int64_t unscored_ = 0;
};

class JudgeNumbers final : public Judge {
public:
    std::string_view task() const override { return "regression"; }
    std::string_view first_select() const override { return "mae"; }
    std::string_view first_score() const override { return "mae"; }
    std::vector<std::string_view> told() const override { return {"mae", "r2"}; }
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
