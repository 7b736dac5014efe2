#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "trainer/eval/judge.h"

namespace trainer {

// metrics.json in the making: METRICS.md says what is in it. Resamplings know nothing of each other, so that ranks
// can deal them out. Keeps references to its arguments.
class Report {
public:
    // Throws Error(data) if there are no samples, Error(usage) as Judge::check does.
    Report(const Predictions& predictions, const EvaluateOptions& options, Chosen chosen);
    ~Report();
    Report(const Report&) = delete;
    Report& operator=(const Report&) = delete;

    std::int64_t rounds() const;
    // All figures of one resampling of patients: a function of the predictions, the seed and its number, the same
    // bits wherever it is worked out.
    std::vector<double> round(std::int64_t number) const;
    // `rounds`: of each resampling, in order.
    nlohmann::ordered_json write(const std::vector<std::vector<double>>& rounds) const;

private:
    struct Entry;
    bool is_told(const Entry& entry, const std::vector<double>& own, const std::vector<double>& gaps) const;
    bool are_listed(const std::string& stratum) const;  // its values, by the dataset's description
    void add(const std::string& stratum, const std::string& value, std::vector<std::size_t> samples);

    const Judge& judge_;
    const Predictions& predictions_;
    const EvaluateOptions& options_;
    Chosen chosen_;
    const FigureRow* score_ = nullptr;  // by which strata are compared
    std::size_t score_column_ = 0;      // of the figures that each entry has
    std::vector<std::size_t> patient_;  // of each sample, counted in the order of samples
    std::size_t patients_ = 0;
    std::vector<bool> untold_of_strata_;                       // figures
    std::vector<bool> untold_of_persons_;                      // of the next entry that is added
    bool has_several_ = false;                                 // samples of one patient
    std::vector<std::unique_ptr<Entry>> entries_;              // overall, then each stratum that is shown
    std::vector<std::pair<std::string, std::string>> hidden_;  // stratum, value
};

}  // namespace trainer
