#pragma once
#include <vector>

#include "trainer/eval/metrics.h"

namespace trainer {

// Samples as their patients: a row for each, with the mean of what the model said of the samples. Patients whose
// samples have different labels are in none.
struct ByPatient {
    Predictions predictions;         // without strata
    std::vector<std::size_t> first;  // of each row: the first of its samples
    std::int64_t mixed = 0;          // patients that were left out for their labels
};
ByPatient by_patient(const Predictions& predictions, const std::vector<std::size_t>& samples);

// The same for what is no class: the means of what is known, and of what the model said. What is known of no sample of
// a patient is missing; nobody is left out.
ByPatient means_by_patient(const Predictions& predictions, const std::vector<std::size_t>& samples);

}  // namespace trainer
