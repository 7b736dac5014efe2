#include "trainer/eval/report_parts.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "trainer/eval/calibrate.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/statistics.h"

namespace trainer {

using Json = nlohmann::ordered_json;

Json number(std::optional<double> value, int significant) {
    if (!value || !std::isfinite(*value)) return nullptr;
    if (significant > 0) {
        char text[40];
        const auto end =
            std::to_chars(text, text + sizeof text, *value, std::chars_format::scientific, significant - 1);
        double out = 0;
        std::from_chars(text, end.ptr, out);
        return out == 0 ? 0.0 : out;  // no -0
    }
    // What lies below six digits is noise of the machine, and would make equal runs look different.
    return std::round(*value * 1e6) / 1e6;
}

Json interval(std::vector<double> values, int significant) {
    const auto found = interval95(std::move(values));
    if (!found) return nullptr;
    return {number(found->first, significant), number(found->second, significant)};
}

Json to_json(const Measures& m) {
    Json out = {{"samples", m.samples},
                {"accuracy", number(m.accuracy)},
                {"balanced_accuracy", number(m.balanced_accuracy)},
                {"auroc", number(m.auroc)},
                {"auprc", number(m.auprc)},
                {"sensitivity", number(m.sensitivity)},
                {"specificity", number(m.specificity)},
                {"f1", number(m.f1)},
                {"loss", number(m.loss)},
                {"brier", number(m.brier)},
                {"ece", number(m.ece)}};
    if (m.unscored > 0) out["without_score"] = m.unscored;
    return out;
}

Json worst_first(std::vector<std::pair<double, Json>> shown, const std::vector<std::string>& suppressed) {
    std::stable_sort(shown.begin(), shown.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json all = Json::array();
    for (auto& each : shown) all.push_back(std::move(each.second));
    return {{"worst_first", all}, {"suppressed", suppressed}};
}

Json classes_json(const Predictions& predictions, const EvaluateOptions& options, std::int32_t positive) {
    const Measures measures =
        Measurer(predictions, all_of(predictions), positive, options.bins, Ranks::all).once();
    const std::vector<bool> is_hidden = hidden_classes(predictions, options);
    std::vector<std::pair<double, Json>> shown;
    std::vector<std::string> hidden;
    for (std::size_t c = 0; c < predictions.classes.size(); ++c) {
        if (is_hidden[c]) {
            hidden.push_back(predictions.classes[c]);
            continue;
        }
        const ClassMeasures& of = measures.by_class[c];
        shown.emplace_back(of.f1.value_or(2), Json{{"value", predictions.classes[c]},
                                                   {"f1", number(of.f1)},
                                                   {"sensitivity", number(of.sensitivity)},
                                                   {"specificity", number(of.specificity)},
                                                   {"precision", number(of.precision)},
                                                   {"auroc", number(of.auroc)},
                                                   {"auprc", number(of.auprc)}});
    }
    return worst_first(std::move(shown), hidden);
}

Json curve_json(const Predictions& predictions, const EvaluateOptions& options, const Measurer& measurer) {
    const auto bins = measurer.bins(std::vector<std::uint32_t>(predictions.samples(), 1));
    std::vector<std::vector<std::size_t>> in(bins.size());
    for (std::size_t i = 0; i < predictions.samples(); ++i)
        in[static_cast<std::size_t>(measurer.bin_of()[i])].push_back(i);
    struct Row {
        std::size_t first;
        Measurer::Bin sums;
        std::vector<std::size_t> samples;
    };
    std::vector<Row> rows;
    const auto add = [](Row& to, const Measurer::Bin& bin, const std::vector<std::size_t>& samples) {
        to.sums.samples += bin.samples;
        to.sums.predicted += bin.predicted;
        to.sums.observed += bin.observed;
        to.samples.insert(to.samples.end(), samples.begin(), samples.end());
    };
    const auto is_small = [&](const Row& row) {
        return patients_of(predictions, row.samples) < options.min_stratum;
    };
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
        if (in[bin].empty()) continue;
        if (rows.empty() || !is_small(rows.back())) rows.push_back({bin, {}, {}});
        add(rows.back(), bins[bin], in[bin]);
    }
    if (rows.size() > 1 && is_small(rows.back())) {
        const Row last = std::move(rows.back());
        rows.pop_back();
        add(rows.back(), last.sums, last.samples);
    }
    Json out = Json::array();
    for (const Row& row : rows)
        out.push_back(
            {{"threshold", number(static_cast<double>(row.first) / static_cast<double>(bins.size()))},
             {"samples", rounded(static_cast<std::int64_t>(row.samples.size()))},
             {"probability", number(row.sums.predicted / row.sums.samples)},
             {"share", number(row.sums.observed / row.sums.samples)}});
    return out;
}

Json temperature_json(const Predictions& predictions, const EvaluateOptions& options, std::int32_t positive,
                      double temperature) {
    const Predictions other = scaled(predictions, temperature);
    const Measures m = Measurer(other, all_of(other), positive, options.bins, Ranks::none).once();
    return {{"temperature", number(temperature)},
            {"loss", number(m.loss)},
            {"brier", number(m.brier)},
            {"ece", number(m.ece)}};
}

Json rounded(std::int64_t count) {
    return count < 10 ? Json() : Json((count + 5) / 10 * 10);
}

}  // namespace trainer
