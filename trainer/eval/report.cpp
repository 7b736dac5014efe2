// metrics.json: METRICS.md says what is in it and why.
#include "trainer/eval/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "core/base/error.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/measure.h"
#include "trainer/eval/patients.h"
#include "trainer/eval/report_parts.h"
#include "trainer/eval/statistics.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;
using Times = std::vector<std::uint32_t>;

constexpr std::int64_t kLeastOfClass = 10;  // patients of a class, for an error that can be believed

Json interval(std::vector<double> values) {
    const auto found = interval95(std::move(values));
    if (!found) return nullptr;
    return {number(found->first), number(found->second)};
}

double real(std::optional<double> value) {
    return value.value_or(NAN);
}

// What has an interval. ECE has none: it grows with what resampling adds, so that its percentiles mislead.
struct Figure {
    const char* name;
    std::optional<double> (*of)(const Measures& measures);
};
const std::vector<Figure>& figures() {
    using M = const Measures&;
    static const std::vector<Figure> kFigures{{"accuracy", [](M m) { return std::optional(m.accuracy); }},
                                              {"balanced_accuracy", [](M m) { return m.balanced_accuracy; }},
                                              {"auroc", [](M m) { return m.auroc; }},
                                              {"auprc", [](M m) { return m.auprc; }},
                                              {"sensitivity", [](M m) { return m.sensitivity; }},
                                              {"specificity", [](M m) { return m.specificity; }},
                                              {"f1", [](M m) { return m.f1; }},
                                              {"loss", [](M m) { return m.loss; }},
                                              {"brier", [](M m) { return m.brier; }}};
    return kFigures;
}

void append(std::vector<double>& out, const Measures& measures) {
    for (const Figure& each : figures()) out.push_back(real(each.of(measures)));
}

// The figures of all resamplings, one after the other.
class Columns {
public:
    explicit Columns(const std::vector<std::vector<double>>& rounds) : rounds_(rounds) {}
    bool any() const { return !rounds_.empty(); }
    std::vector<double> next() {
        std::vector<double> out;
        for (const auto& round : rounds_) out.push_back(round.at(at_));
        ++at_;
        return out;
    }

    // One of those that come, without going on to it; nothing if `column` is nothing.
    std::vector<double> ahead(std::optional<std::size_t> column) const {
        std::vector<double> out;
        if (!column) return out;
        for (const auto& round : rounds_) out.push_back(round.at(at_ + *column));
        return out;
    }

private:
    const std::vector<std::vector<double>>& rounds_;
    std::size_t at_ = 0;
};

Json intervals(Columns& columns) {
    Json out = Json::object();
    for (const Figure& each : figures()) out[each.name] = interval(columns.next());
    return out;
}

}  // namespace

// The whole or a stratum: its samples, the same as patients, and the samples of the rest.
struct Report::Entry {
    std::string stratum, value;
    std::vector<std::size_t> samples;
    Measurer measurer;
    Measures measures;
    ByPatient persons;
    std::unique_ptr<Measurer> of_persons, of_rest;  // nothing: not wanted
    bool are_enough = false;                        // patients of each class, in it and in the rest

    std::optional<double> score(const Measures& of, const EvaluateOptions& options) const {
        return find_score(options.score)->of(of);
    }
    // Sensitivity and specificity where a probability of `threshold` and more is a yes. What has no score is not
    // recognised.
    std::pair<std::optional<double>, std::optional<double>> at(double threshold,
                                                               const Predictions& predictions,
                                                               std::int32_t positive,
                                                               const Times& times) const {
        double found = 0, positives = 0, left = 0, negatives = 0;
        for (const std::size_t i : samples) {
            const float p = predictions.probability[2 * i + static_cast<std::size_t>(positive)];
            const bool yes = static_cast<double>(p) >= threshold;
            if (predictions.label[i] == positive) {
                positives += times[i];
                if (std::isfinite(p) && yes) found += times[i];
            } else {
                negatives += times[i];
                if (std::isfinite(p) && !yes) left += times[i];
            }
        }
        const auto ratio = [](double part, double whole) {
            return whole > 0 ? std::optional(part / whole) : std::nullopt;
        };
        return {ratio(found, positives), ratio(left, negatives)};
    }
};

Report::~Report() = default;

Report::Report(const Predictions& predictions, const EvaluateOptions& options, Chosen chosen)
    : predictions_(predictions), options_(options), chosen_(std::move(chosen)) {
    if (predictions.samples() == 0) throw core::Error(core::Fault::data, "there are no samples to evaluate");
    positive_ = positive_class(options, predictions.classes);
    // The order of pseudonyms depends on the key, that of samples on the data alone.
    std::map<std::uint64_t, std::size_t> number_of;
    for (const std::uint64_t patient : predictions.patient)
        patient_.push_back(number_of.try_emplace(patient, number_of.size()).first->second);
    patients_ = number_of.size();
    has_several_ = patients_ < predictions.samples();
    add("", "", all_of(predictions));
    for (Group& group : groups_of(predictions, options)) {
        if (group.hidden)
            hidden_.emplace_back(group.stratum, group.value);
        else
            add(group.stratum, group.value, std::move(group.samples));
    }
}

