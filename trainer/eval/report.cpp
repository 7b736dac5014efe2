// metrics.json: METRICS.md says what is in it and why.
#include "trainer/eval/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "core/base/error.h"
#include "core/base/statistics.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/report_parts.h"
#include "trainer/eval/statistics.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;
using Times = Judged::Times;

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

    // So many of them, round by round.
    std::vector<std::vector<double>> next(std::size_t count) {
        std::vector<std::vector<double>> out;
        for (const auto& round : rounds_) {
            const auto first = round.begin() + static_cast<std::ptrdiff_t>(at_);
            out.emplace_back(first, first + static_cast<std::ptrdiff_t>(count));
        }
        at_ += count;
        return out;
    }
    // One of those that come, without going on to it.
    std::vector<double> ahead(std::size_t column) const {
        std::vector<double> out;
        for (const auto& round : rounds_) out.push_back(round.at(at_ + column));
        return out;
    }

private:
    const std::vector<std::vector<double>>& rounds_;
    std::size_t at_ = 0;
};

Json intervals(const Judge& judge, Columns& columns) {
    Json out = Json::object();
    for (const FigureRow& each : judge.figures())
        out[std::string(each.name)] = interval(columns.next(), each.significant);
    return out;
}

void append(std::vector<double>& out, const std::vector<double>& more) {
    out.insert(out.end(), more.begin(), more.end());
}

}  // namespace

// The whole or a stratum: its samples, the same as patients, and the samples of the rest.
struct Report::Entry {
    std::string stratum, value;
    std::vector<std::size_t> samples;
    std::unique_ptr<Judged> judged;
    ByPatient persons;
    std::unique_ptr<Judged> of_persons, of_rest;  // nothing: not wanted, or not to be compared
    bool are_enough = false;                      // patients for its score, in it and in the rest
};

Report::~Report() = default;

Report::Report(const Predictions& predictions, const EvaluateOptions& options, Chosen chosen)
    : judge_(judge_of(predictions.task)),
      predictions_(predictions),
      options_(options),
      chosen_(std::move(chosen)) {
    if (predictions.samples() == 0) throw core::Error(core::Fault::data, "there are no samples to evaluate");
    judge_.check(options, predictions.classes);
    score_ = judge_.find_score(options.score);
    if (!score_) throw core::Error(core::Fault::usage, "evaluate.score: expected " + judge_.score_names());
    score_column_ = judge_.place(score_->name);
    // The order of pseudonyms depends on the key, that of samples on the data alone.
    std::map<std::uint64_t, std::size_t> number_of;
    for (const std::uint64_t patient : predictions.patient)
        patient_.push_back(number_of.try_emplace(patient, number_of.size()).first->second);
    patients_ = number_of.size();
    has_several_ = patients_ < predictions.samples();
    untold_of_persons_ = judge_.untold_of_persons(predictions, all_of(predictions), options);
    add("", "", all_of(predictions));
    std::vector<Group> groups = judge_.groups(predictions, options);
    untold_of_strata_ = judge_.untold_of_strata(predictions, options, groups);
    // What is left out of one stratum is left out of all: it would follow from the whole and the others. So would what is
    // of those that are hidden, together.
    std::map<std::string, std::vector<std::size_t>> hidden;
    untold_of_persons_.assign(judge_.figures().size(), false);
    const auto look = [&](const std::vector<std::size_t>& samples) {
        const std::vector<bool> untold = judge_.untold_of_persons(predictions, samples, options);
        for (std::size_t k = 0; k < untold.size(); ++k)
            if (untold[k]) untold_of_persons_[k] = true;
    };
    for (const Group& group : groups)
        if (group.hidden)
            hidden[group.stratum].insert(hidden[group.stratum].end(), group.samples.begin(),
                                         group.samples.end());
        else
            look(group.samples);
    for (const auto& [stratum, samples] : hidden) look(samples);
    for (std::size_t k = 0; k < untold_of_strata_.size(); ++k)
        if (untold_of_strata_[k]) untold_of_persons_[k] = true;
    for (Group& group : groups) {
        if (group.hidden)
            hidden_.emplace_back(group.stratum, group.value);
        else
            add(group.stratum, group.value, std::move(group.samples));
    }
}

