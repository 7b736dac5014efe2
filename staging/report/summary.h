#pragma once
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/shard/manifest.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/pool/pool.h"
#include "staging/read/deviation.h"
#include "staging/report/quality.h"
#include "staging/report/quarantine.h"
#include "staging/work/listing.h"

namespace staging {

// What the manifest says beside shards and schema. Deterministic: no times, hosts or rank counts.
nlohmann::ordered_json deidentification_record(const Definition& definition, const Pseudonyms& pseudonyms);
nlohmann::ordered_json risk_record(const Definition& definition, const PooledRisk& risk,
                                   const SharedContent& shared);
// What was asked for over the sensitive column, and the worst group's measures.
nlohmann::ordered_json sensitive_record(const RiskPolicy& policy, std::int64_t fewest_categories,
                                        double least_entropy_l, double greatest_ratio,
                                        double greatest_distance);
// What was made coarser, what it cost, and what was before.
nlohmann::ordered_json generalisation_record(const Quasi& quasi, const Generalisation& least,
                                             const GroupTotals& before);
// What of a risk record may stand in the clear: small counts rounded, and what would tell them left out.
nlohmann::ordered_json published_risk(nlohmann::ordered_json risk);
// The same of what `aloft-stage risk` prints, tables and linked releases too: all counts, and no chance.
nlohmann::ordered_json shown_risk(const nlohmann::ordered_json& risk);
nlohmann::ordered_json splits_record(const Definition& definition, const Counted& counted);

// A delivery as it was taken in.
struct Parent {
    std::string delivery, names_digest, contents_digest;  // both keyed
    std::uint64_t files = 0, bytes = 0;
    // Files, and rows of tables: what stage 1 saw = packed + left out + not selected.
    std::int64_t pieces = 0, packed = 0, left_out = 0, not_selected = 0;
    // In which text was blanked, of all that stage 1 let through: some may have been left out later.
    std::int64_t blanked_frames = 0, blanked_boxes = 0;
    // Files with each, of all that could be read.
    DeviationCounts deviations{};
};
// {"no_preamble": 12}: of those that a file has.
nlohmann::ordered_json deviations_record(const DeviationCounts& counts);
nlohmann::ordered_json parents_record(const std::vector<Parent>& parents);

// reports/quality.json. `risk`: as measured.
nlohmann::ordered_json quality_report(const core::Manifest& manifest, const Quality& quality,
                                      const ReasonCounts& reasons, const nlohmann::ordered_json& risk,
                                      const std::vector<Parent>& parents);

// Samples, bytes and counts per site, vendor, label and split, from the manifest alone.
nlohmann::ordered_json manifest_summary(const core::Manifest& manifest);

}  // namespace staging
