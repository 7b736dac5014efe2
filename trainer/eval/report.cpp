// metrics.json: METRICS.md says what is in it and why.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <set>

#include "core/base/error.h"
#include "trainer/eval/metrics.h"

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

// Whether the dataset has what the stratum "site" or "site*vendor" compares.
bool is_there(const Predictions& predictions, const std::string& name) {
    for (std::size_t from = 0; from <= name.size();) {
        const auto star = std::min(name.find('*', from), name.size());
        if (std::none_of(predictions.strata.begin(), predictions.strata.end(),
                         [&](const auto& stratum) { return stratum.name == name.substr(from, star - from); }))
            return false;
        from = star + 1;
    }
    return true;
}

// The values of "site" or "site*vendor" and the samples of each.
std::vector<std::pair<std::string, std::vector<std::size_t>>> split(const Predictions& predictions,
                                                                    const std::string& name) {
    std::vector<const Predictions::Stratum*> parts;
    for (std::size_t from = 0; from <= name.size();) {
        const auto star = std::min(name.find('*', from), name.size());
        for (const auto& stratum : predictions.strata)
            if (stratum.name == name.substr(from, star - from)) parts.push_back(&stratum);
        from = star + 1;
    }
    std::map<std::vector<std::int32_t>, std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < predictions.samples(); ++i) {
        std::vector<std::int32_t> code;
        for (const auto* part : parts) code.push_back(part->code[i]);
        groups[code].push_back(i);
    }
    std::vector<std::pair<std::string, std::vector<std::size_t>>> out;
    for (auto& [codes, samples] : groups) {
        std::string value;
        for (std::size_t i = 0; i < codes.size(); ++i) {
            if (i) value += " * ";
            value += codes[i] < 0 ? "(missing)" : parts[i]->values.at(static_cast<std::size_t>(codes[i]));
        }
        out.emplace_back(std::move(value), std::move(samples));
    }
    return out;
}

Json stratum_json(const Predictions& predictions, const std::string& name, std::int32_t positive,
                  const EvaluateOptions& options) {
    auto groups = split(predictions, name);
    std::sort(groups.begin(), groups.end(),
              [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    std::size_t suppressed = 0;
    while (suppressed < groups.size() &&
           static_cast<std::int64_t>(groups[suppressed].second.size()) < options.min_stratum)
        ++suppressed;
    // One alone could be had back by subtracting the others from the whole.
    if (suppressed == 1 && groups.size() > 1) suppressed = 2;

    std::vector<Json> shown;
    for (std::size_t i = suppressed; i < groups.size(); ++i) {
        Json entry = {{"value", groups[i].first}};
        entry.update(with_intervals(predictions, groups[i].second, positive, options));
        shown.push_back(std::move(entry));
    }
    std::sort(shown.begin(), shown.end(), [](const Json& a, const Json& b) {
        return std::pair(a["accuracy"].get<double>(), a["value"].get<std::string>()) <
               std::pair(b["accuracy"].get<double>(), b["value"].get<std::string>());
    });
    std::vector<std::string> names;
    for (std::size_t i = 0; i < suppressed; ++i) names.push_back(groups[i].first);
    std::sort(names.begin(), names.end());
    return {{"worst_first", shown}, {"suppressed", names}};
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
    std::vector<std::size_t> all(predictions.samples());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const std::set<std::uint64_t> patients(predictions.patient.begin(), predictions.patient.end());

    Json out;
    out["classes"] = predictions.classes;
    out["positive"] = predictions.classes.size() == 2
                          ? Json(predictions.classes[static_cast<std::size_t>(positive)])
                          : Json();
    out["patients"] = patients.size();
    out["overall"] = with_intervals(predictions, all, positive, options);
    out["confusion"] = measure(predictions, all, positive).confusion;
    out["min_stratum"] = options.min_stratum;
    Json& strata = out["strata"] = Json::object();
    for (const std::string& name : options.strata)
        if (is_there(predictions, name)) strata[name] = stratum_json(predictions, name, positive, options);
    return out;
}

}  // namespace trainer