void Report::add(const std::string& stratum, const std::string& value, std::vector<std::size_t> samples) {
    auto judged = judge_.judged(predictions_, samples, options_, chosen_, Ranks::averaged);
    auto entry = std::make_unique<Entry>(
        Entry{stratum, value, std::move(samples), std::move(judged), {}, nullptr, nullptr, false});
    if (has_several_) {
        entry->persons = judge_.by_patient(predictions_, entry->samples);
        const Predictions& persons = entry->persons.predictions;
        // Of how many labels disagree nobody chose.
        const bool is_any_told = std::find(untold_of_persons_.begin(), untold_of_persons_.end(), false) !=
                                 untold_of_persons_.end();
        if (static_cast<std::int64_t>(persons.samples()) >= options_.min_stratum && is_any_told) {
            entry->of_persons = judge_.judged(persons, all_of(persons), options_, {}, Ranks::averaged);
            entry->of_persons->leave_untold(untold_of_persons_);
        }
    }
    if (!stratum.empty()) {
        std::vector<std::size_t> rest;
        std::size_t next = 0;
        for (std::size_t i = 0; i < predictions_.samples(); ++i)
            if (next < entry->samples.size() && entry->samples[next] == i)
                ++next;
            else
                rest.push_back(i);
        entry->are_enough = judge_.are_enough(predictions_, options_, entry->samples, patient_, patients_) &&
                            judge_.are_enough(predictions_, options_, rest, patient_, patients_);
        if (patients_of(predictions_, rest) >= options_.min_stratum) {
            auto of_rest = judge_.judged(predictions_, std::move(rest), options_, {},
                                         score_->needs_ranks ? Ranks::averaged : Ranks::none);
            if (entry->judged->compares_with(*of_rest, score_column_)) entry->of_rest = std::move(of_rest);
        }
        for (Judged* each : {entry->judged.get(), entry->of_rest.get()})
            if (each) each->leave_untold(untold_of_strata_);
    }
    entries_.push_back(std::move(entry));
}

// Whether a probability of error may be told of a gap: `own` and `gaps` are the score and the gap in each round.
bool Report::is_told(const Entry& entry, const std::vector<double>& own,
                     const std::vector<double>& gaps) const {
    if (!entry.are_enough) return false;
    // By more than rounding does: of shares by their unit, of values in units by their size.
    const auto varies = [&](const std::vector<double>& values) {
        double size = score_->has_unit ? 0 : 1;
        if (score_->has_unit)
            for (const double value : values)
                if (std::isfinite(value)) size = std::max(size, std::abs(value));
        return std::any_of(values.begin(), values.end(), [&](double value) {
            return std::isfinite(value) && std::abs(value - values.front()) > 1e-9 * size;
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
        const std::vector<double> figures = entry->judged->told_of(times);
        append(out, figures);
        append(out, entry->judged->further(times));
        if (entry->of_persons) {
            Times of_persons;
            for (const std::size_t first : entry->persons.first) of_persons.push_back(times[first]);
            append(out, entry->of_persons->told_of(of_persons));
        }
        if (entry->of_rest)
            out.push_back(figures[score_column_] - entry->of_rest->told_of(times)[score_column_]);
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
        out.update(entry.judged->once());
        const std::vector<double> own = columns.ahead(score_column_);
        if (columns.any()) out["interval95"] = intervals(judge_, columns);
        entry.judged->tell_further(out, columns.next(entry.judged->further(once).size()));
        if (entry.of_persons) {
            Json persons = entry.of_persons->once();
            persons.erase("samples");
            persons.erase("without_score");
            if (e == 0 && entry.persons.mixed > 0)
                persons["without_agreement"] = rounded(entry.persons.mixed);
            if (columns.any()) persons["interval95"] = intervals(judge_, columns);
            out["per_patient"] = persons;
        }
        scores.push_back(entry.judged->told_of(once)[score_column_]);
        if (entry.of_rest) {
            const double rest = entry.of_rest->told_of(once)[score_column_];
            double gap = scores.back() - rest;
            if (score_->has_unit && std::abs(gap) < 1e-12 * std::abs(rest)) gap = 0;  // what rounding leaves
            out["gap"] = {{"score", number(gap, score_->significant)}};
            if (columns.any()) {
                const auto values = columns.next();
                out["gap"]["interval95"] = {{"score", interval(values, score_->significant)}};
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
    const std::vector<double> adjusted = core::holm(tested);
    for (std::size_t i = 0; i < tested.size(); ++i) all[tested_entries[i]]["gap"]["p"] = number(adjusted[i]);

    Json out;
    judge_.tell_outputs(out, predictions_, options_);
    out["score"] = options_.score;
    out["patients"] = patients_;
    out["overall"] = all[0];
    judge_.tell_whole(out, predictions_, options_, chosen_, *entries_[0]->judged);
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
        const double sign = score_->is_more_better ? 1 : -1;
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
                      judge_of(predictions.task).choose(options, predictions.classes, validation));
    std::vector<std::vector<double>> rounds;
    for (std::int64_t round = 0; round < made.rounds(); ++round) rounds.push_back(made.round(round));
    return made.write(rounds);
}

}  // namespace trainer
