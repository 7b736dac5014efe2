#include "staging/report/summary.h"

#include "staging/deid/direct.h"

namespace staging {

using Json = nlohmann::ordered_json;

Json deidentification_record(const Definition& definition, const Pseudonyms& pseudonyms) {
    const Profile& profile = definition.profile;
    auto methods = Json::array();
    for (const Method& method : methods_of(definition))
        methods.push_back({{"code", method.code}, {"scheme", "DCM"}, {"meaning", method.meaning}});
    // What a hospital answers for, and nobody here has looked at.
    auto declared = Json::object();
    for (const auto& [site, description] : definition.descriptions)
        for (const auto& [folder, what] : description.declared)
            declared[site].push_back(what == Declared::phantom ? "phantom" : "defaced");
    return {{"profile", {{"name", profile.name}, {"version", profile.version}, {"sha256", profile.sha256}}},
            {"definition_sha256", definition.sha256},
            {"rules_sha256", definition.rules_sha256},
            {"declared", declared},
            {"patient_identity_removed", "YES"},
            {"methods", methods},  // (0012,0064)
            {"software", "aloft " ALOFT_VERSION},
            {"pseudonym_key_id", pseudonyms.key_id()},
            {"max_shift_days", profile.max_shift_days}};
}

Json risk_record(const Definition& definition, const PooledRisk& risk) {
    Json json{{"quasi_identifiers", definition.profile.risk.quasi_identifiers},
              {"k", definition.profile.risk.k},
              {"patients", risk.patients},
              {"groups", risk.groups},
              {"smallest_group", risk.smallest_group},
              {"patients_below_k", risk.patients_below},
              {"samples_below_k", risk.samples_below},
              {"suppressed", risk.suppressed}};
    if (risk.groups) {
        // As measured, before suppression: the chance to pick out a known patient, and the mean over all
        // patients.
        json["prosecutor_risk_max"] = 1.0 / static_cast<double>(risk.smallest_group);
        json["marketer_risk"] = static_cast<double>(risk.groups) / static_cast<double>(risk.patients);
    }
    json["not_measured"] = {"l-diversity", "t-closeness", "journalist risk"};
    return json;
}

Json splits_record(const Definition& definition, const Counted& counted) {
    Json fractions, samples, patients;
    double before = 0;
    for (std::size_t i = 0; i < std::size(core::kSplits); ++i) {
        const std::string name(core::kSplits[i]);
        fractions[name] = definition.splits[i] - before;
        before = definition.splits[i];
        samples[name] = counted.split_samples[i];
        patients[name] = counted.split_patients[i];
    }
    return {{"by", "patient"},
            {"method",
             "keyed hash of the patient's pseudonym: stable when data are added, balanced up to chance"},
            {"fractions", fractions},
            {"samples", samples},
            {"patients", patients},
            {"patients_at_two_sites", counted.patients_at_two_sites}};
}

Json parents_record(const std::vector<Parent>& parents) {
    auto json = Json::array();
    for (const Parent& parent : parents)
        json.push_back({{"delivery", parent.delivery},
                        {"files", parent.files},
                        {"bytes", parent.bytes},
                        {"names_hmac", parent.names_digest},
                        {"contents_hmac", parent.contents_digest}});
    return json;
}

Json manifest_summary(const core::Manifest& manifest) {
    std::map<std::string, std::map<std::string, std::int64_t>> counts;
    std::uint64_t bytes = 0;
    for (const core::ShardEntry& shard : manifest.shards) {
        bytes += shard.bytes;
        for (const auto& [column, categories] : shard.counts)
            for (const auto& [category, count] : categories) counts[column][category] += count;
    }
    Json json{{"dataset", manifest.id()}, {"samples", manifest.samples()},
              {"patients", Json()},       {"shards", manifest.shards.size()},
              {"bytes", bytes},           {"key_id", manifest.key_id}};
    std::int64_t patients = 0;
    if (manifest.splits.contains("patients"))
        for (const auto& [split, count] : manifest.splits.at("patients").items())
            patients += count.get<std::int64_t>();
    json["patients"] = patients;
    for (const char* column : {"site", "vendor", "label", "split"})
        if (counts.contains(column)) json[std::string(column) + "s"] = counts[column];
    return json;
}

Json quality_report(const core::Manifest& manifest, const Quality& quality, const ReasonCounts& reasons) {
    std::int64_t left_out = 0;
    for (const auto& [reason, sites] : reasons)
        for (const auto& [site, count] : sites) left_out += count;
    std::uint64_t files = 0;
    for (const auto& parent : manifest.parents) files += parent.at("files").get<std::uint64_t>();
    return {{"dataset", manifest.id()},
            {"readers",
             "For the intake account, data managers and stewards. Counts are exact and can be small: not to "
             "leave the "
             "trusted environment without a release."},
            {"totals",
             {{"files delivered", files},
              {"samples", manifest.samples()},
              {"left out (files or rows)", left_out},
              {"shards", manifest.shards.size()}}},
            {"quarantine", reasons},
            {"risk", manifest.risk},
            {"splits", manifest.splits},
            {"quality", to_json(quality)}};
}

}  // namespace staging
