// Segmentation: each sample has a class at every pixel; the first is the background, which nothing is measured of. A figure
// of all classes is the mean over the classes of the mean over the samples in which it is defined.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "trainer/eval/dominance.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/masks.h"
#include "trainer/eval/report_parts.h"

namespace trainer {

using Json = nlohmann::ordered_json;

MaskFigures mask_figures(std::int64_t are, std::int64_t said, std::int64_t both,
                         const SurfaceFigures& surface) {
    const auto share = [](std::int64_t part, std::int64_t of) {
        return of == 0 ? NAN : static_cast<double>(part) / static_cast<double>(of);
    };
    return {static_cast<double>(are),
            share(2 * both, are + said),
            share(both, are),
            share(both, said),
            surface.hd95,
            surface.dice};
}

namespace {

const std::vector<FigureRow>& rows() {
    static const std::vector<FigureRow> kRows{{"dice", true, true, false, false, 3},
                                              {"sensitivity", true, true, false, false, 3},
                                              {"precision", true, true, false, false, 3},
                                              {"hd95", true, false, false, true, 3},
                                              {"surface_dice", true, true, false, false, 3}};
    return kRows;
}
// The first so many are told or hidden together. Those of surfaces are told only where that hides none of these: one patient
// who is far off would take a site's Dice away.
constexpr std::size_t kTogether = 3;
constexpr std::size_t kPixels = 0;  // in MaskFigures::all; figure k of rows() is the one behind it

// `c` counts from 0 the classes that are no background.
std::size_t classes_of(const Predictions& p) {
    return p.classes.size() - 1;
}
double value_of(const Predictions& p, std::size_t sample, std::size_t c, std::size_t place) {
    return p.measured[(sample * classes_of(p) + c) * MaskFigures::kCount + place];
}
bool is_scored(const Predictions& p, std::size_t sample) {
    for (std::size_t c = 0; c < classes_of(p); ++c)
        if (std::isnan(value_of(p, sample, c, kPixels))) return false;
    return true;
}

// Whether it is there in `least` patients. Counts no further.
bool have(const Predictions& p, const std::vector<std::size_t>& samples, std::size_t c, std::int64_t least) {
    std::set<std::uint64_t> patients;
    for (std::size_t i = 0; i < samples.size() && std::ssize(patients) < least; ++i)
        if (value_of(p, samples[i], c, kPixels) > 0) patients.insert(p.patient[samples[i]]);
    return std::ssize(patients) >= least;
}

// The classes that enter the means: of the others, which few patients have, what a mean leaves would tell.
std::vector<std::size_t> meant(const Predictions& p, std::int64_t least) {
    const std::vector<std::size_t> all = all_of(p);
    std::vector<std::size_t> out;
    for (std::size_t c = 0; c < classes_of(p); ++c)
        if (have(p, all, c, least)) out.push_back(c);
    return out;
}

// Of figure k of rows() of this class, in the samples where it is defined.
struct OfPatients {
    std::map<std::uint64_t, std::pair<double, double>> patients;  // samples, sum
    double most =
        1;  // that it can be; of a distance the greatest there is, which a miss makes the diagonal of the sample
};
OfPatients patients_in(const Predictions& p, const std::vector<std::size_t>& samples, std::size_t c,
                       std::size_t k) {
    OfPatients out;
    if (rows()[k].has_unit) out.most = 0;
    for (const std::size_t i : samples) {
        const double value = value_of(p, i, c, k + 1);
        if (std::isnan(value)) continue;
        auto& [count, sum] = out.patients[p.patient[i]];
        ++count;
        sum += value;
        out.most = std::max(out.most, value);
    }
    return out;
}

// Whether figure k of rows() of this class over the samples is of fewer than `least` patients, of those in whom it is
// defined; or one patient's would follow from its mean over the samples, or over their patients: of what is there, or of
// what lacks to the most. Sums of which none is unsafe have no unsafe sum, whatever weights they have.
bool is_unsafe(const Predictions& p, const std::vector<std::size_t>& samples, std::size_t c,
               std::int64_t least, std::size_t k) {
    const auto [patients, most] = patients_in(p, samples, c, k);
    if (!patients.empty() && std::ssize(patients) < least) return true;
    Parts there, lacking, mean_there, mean_lacking;
    for (const auto& [patient, of] : patients) {
        const auto& [count, sum] = of;
        there.add(sum);
        lacking.add(count * most - sum);
        mean_there.add(sum / count);
        mean_lacking.add(most - sum / count);
    }
    return there.are_unsafe() || mean_there.are_unsafe() || lacking.are_unsafe() || mean_lacking.are_unsafe();
}

// Whether one patient's figure would follow from the mean over the samples and that over their patients together: their
// sums differ by a patient's mean as often as they have samples more than another, or fewer.
bool are_both_unsafe(const Predictions& p, const std::vector<std::size_t>& samples, std::size_t c,
                     std::size_t k) {
    const auto [patients, most] = patients_in(p, samples, c, k);
    double fewest = INFINITY, greatest = 0;
    for (const auto& [patient, of] : patients) {
        fewest = std::min(fewest, of.first);
        greatest = std::max(greatest, of.first);
    }
    Parts more, fewer, more_lacking, fewer_lacking;
    for (const auto& [patient, of] : patients) {
        const auto& [count, sum] = of;
        const double mean = sum / count;
        more.add((count - fewest) * mean);
        fewer.add((greatest - count) * mean);
        more_lacking.add((count - fewest) * (most - mean));
        fewer_lacking.add((greatest - count) * (most - mean));
    }
    return more.are_unsafe() || fewer.are_unsafe() || more_lacking.are_unsafe() || fewer_lacking.are_unsafe();
}
bool is_any_unsafe(const Predictions& p, const std::vector<std::size_t>& samples, std::size_t c,
                   std::int64_t least) {
    for (std::size_t k = 0; k < kTogether; ++k)
        if (is_unsafe(p, samples, c, least, k)) return true;
    return false;
}

// Whether the mean of this class over the samples would tell of somebody.
bool are_few(const Predictions& p, const std::vector<std::size_t>& samples, std::size_t c,
             std::int64_t least) {
    const bool is_there = std::any_of(samples.begin(), samples.end(),
                                      [&](auto i) { return !std::isnan(value_of(p, i, c, 1)); });
    return is_there && (!have(p, samples, c, least) || is_any_unsafe(p, samples, c, least));
}

class JudgedMasks final : public Judged {
public:
    JudgedMasks(const Predictions& predictions, std::vector<std::size_t> samples, std::int64_t least)
        : Judged(predictions), samples_(std::move(samples)), classes_(meant(predictions, least)) {
        for (const std::size_t i : samples_) unscored_ += !is_scored(predictions, i);
        // Where every class is of few patients, weights are kept by all of them, and nothing is told.
        is_told_ = !classes_.empty();
        if (!is_told_)
            for (std::size_t c = 0; c < classes_of(predictions); ++c) classes_.push_back(c);
        for (const std::size_t c : classes_) is_told_ = is_told_ && !are_few(predictions, samples_, c, least);
        for (std::size_t k = kTogether; k < rows().size(); ++k)
            is_further_told_.push_back(std::none_of(classes_.begin(), classes_.end(), [&](std::size_t c) {
                return is_unsafe(predictions, samples_, c, least, k);
            }));
    }