void Report::add(const std::string& stratum, const std::string& value, std::vector<std::size_t> samples) {
    Measurer measurer(predictions_, samples, positive_, options_.bins, Ranks::averaged);
    auto entry = std::make_unique<Entry>(
        Entry{stratum, value, std::move(samples), std::move(measurer), {}, {}, nullptr, nullptr, false});
    entry->measures = entry->measurer.once();
    if (has_several_) {
        entry->persons = by_patient(predictions_, entry->samples);
        const Predictions& persons = entry->persons.predictions;
        // Of how many labels disagree nobody chose.
        if (static_cast<std::int64_t>(persons.samples()) >= options_.min_stratum)
            entry->of_persons = std::make_unique<Measurer>(persons, all_of(persons), positive_, options_.bins,
                                                           Ranks::averaged);
    }
    if (!stratum.empty()) {
        std::vector<std::size_t> rest;
        std::size_t next = 0;
        for (std::size_t i = 0; i < predictions_.samples(); ++i)
            if (next < entry->samples.size() && entry->samples[next] == i)
                ++next;
            else
                rest.push_back(i);
        entry->are_enough = are_enough(entry->samples) && are_enough(rest);
        if (patients_of(predictions_, rest) >= options_.min_stratum)
            entry->of_rest = std::make_unique<Measurer>(
                predictions_, std::move(rest), positive_, options_.bins,
                find_score(options_.score)->needs_ranks ? Ranks::averaged : Ranks::none);
    }
    entries_.push_back(std::move(entry));
}

std::optional<std::size_t> Report::score_column() const {
    for (std::size_t i = 0; i < figures().size(); ++i)
        if (figures()[i].name == options_.score) return i;
    return std::nullopt;
}

// Whether the whole of `samples` has enough patients of each class that there is for the error that resampling shows to
// be that of the figure: of few patients, all of them right, it shows none.
bool Report::are_enough(const std::vector<std::size_t>& samples) const {
    const std::size_t classes = predictions_.classes.size();
    std::vector<bool> seen(patients_ * classes);
    std::vector<std::int64_t> patients(classes, 0);
    for (const std::size_t i : samples) {
        const auto label = static_cast<std::size_t>(predictions_.label[i]);
        if (seen[patient_[i] * classes + label]) continue;
        seen[patient_[i] * classes + label] = true;
        ++patients[label];
    }
    std::vector<bool> occurs(classes, false);
    for (const std::int32_t label : predictions_.label) occurs[static_cast<std::size_t>(label)] = true;
    for (std::size_t c = 0; c < classes; ++c)
        if (occurs[c] && patients[c] < kLeastOfClass) return false;
    return true;
}

// Whether a probability of error may be told of a gap: `own` and `gaps` are the score and the gap in each round.
bool Report::is_told(const Entry& entry, const std::vector<double>& own,
                     const std::vector<double>& gaps) const {
    if (!entry.are_enough) return false;
    const auto varies = [](const std::vector<double>& values) {
        return std::any_of(values.begin(), values.end(), [&](double value) {
            return std::isfinite(value) && std::abs(value - values.front()) > 1e-9;
        });
    };
    if (own.empty()) return true;
    std::vector<double> rest;
    for (std::size_t i = 0; i < own.size(); ++i) rest.push_back(own[i] - gaps[i]);
    return varies(own) && varies(rest);
}

bool Report::are_listed(const std::string& stratum) const {
    for (const std::string& column : columns_of({stratum}))
        for (const auto& each : predictions_.strata)
            if (each.name == column && !each.is_listed) return false;
    return true;
}

std::int64_t Report::rounds() const {
    return options_.bootstrap;
}

std::vector<double> Report::round(std::int64_t number) const {
    const auto half = [](std::uint64_t whole, int shift) {
        return static_cast<std::uint32_t>(whole >> shift);
    };
    const auto which = static_cast<std::uint64_t>(number);
    std::seed_seq seed{half(options_.seed, 0), half(options_.seed, 32), half(which, 0), half(which, 32)};
    std::mt19937_64 random(seed);  // its numbers are fixed by the standard; its distributions are not
    Times drawn(patients_, 0);
    for (std::size_t i = 0; i < patients_; ++i) ++drawn[random() % patients_];
    Times times(predictions_.samples());
    for (std::size_t i = 0; i < times.size(); ++i) times[i] = drawn[patient_[i]];

    std::vector<double> out;
    for (const auto& entry : entries_) {
        const Measures measures = entry->measurer.of(times);
        append(out, measures);
        for (const auto& threshold : chosen_.thresholds) {
            if (!threshold) continue;
            const auto [sensitivity, specificity] = entry->at(*threshold, predictions_, positive_, times);
            out.push_back(real(sensitivity));
            out.push_back(real(specificity));
        }
        if (entry->of_persons) {
            Times of_persons;
            for (const std::size_t first : entry->persons.first) of_persons.push_back(times[first]);
            append(out, entry->of_persons->of(of_persons));
        }
        if (entry->of_rest)
            out.push_back(real(entry->score(measures, options_)) -
                          real(entry->score(entry->of_rest->of(times), options_)));
    }
    return out;
}

