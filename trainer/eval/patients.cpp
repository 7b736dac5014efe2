#include "trainer/eval/patients.h"

#include <algorithm>
#include <map>

namespace trainer {

ByPatient by_patient(const Predictions& predictions, const std::vector<std::size_t>& samples) {
    std::map<std::uint64_t, std::size_t> row_of;
    std::vector<std::vector<std::size_t>>
        rows;  // in the order of samples: that of pseudonyms depends on the key
    for (const std::size_t i : samples) {
        const auto [found, is_new] = row_of.try_emplace(predictions.patient[i], rows.size());
        if (is_new) rows.emplace_back();
        rows[found->second].push_back(i);
    }
    ByPatient out;
    out.predictions.classes = predictions.classes;
    const std::size_t classes = predictions.classes.size();
    for (const auto& row : rows) {
        const std::int32_t label = predictions.label[row[0]];
        if (std::any_of(row.begin(), row.end(),
                        [&](std::size_t i) { return predictions.label[i] != label; })) {
            ++out.mixed;
            continue;
        }
        out.first.push_back(row[0]);
        out.predictions.label.push_back(label);
        out.predictions.patient.push_back(predictions.patient[row[0]]);
        for (std::size_t c = 0; c < classes; ++c) {
            double sum = 0;
            for (const std::size_t i : row)
                sum += static_cast<double>(predictions.probability[i * classes + c]);
            out.predictions.probability.push_back(static_cast<float>(sum / static_cast<double>(row.size())));
        }
    }
    return out;
}

}  // namespace trainer