    bool may_be_told(std::size_t figure) const override {
        return is_told_ && (figure < kTogether || is_further_told_[figure - kTogether]);
    }

    bool compares_with(const Judged& rest, std::size_t figure) const override {
        const auto& other = dynamic_cast<const JudgedMasks&>(rest);
        const Times once(predictions_.samples(), 1);
        return std::all_of(classes_.begin(), classes_.end(), [&](std::size_t c) {
            return std::isnan(mean_of(once, c, figure)) == std::isnan(other.mean_of(once, c, figure));
        });
    }

    std::vector<double> of(const Times& times) const override {
        std::vector<double> out(rows().size(), NAN);
        for (const std::size_t i : samples_)
            if (times[i] > 0 && !is_scored(predictions_, i)) return out;
        for (std::size_t k = 0; k < out.size(); ++k) {
            double means = 0, classes = 0;
            for (const std::size_t c : classes_) {
                const double mean = mean_of(times, c, k);
                if (std::isnan(mean)) continue;
                means += mean;
                ++classes;
            }
            if (classes > 0) out[k] = means / classes;
        }
        return out;
    }
    Json once() const override {
        Json out = {{"samples", samples_.size()}};
        const auto values = told_of(Times(predictions_.samples(), 1));
        for (std::size_t k = 0; k < values.size(); ++k)
            out[std::string(rows()[k].name)] = number(values[k], rows()[k].significant);
        if (unscored_ > 0) out["without_score"] = unscored_;
        return out;
    }
    std::int64_t unscored() const override { return unscored_; }

private:
    double mean_of(const Times& times, std::size_t c, std::size_t figure) const {
        double sum = 0, count = 0;
        for (const std::size_t i : samples_) {
            const double value = value_of(predictions_, i, c, figure + 1);
            if (times[i] == 0 || std::isnan(value)) continue;
            sum += times[i] * value;
            count += times[i];
        }
        return count > 0 ? sum / count : NAN;
    }

