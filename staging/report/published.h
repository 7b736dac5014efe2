#pragma once
#include <nlohmann/json_fwd.hpp>

namespace staging {

// A report (reports/quality.json) as it may be shown to whoever works with the data: counts as the manifest publishes them,
// nothing of a site with fewer than 10 samples but that, no extremes of columns (each is somebody's value), figures of six
// digits; no counts of elements (of samples of one size they tell how many there are), no strata of several things at once, no
// keyed digests. A shard can hold one sample: shards are counts too.
nlohmann::ordered_json published_report(const nlohmann::ordered_json& report);

// {"north": 40, "south": "<10"} or exact: samples by one of site, vendor, label, split. Of either kind of report.
nlohmann::ordered_json samples_by(const nlohmann::ordered_json& report, const char* key);

}  // namespace staging
