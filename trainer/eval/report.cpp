// metrics.json: METRICS.md says what is in it and why.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>

#include "core/base/error.h"
#include "trainer/eval/metrics.h"
#include "trainer/eval/suppress.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

// Six digits: what lies below is noise of the machine, and would make equal runs look different.
Json number(std::optional<double> value) {
    if (!value || !std::isfinite(*value)) return nullptr;
    return std::round(*value * 1e6) / 1e6;
}

// 95 % intervals by resampling patients, not samples: samples of one patient are not independent.
Json intervals(const Predictions& predictions, const std::vector<std::size_t>& samples, std::int32_t positive,
               const EvaluateOptions& options) {
    std::map<std::uint64_t, std::vector<std::size_t>> by_patient;
    for (const std::size_t i : samples) by_patient[predictions.patient[i]].push_back(i);
    std::vector<const std::vector<std::size_t>*> patients;
    for (const auto& [patient, all] : by_patient) patients.push_back(&all);
    // The order of pseudonyms depends on the key, that of samples on the data alone.
    std::sort(patients.begin(), patients.end(),
              [](const auto* a, const auto* b) { return a->front() < b->front(); });

    std::mt19937_64 random(options.seed);  // its numbers are fixed by the standard; its distributions are not
    std::vector<double> accuracies, areas;
    std::vector<std::size_t> drawn;
    for (std::int64_t round = 0; round < options.bootstrap; ++round) {
        drawn.clear();
        for (std::size_t i = 0; i < patients.size(); ++i) {
            const auto& chosen = *patients[random() % patients.size()];
            drawn.insert(drawn.end(), chosen.begin(), chosen.end());
        }
        const Measures m = measure(predictions, drawn, positive);
        accuracies.push_back(m.accuracy);
        if (m.auroc) areas.push_back(*m.auroc);
    }
    const auto range = [](std::vector<double>& values) -> Json {
        if (values.empty()) return nullptr;
        std::sort(values.begin(), values.end());
        const auto last = static_cast<double>(values.size() - 1);
        return {number(values[static_cast<std::size_t>(std::lround(0.025 * last))]),
                number(values[static_cast<std::size_t>(std::lround(0.975 * last))])};
    };
    return {{"accuracy", range(accuracies)}, {"auroc", range(areas)}};
}

Json with_intervals(const Predictions& predictions, const std::vector<std::size_t>& samples,
                    std::int32_t positive, const EvaluateOptions& options) {
    Json out = to_json(measure(predictions, samples, positive));
    if (options.bootstrap > 0) out["interval95"] = intervals(predictions, samples, positive, options);
    return out;
}

// What "site" or "site*vendor" compares; nothing if the dataset has no such column.
std::optional<std::vector<const Predictions::Stratum*>> parts_of(const Predictions& predictions,
                                                                 const std::string& name) {
    std::vector<const Predictions::Stratum*> parts;
    for (std::size_t from = 0; from <= name.size();) {
        const auto star = std::min(name.find('*', from), name.size());
        const auto found =
            std::find_if(predictions.strata.begin(), predictions.strata.end(),
                         [&](const auto& stratum) { return stratum.name == name.substr(from, star - from); });
        if (found == predictions.strata.end()) return std::nullopt;
        parts.push_back(&*found);
        from = star + 1;
    }
    return parts;
}

std::vector<std::size_t> all_of(const Predictions& predictions) {
    std::vector<std::size_t> all(predictions.samples());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
}

std::int64_t patients_of(const Predictions& predictions, const std::vector<std::size_t>& samples) {
    std::set<std::uint64_t> patients;
    for (const std::size_t i : samples) patients.insert(predictions.patient[i]);
    return static_cast<std::int64_t>(patients.size());
}

// One value of a stratum ("north * acme") and its samples.
struct Group {
    std::string stratum, value;
    std::vector<std::size_t> samples;
    bool hidden = false;
};