    const std::vector<std::size_t> samples_;
    std::vector<std::size_t> classes_;  // that enter the means
    std::int64_t unscored_ = 0;
    bool is_told_ = true;
    std::vector<bool> is_further_told_;  // of the figures behind kTogether
};

// The samples in which the Dice of a class is defined.
struct OfClass {
    Predictions patients;              // and strata
    std::vector<std::size_t> samples;  // of the whole predictions
};
OfClass with_class(const Predictions& p, std::size_t c) {
    OfClass out;
    out.patients.strata = p.strata;
    for (Predictions::Stratum& stratum : out.patients.strata) stratum.code.clear();
    for (std::size_t i = 0; i < p.samples(); ++i) {
        if (std::isnan(value_of(p, i, c, 1))) continue;
        out.samples.push_back(i);
        out.patients.patient.push_back(p.patient[i]);
        for (std::size_t s = 0; s < p.strata.size(); ++s)
            out.patients.strata[s].code.push_back(p.strata[s].code[i]);
    }
    return out;
}

class JudgeMasks final : public Judge {
public:
    std::string_view task() const override { return "segmentation"; }
    std::string_view first_select() const override { return "dice"; }
    std::string_view first_score() const override { return "dice"; }
    std::vector<std::string_view> told() const override { return {"dice"}; }
    bool tells_kept() const override { return false; }  // nobody looked whose figures it would tell
    std::vector<std::pair<std::string_view, std::string_view>> shown() const override {
        return {{"dice", "Dice"},
                {"sensitivity", "sensit."},
                {"precision", "precis."},
                {"hd95", "HD95"},
                {"surface_dice", "surf. D."}};
    }
    std::vector<std::string_view> tabled() const override {
        return {"dice", "sensitivity", "precision", "hd95", "surface_dice"};
    }
    bool has_surfaces() const override { return true; }
    bool is_of_surfaces(std::string_view score) const override {
        return std::any_of(rows().begin() + kTogether, rows().end(),
                           [&](const FigureRow& row) { return row.name == score; });
    }
    const std::vector<FigureRow>& figures() const override { return rows(); }

    void check(const EvaluateOptions& options, const std::vector<std::string>&) const override {
        if (!options.positive.empty() || !options.points.empty())
            throw core::Error(
                core::Fault::usage,
                "evaluate.positive and evaluate.points are for classes of samples, not for masks");
    }

    // A group is hidden also where few of its patients have a class, or one of them dominates it, or what would follow
    // from those that are shown.
    std::vector<Group> groups(const Predictions& predictions, const EvaluateOptions& options) const override {
        return groups_with(predictions, options, std::nullopt);
    }
    // A figure of surfaces is told of strata if hiding by it, too, hides no more of them.
    std::vector<bool> untold_of_strata(const Predictions& predictions, const EvaluateOptions& options,
                                       const std::vector<Group>& groups) const override {
        std::vector<bool> out(rows().size(), false);
        for (std::size_t k = kTogether; k < out.size(); ++k) {
            const std::vector<Group> with = groups_with(predictions, options, k);
            for (std::size_t i = 0; i < groups.size(); ++i)
                if (with[i].hidden != groups[i].hidden) out[k] = true;
        }
        return out;
    }

    std::vector<bool> untold_of_persons(const Predictions& predictions,
                                        const std::vector<std::size_t>& samples,
                                        const EvaluateOptions& options) const override {
        std::vector<bool> out(rows().size(), false);
        for (const std::size_t c : meant(predictions, options.min_stratum))
            for (std::size_t k = 0; k < out.size(); ++k)
                out[k] = out[k] || are_both_unsafe(predictions, samples, c, k);
        return out;
    }

    std::unique_ptr<Judged> judged(const Predictions& predictions, std::vector<std::size_t> samples,
                                   const EvaluateOptions& options, const Chosen&, Ranks) const override {
        return std::make_unique<JudgedMasks>(predictions, std::move(samples), options.min_stratum);
    }

