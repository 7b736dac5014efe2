#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace trainer {

// In hex, of the plan's first line and a run's: what `study_sha256` of the run's metrics.json is.
std::string study_run_sha256(const nlohmann::ordered_json& head, const nlohmann::ordered_json& run);

// summary.json of a study: METRICS.md says what is in it. `head` and `runs` are the lines of its plan.jsonl, `metrics`
// the metrics.json of each run, or its refused.json, null of those that are not over. Throws Error(data) that names the
// run if one is not the plan's, or the plan is none.
nlohmann::ordered_json study_summary(const nlohmann::ordered_json& head,
                                     const std::vector<nlohmann::ordered_json>& runs,
                                     const std::vector<nlohmann::ordered_json>& metrics);

// The same for people, made of that alone; as html_report, it fetches and runs nothing. The first line says where the
// model fails.
std::string study_html(const nlohmann::ordered_json& summary);
std::string where_study_fails(const nlohmann::ordered_json& summary);

}  // namespace trainer
