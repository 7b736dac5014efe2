#include "trainer/eval/patients.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace trainer {
namespace {

// The samples of each patient, in the order of samples: that of pseudonyms depends on the key.
std::vector<std::vector<std::size_t>> rows_of(const Predictions& predictions,
                                              const std::vector<std::size_t>& samples) {
    std::map<std::uint64_t, std::size_t> row_of;
    std::vector<std::vector<std::size_t>> rows;
    for (const std::size_t i : samples) {
        const auto [found, is_new] = row_of.try_emplace(predictions.patient[i], rows.size());
        if (is_new) rows.emplace_back();
        rows[found->second].push_back(i);
    }
    return rows;
}

// The means of what the model says of `row`.
void add_outputs(ByPatient& out, const Predictions& predictions, const std::vector<std::size_t>& row) {
    const std::size_t outputs = predictions.classes.size();
    out.first.push_back(row[0]);
    out.predictions.patient.push_back(predictions.patient[row[0]]);
    for (std::size_t c = 0; c < outputs; ++c) {
        double sum = 0;
        for (const std::size_t i : row) sum += static_cast<double>(predictions.probability[i * outputs + c]);
        out.predictions.probability.push_back(static_cast<float>(sum / static_cast<double>(row.size())));
    }
}

}  // namespace

ByPatient by_patient(const Predictions& predictions, const std::vector<std::size_t>& samples) {
    ByPatient out;
    out.predictions.task = predictions.task;
    out.predictions.classes = predictions.classes;
    for (const auto& row : rows_of(predictions, samples)) {
        const std::int32_t label = predictions.label[row[0]];
        if (std::any_of(row.begin(), row.end(),
                        [&](std::size_t i) { return predictions.label[i] != label; })) {
            ++out.mixed;
            continue;
        }
        out.predictions.label.push_back(label);
        add_outputs(out, predictions, row);
    }
    return out;
}

ByPatient means_by_patient(const Predictions& predictions, const std::vector<std::size_t>& samples) {
    ByPatient out;
    out.predictions.task = predictions.task;
    out.predictions.classes = predictions.classes;
    const std::size_t outputs = predictions.classes.size();
    for (const auto& row : rows_of(predictions, samples)) {
        for (std::size_t c = 0; c < outputs; ++c) {
            double sum = 0, known = 0;
            for (const std::size_t i : row) {
                const double truth = predictions.truth[i * outputs + c];
                if (std::isnan(truth)) continue;
                sum += truth;
                ++known;
            }
            out.predictions.truth.push_back(known > 0 ? sum / known : NAN);
        }
        add_outputs(out, predictions, row);
    }
    return out;
}

}  // namespace trainer
