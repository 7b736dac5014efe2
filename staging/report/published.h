#pragma once
#include <cstdint>
#include <optional>

#include <nlohmann/json_fwd.hpp>

namespace staging {

inline constexpr std::int64_t kFewest = 10;  // samples or patients that are told of

// A report (reports/quality.json) as it may be shown to whoever works with the data: counts as the manifest publishes them, of
// a site with fewer than 10 samples nothing but that, no extremes (each may be somebody's value), means by published_mean() and
// none by site where one site is withheld; no comparison with fewer than 10 samples in a cell, of others one digit and the side
// of p = 0.01; no counts of elements (of samples of one size they tell how many there are), no strata of several things at once,
// no keyed digests. A shard can hold one sample: shards are counts too.
nlohmann::ordered_json published_report(const nlohmann::ordered_json& report);

// A mean to the step (1, 2 or 5 times a power of ten) that ten samples can move it by, at least: 10 range / samples; three
// digits where all values are the same. So it tells neither how many samples there are nor whether a few are at an end.
// None: not finite.
std::optional<double> published_mean(double mean, double range, std::int64_t samples);

// {"north": 40, "south": "<10"} or exact: samples by one of site, vendor, label, split. Of either kind of report.
nlohmann::ordered_json samples_by(const nlohmann::ordered_json& report, const char* key);

}  // namespace staging