Json Report::write(const std::vector<std::vector<double>>& rounds) const {
    Columns columns(rounds);
    const Times once(predictions_.samples(), 1);
    std::vector<Json> all;               // of each entry
    std::vector<double> scores, tested;  // of each entry; of each gap that is tested
    std::vector<std::size_t> tested_entries;
    for (std::size_t e = 0; e < entries_.size(); ++e) {
        const Entry& entry = *entries_[e];
        Json out = Json::object();
        if (e > 0) out["value"] = entry.value;
        out.update(to_json(entry.measures));
        const std::vector<double> own = columns.any() ? columns.ahead(score_column()) : std::vector<double>();
        if (columns.any()) out["interval95"] = intervals(columns);
        for (std::size_t at = 0; at < options_.points.size(); ++at) {
            const auto& threshold = chosen_.thresholds[at];
            Json point = {
                {"threshold", number(threshold)}, {"sensitivity", nullptr}, {"specificity", nullptr}};
            if (threshold) {
                const auto [sensitivity, specificity] = entry.at(*threshold, predictions_, positive_, once);
                point["sensitivity"] = number(sensitivity);
                point["specificity"] = number(specificity);
                if (columns.any()) {
                    const Json first = interval(columns.next()), second = interval(columns.next());
                    point["interval95"] = {{"sensitivity", first}, {"specificity", second}};
                }
            }
            out["points"].push_back(point);
        }
        if (entry.of_persons) {
            Json persons = to_json(entry.of_persons->once());
            persons.erase("samples");
            persons.erase("without_score");
            if (e == 0 && entry.persons.mixed > 0)
                persons["without_agreement"] = rounded(entry.persons.mixed);
            if (columns.any()) persons["interval95"] = intervals(columns);
            out["per_patient"] = persons;
        }
        scores.push_back(real(entry.score(entry.measures, options_)));
        if (entry.of_rest) {
            const double gap = scores.back() - real(entry.score(entry.of_rest->once(), options_));
            out["gap"] = {{"score", number(gap)}};
            if (columns.any()) {
                const auto values = columns.next();
                out["gap"]["interval95"] = {{"score", interval(values)}};
                out["gap"]["p"] = nullptr;
                if (const auto p = is_told(entry, own, values) ? probability_of(gap, values) : std::nullopt) {
                    tested.push_back(*p);
                    tested_entries.push_back(e);
                }
            }
        } else if (e > 0) {
            out["gap"] = nullptr;
        }
        all.push_back(std::move(out));
    }
    const std::vector<double> adjusted = holm(tested);
    for (std::size_t i = 0; i < tested.size(); ++i) all[tested_entries[i]]["gap"]["p"] = number(adjusted[i]);

    Json out;
    out["classes"] = predictions_.classes;
    out["positive"] = predictions_.classes.size() == 2
                          ? Json(predictions_.classes[static_cast<std::size_t>(positive_)])
                          : Json();
    out["score"] = options_.score;
    out["patients"] = patients_;
    out["overall"] = all[0];
    out["confusion"] = entries_[0]->measures.confusion;
    out["per_class"] = classes_json(predictions_, options_, positive_);
    out["calibration"] = Json::object();
    if (entries_[0]->measures.unscored == 0)
        out["calibration"]["curve"] = curve_json(predictions_, options_, entries_[0]->measurer);
    if (chosen_.temperature)
        out["calibration"]["temperature"] =
            temperature_json(predictions_, options_, positive_, *chosen_.temperature);
    out["min_stratum"] = options_.min_stratum;
    out["strata"] = Json::object();
    for (const std::string& name : options_.strata) {
        std::vector<std::size_t> shown;
        for (std::size_t e = 1; e < entries_.size(); ++e)
            if (entries_[e]->stratum == name) shown.push_back(e);
        std::vector<std::string> hidden;
        bool is_any_hidden = false;
        for (const auto& [stratum, value] : hidden_) {
            if (stratum != name) continue;
            is_any_hidden = true;
            if (are_listed(name)) hidden.push_back(value);
        }
        if (shown.empty() && !is_any_hidden) continue;
        // Of equals, by name; those of which the score is not defined, last.
        const double sign = find_score(options_.score)->is_more_better ? 1 : -1;
        std::stable_sort(shown.begin(), shown.end(), [&](std::size_t a, std::size_t b) {
            return std::isfinite(scores[a]) &&
                   (!std::isfinite(scores[b]) || sign * scores[a] < sign * scores[b]);
        });
        Json worst_first = Json::array();
        for (const std::size_t e : shown) worst_first.push_back(all[e]);
        out["strata"][name] = {{"worst_first", worst_first}, {"suppressed", hidden}};
    }
    return out;
}

Json report(const Predictions& predictions, const EvaluateOptions& options, const Predictions* validation) {
    const Report made(predictions, options,
                      choose(options, positive_class(options, predictions.classes), validation));
    std::vector<std::vector<double>> rounds;
    for (std::int64_t round = 0; round < made.rounds(); ++round) rounds.push_back(made.round(round));
    return made.write(rounds);
}

}  // namespace trainer
