#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace staging {

// What a version must hold to be sealed (configs/quality/*.toml). What is absent is not asked.
struct QualityLimits {
    std::optional<std::int64_t> fewest_samples;  // of each delivery
    std::optional<double> left_out;              // of a delivery's files and rows, the part
    std::map<std::string, double> left_out_by_reason;
    std::optional<double> missing;  // of a delivery's values of a field or column, the part
    std::map<std::string, double> missing_by_name;
    std::optional<double> drift;  // drift.h: its effect, where adjusted p is less than drift_p
    double drift_p = 0.01;
    std::map<std::string, double> drift_by_name;  // of a field or column, instead
    std::optional<std::int64_t> patients_below_k;

    // Throws Error(usage) that names the file and the key; unknown keys and reasons are refused.
    static QualityLimits load(const std::filesystem::path& path);
};

// What of a report (reports/quality.json) breaks them, in sentences for its readers; empty: nothing. Throws Error(usage)
// for a limit of something that the report does not speak of, Error(data) for a report without what is asked for.
std::vector<std::string> broken_limits(const nlohmann::ordered_json& report, const QualityLimits& limits);

}  // namespace staging