    // A patient's figure is the mean over those of their samples in which it is defined.
    ByPatient by_patient(const Predictions& predictions,
                         const std::vector<std::size_t>& samples) const override {
        ByPatient out;
        out.predictions.task = predictions.task;
        out.predictions.classes = predictions.classes;
        std::map<std::uint64_t, std::size_t> place;
        std::vector<std::vector<std::size_t>>
            patients;  // in the order of samples: that of pseudonyms depends on the key
        for (const std::size_t i : samples) {
            const auto [found, is_new] = place.try_emplace(predictions.patient[i], patients.size());
            if (is_new) patients.emplace_back();
            patients[found->second].push_back(i);
        }
        for (const auto& mine : patients) {
            out.first.push_back(mine[0]);
            out.predictions.patient.push_back(predictions.patient[mine[0]]);
            for (std::size_t c = 0; c < classes_of(predictions); ++c)
                for (std::size_t k = 0; k < MaskFigures::kCount; ++k) {
                    double sum = 0, count = 0;
                    for (const std::size_t i : mine) {
                        const double value = value_of(predictions, i, c, k);
                        if (std::isnan(value) && k != kPixels)
                            continue;  // not defined; one without a score counts
                        sum += value;
                        ++count;
                    }
                    out.predictions.measured.push_back(count > 0 ? sum / count : NAN);
                }
        }
        return out;
    }
    // Of each class that is measured, in the samples where it is.
    bool are_enough(const Predictions& predictions, const EvaluateOptions& options,
                    const std::vector<std::size_t>& samples, const std::vector<std::size_t>&,
                    std::size_t) const override {
        const std::vector<std::size_t> classes = meant(predictions, options.min_stratum);
        return !classes.empty() && std::all_of(classes.begin(), classes.end(), [&](std::size_t c) {
            return have(predictions, samples, c, kLeastOfKind);
        });
    }

    void tell_outputs(Json& out, const Predictions& predictions,
                      const EvaluateOptions& options) const override {
        out["task"] = task();
        out["classes"] = predictions.classes;
        out["distance_unit"] = predictions.distance_unit;
        out["surface_tolerance"] = options.surface_tolerance;
    }
    void tell_whole(Json& out, const Predictions& predictions, const EvaluateOptions& options, const Chosen&,
                    const Judged& whole) const override {
        const std::vector<std::size_t> all = all_of(predictions),
                                       classes = meant(predictions, options.min_stratum);
        std::vector<std::pair<double, Json>> shown;
        std::vector<std::string> hidden;
        for (std::size_t c = 0; c < classes_of(predictions); ++c) {
            const std::string& name = predictions.classes[c + 1];
            if (std::find(classes.begin(), classes.end(), c) == classes.end() || whole.unscored() > 0 ||
                is_any_unsafe(predictions, all, c, options.min_stratum)) {
                hidden.push_back(name);
                continue;
            }
            Json entry = {{"value", name}};
            double dice = 0;
            for (std::size_t k = 0; k < rows().size(); ++k) {
                double sum = 0, count = 0;
                for (const std::size_t i : all)
                    if (const double value = value_of(predictions, i, c, k + 1); !std::isnan(value)) {
                        sum += value;
                        ++count;
                    }
                const double mean = count > 0 ? sum / count : NAN;
                if (k == 0) dice = mean;
                const bool is_told = k < kTogether || !is_unsafe(predictions, all, c, options.min_stratum, k);
                entry[std::string(rows()[k].name)] = number(is_told ? mean : NAN, rows()[k].significant);
            }
            shown.emplace_back(dice, std::move(entry));
        }
        out["per_class"] = worst_first(std::move(shown), hidden);
    }

private:
    // `beyond`: a figure that is looked at beside the first kTogether.
    static std::vector<Group> groups_with(const Predictions& predictions, const EvaluateOptions& options,
                                          std::optional<std::size_t> beyond) {
        std::vector<Group> out = groups_of(predictions, options);
        for (const std::size_t c : meant(predictions, options.min_stratum)) {
            const OfClass defined = with_class(predictions, c);
            const auto are_of_few = [&](const std::vector<std::size_t>& places) {
                std::vector<std::size_t> samples;
                for (const std::size_t i : places) samples.push_back(defined.samples[i]);
                return are_few(predictions, samples, c, options.min_stratum) ||
                       (beyond && is_unsafe(predictions, samples, c, options.min_stratum, *beyond));
            };
            for (const Group& of_class : groups_of(defined.patients, options, are_of_few))
                for (Group& each : out)
                    if (of_class.hidden && each.stratum == of_class.stratum && each.value == of_class.value)
                        each.hidden = true;
        }
        return out;
    }
};

}  // namespace

const Judge& judge_masks() {
    static const JudgeMasks kJudge;
    return kJudge;
}

}  // namespace trainer