// All groups of the wanted strata; those of which nothing may be told are hidden.
std::vector<Group> groups_of(const Predictions& predictions, const EvaluateOptions& options) {
    // Atoms: the samples that no stratum tells apart.
    std::map<std::vector<std::int32_t>, std::size_t> atoms;
    std::vector<std::size_t> atom_of;
    for (std::size_t i = 0; i < predictions.samples(); ++i) {
        std::vector<std::int32_t> codes;
        for (const auto& stratum : predictions.strata) codes.push_back(stratum.code[i]);
        atom_of.push_back(atoms.try_emplace(codes, atoms.size()).first->second);
    }
    std::vector<FigureSet> sets{
        {std::vector<bool>(atoms.size(), true), patients_of(predictions, all_of(predictions)), 0}};
    std::vector<Group> out;
    int kind = 0;
    for (const std::string& name : std::set<std::string>(options.strata.begin(), options.strata.end())) {
        const auto parts = parts_of(predictions, name);
        if (!parts) continue;
        ++kind;
        std::map<std::string, std::vector<std::size_t>> by_value;
        for (std::size_t i = 0; i < predictions.samples(); ++i) {
            std::string value;
            for (const auto* part : *parts) {
                if (!value.empty()) value += " * ";
                const std::int32_t code = part->code[i];
                value += code < 0 ? "(missing)" : part->values.at(static_cast<std::size_t>(code));
            }
            by_value[value].push_back(i);
        }
        for (auto& [value, samples] : by_value) {
            FigureSet set{std::vector<bool>(atoms.size(), false), patients_of(predictions, samples), kind};
            for (const std::size_t i : samples) set.atoms[atom_of[i]] = true;
            sets.push_back(std::move(set));
            out.push_back({name, value, std::move(samples)});
        }
    }
    const auto hidden = suppressed(sets, options.min_stratum);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].hidden = hidden[i + 1];
    return out;
}

// What is compared: not the accuracy, which is high wherever one class is rare.
double rank_of(const Json& entry) {
    if (entry["sensitivity"].is_null() || entry["specificity"].is_null()) return entry["accuracy"];
    return (entry["sensitivity"].get<double>() + entry["specificity"].get<double>()) / 2;
}

Json strata_json(const Predictions& predictions, std::int32_t positive, const EvaluateOptions& options) {
    const auto groups = groups_of(predictions, options);
    Json out = Json::object();
    for (const std::string& name : options.strata) {
        std::vector<Json> shown;
        std::vector<std::string> hidden;
        bool there = false;
        for (const Group& group : groups) {
            if (group.stratum != name) continue;
            there = true;
            if (group.hidden) {
                hidden.push_back(group.value);
                continue;
            }
            Json entry = {{"value", group.value}};
            entry.update(with_intervals(predictions, group.samples, positive, options));
            shown.push_back(std::move(entry));
        }
        if (!there) continue;
        // Of equals, by name.
        std::stable_sort(shown.begin(), shown.end(),
                         [](const Json& a, const Json& b) { return rank_of(a) < rank_of(b); });
        out[name] = {{"worst_first", shown}, {"suppressed", hidden}};
    }
    return out;
}

}  // namespace

Json to_json(const Measures& m) {
    Json out = {{"samples", m.samples},
                {"accuracy", number(m.accuracy)},
                {"auroc", number(m.auroc)},
                {"sensitivity", number(m.sensitivity)},
                {"specificity", number(m.specificity)},
                {"loss", number(m.loss)}};
    if (m.unscored > 0) out["without_score"] = m.unscored;
    return out;
}

Json report(const Predictions& predictions, const EvaluateOptions& options) {
    if (predictions.samples() == 0) throw core::Error(core::Fault::data, "there are no samples to evaluate");
    const std::int32_t positive = positive_class(options, predictions.classes);
    const std::vector<std::size_t> all = all_of(predictions);

    Json out;
    out["classes"] = predictions.classes;
    out["positive"] = predictions.classes.size() == 2
                          ? Json(predictions.classes[static_cast<std::size_t>(positive)])
                          : Json();
    out["patients"] = patients_of(predictions, all);
    out["overall"] = with_intervals(predictions, all, positive, options);
    out["confusion"] = measure(predictions, all, positive).confusion;
    out["min_stratum"] = options.min_stratum;
    out["strata"] = strata_json(predictions, positive, options);
    return out;
}

}  // namespace trainer
