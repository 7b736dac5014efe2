#include "staging/report/summary.h"

#include <cmath>

#include "core/base/figures.h"
#include "staging/deid/cases.h"
#include "staging/deid/direct.h"
#include "staging/report/drift.h"

namespace staging {

using Json = nlohmann::ordered_json;

Json deidentification_record(const Definition& definition, const Pseudonyms& pseudonyms) {
    const Profile& profile = definition.profile;
    auto methods = Json::array();
    for (const Method& method : methods_of(definition))
        methods.push_back({{"code", method.code},
                           {"scheme", "DCM"},
                           {"meaning", method.meaning},
                           {"columns", method.columns}});
    // What a hospital answers for, and nobody here has looked at.
    auto declared = Json::object();
    for (const auto& [site, description] : definition.descriptions)
        for (const auto& [folder, what] : description.declared)
            declared[site].push_back(what == Declared::phantom ? "phantom" : "defaced");
    const auto named = [](const Profile& one) {
        return Json{{"name", one.name}, {"version", one.version}, {"sha256", one.sha256}};
    };
    Json labels;  // null: no table was joined
    if (definition.labels) {
        labels["profile"] = named(definition.labels->table.profile);
        labels["matched_by"] = name_of(definition.key->match);
    }
    Json json{{"profile", named(profile)},
              {"labels", labels},
              {"definition_sha256", definition.sha256},
              {"rules_sha256", definition.rules_sha256},
              {"declared", declared},
              {"patient_identity_removed", "YES"},
              {"methods", methods},  // (0012,0064)
              {"software", "aloft " ALOFT_VERSION},
              {"pseudonym_key_id", pseudonyms.key_id()},
              {"max_shift_days", profile.max_shift_days}};
    // Of single images the header alone decides. CID 7050's 113102, Clean Recognizable Visual Features, holds of samples
    // whose column says cut_off, and of no others.
    if (definition.kind != SampleKind::row)
        json["faces"] = {{"policy", face_policy_name(profile.pixels.faces)}};
    if (definition.looks_for_faces())
        json["faces"].update({{"column", "face"},
                              {"cut_off",
                               {{"code", "113102"},
                                {"scheme", "DCM"},
                                {"meaning", "Clean Recognizable Visual Features Option"}}}});
    // A table has no pixels; of masks nobody looks at any.
    if (definition.kind != SampleKind::row) json["text_in_pixels"] = text_policy_name(profile.pixels.text);
    if (definition.masks) json["text_in_masks"] = text_policy_name(TextPolicy::allow);
    return json;
}

Json risk_record(const Definition& definition, const PooledRisk& risk, const SharedContent& shared) {
    const RiskPolicy& policy = definition.profile.risk;
    Json json{{"quasi_identifiers", policy.quasi_identifiers},
              {"unit", "patient: the set of the cells of all its samples"},
              {"k", policy.k},
              {"patients", risk.patients},
              {"patients_in_several_cells", risk.patients_in_several_cells},
              {"groups", risk.groups},
              {"smallest_group", risk.smallest_group},
              {"patients_below_k", risk.patients_below},
              {"samples_below_k", risk.samples_below},
              {"suppressed", risk.suppressed}};
    if (risk.groups) {
        // As measured, before suppression. Prosecutor: the chance to pick out a patient who is known to be in
        // the dataset, at worst. Journalist: one who may not be; the dataset stands for all people, which is the
        // worst there is. Marketer: the mean over all patients.
        json["prosecutor_risk_max"] = 1.0 / static_cast<double>(risk.smallest_group);
        json["journalist_risk_max"] = json["prosecutor_risk_max"];
        json["marketer_risk"] = static_cast<double>(risk.groups) / static_cast<double>(risk.patients);
        json["patients_at_risk"] =
            static_cast<double>(risk.patients_below) / static_cast<double>(risk.patients);
    }
    if (policy.sensitive.empty())
        json["not_measured"] = {"l-diversity", "t-closeness"};
    else
        json["sensitive"] = sensitive_record(policy, risk.fewest_categories, risk.least_entropy_l,
                                             risk.greatest_ratio, risk.greatest_distance);
    if (risk.coarser)
        json["generalisation"] =
            generalisation_record(definition.quasi->quasi, risk.coarser->least, risk.coarser->before);
    json["content_of_several_patients"] = {{"contents", shared.contents}, {"samples", shared.samples}};
    return json;
}

Json sensitive_record(const RiskPolicy& policy, std::int64_t fewest_categories, double least_entropy_l,
                      double greatest_ratio, double greatest_distance) {
    Json out{{"column", policy.sensitive},
             {"l", policy.l},
             {"fewest_categories", fewest_categories},
             {"t", policy.t},
             {"greatest_distance", greatest_distance}};
    if (policy.distance == Distance::ordered) out["distance"] = "ordered";
    if (policy.entropy_l > 0) {
        out["entropy_l"] = policy.entropy_l;
        out["least_entropy_l"] = least_entropy_l;
    }
    if (policy.recursive_l > 0)  // null: a group has fewer than l values
        out["recursive"] = {
            {"c", policy.recursive_c}, {"l", policy.recursive_l}, {"greatest_ratio", greatest_ratio}};
    return out;
}

Json generalisation_record(const Quasi& quasi, const Generalisation& least, const GroupTotals& before) {
    Json levels;
    for (std::size_t i = 0; i < quasi.size(); ++i) {
        const Hierarchy& one = quasi.hierarchies()[i];
        levels[one.column] = one.levels[least.levels[i]].name;
    }
    return {{"levels", levels},
            {"loss", least.loss},
            {"loss_is",
             "of a column's other values, the part that a value is not told from: mean over patients and "
             "quasi-identifiers; left out counts as 1"},
            {"is_least", least.is_least},
            {"patients_left_out", least.suppressed},
            {"before",
             {{"groups", before.groups},
              {"smallest_group", before.groups ? before.smallest_group : 0},
              {"patients_alone", before.alone},
              {"patients_below", before.patients_below}}}};
}

namespace {

void publish(Json& record, std::initializer_list<const char*> counts) {
    for (const char* name : counts)
        if (record.contains(name) && record.at(name).is_number())  // else it is published already
            record[name] = core::published_count(record.at(name).get<std::int64_t>());
}

}  // namespace

Json published_risk(Json risk) {
    if (risk.contains("sensitive") && risk.at("sensitive").contains("greatest_distance")) {
        // The worst group's exact measures give back its counts: whether they hold is told.
        Json& sensitive = risk.at("sensitive");
        if (sensitive.contains("least_entropy_l")) {
            Criteria asked;
            asked.entropy_l = sensitive.at("entropy_l").get<double>();
            sensitive["entropy_holds"] = hold_entropy(asked, sensitive.at("least_entropy_l").get<double>());
            sensitive.erase("least_entropy_l");
        }
        const auto t = sensitive.at("t").get<double>();
        if (t > 0) sensitive["distance_holds"] = sensitive.at("greatest_distance").get<double>() <= t;
        sensitive.erase("greatest_distance");
        if (sensitive.contains("recursive")) {
            Json& recursive = sensitive.at("recursive");
            const Json& ratio = recursive.at("greatest_ratio");
            recursive["holds"] = ratio.is_number() && ratio.get<double>() < recursive.at("c").get<double>();
            recursive.erase("greatest_ratio");
        }
    }
    if (risk.contains("generalisation") && risk.at("generalisation").contains("before")) {
        Json& made = risk.at("generalisation");
        made.at("loss") = std::round(made.at("loss").get<double>() * 100) / 100;
        publish(made, {"patients_left_out"});
        publish(made.at("before"), {"groups", "smallest_group", "patients_alone", "patients_below"});
    }
    publish(risk, {"smallest_group", "patients_below_k", "samples_below_k"});
    if (risk.contains("content_of_several_patients"))
        publish(risk.at("content_of_several_patients"), {"contents", "samples"});
    for (const char* name : {"prosecutor_risk_max", "journalist_risk_max", "patients_at_risk"})
        risk.erase(name);
    return risk;
}

Json shown_risk(const Json& risk) {
    Json out = published_risk(risk);
    publish(out, {"rows", "patients", "patients_in_several_cells", "groups", "patients_alone"});
    for (const char* name : {"marketer_risk", "presence"}) out.erase(name);
    // Where no column was made coarser, it is the part of the patients who were left out.
    if (out.contains("generalisation")) out.at("generalisation").erase("loss");
    if (out.contains("population")) publish(out.at("population"), {"patients_it_lacks"});
    const auto show = [](Json& figures) {
        publish(figures, {"patients", "groups", "smallest_group", "patients_alone", "patients_below",
                          "values_sure", "of_them_not_in_all", "patients_in_all"});
        for (const char* name :
             {"prosecutor_risk_max", "prosecutor_risk_mean", "journalist_risk_max", "marketer_risk"})
            figures.erase(name);
    };
    if (out.contains("after")) show(out.at("after"));
    if (!out.contains("linked")) return out;
    Json& linked = out.at("linked");
    show(linked);
    show(linked.at("together"));
    show(linked.at("only_together"));
    for (Json& one : linked.at("releases")) show(one);
    return out;
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
            {"patients_at_two_sites", core::published_count(counted.patients_at_two_sites)}};
}

Json parents_record(const std::vector<Parent>& parents) {
    auto json = Json::array();
    for (const Parent& parent : parents)
        json.push_back({{"delivery", parent.delivery},
                        {"files", parent.files},
                        {"bytes", parent.bytes},
                        {"files_and_rows", parent.pieces},
                        {"packed", parent.packed},
                        {"left_out", parent.left_out},
                        {"not_selected", parent.not_selected},
                        {"names_hmac", parent.names_digest},
                        {"contents_hmac", parent.contents_digest}});
    return json;
}

Json deviations_record(const DeviationCounts& counts) {
    Json out = Json::object();
    for (std::size_t i = 0; i < kDeviations; ++i)
        if (counts[i]) out[std::string(deviation_name(static_cast<Deviation>(i)))] = counts[i];
    return out;
}

Json manifest_summary(const core::Manifest& manifest) {
    Json json{{"dataset", manifest.id()},    {"samples", manifest.samples()}, {"patients", Json()},
              {"shards", manifest.shards()}, {"bytes", manifest.bytes()},     {"key_id", manifest.key_id}};
    std::int64_t patients = 0;
    if (manifest.splits.contains("patients"))
        for (const auto& [split, count] : manifest.splits.at("patients").items())
            patients += count.get<std::int64_t>();
    json["patients"] = patients;
    for (const char* column : {"site", "vendor", "label", "split"})
        if (manifest.counts.contains(column)) json[std::string(column) + "s"] = manifest.counts.at(column);
    return json;
}

Json quality_report(const core::Manifest& manifest, const Quality& quality, const ReasonCounts& reasons,
                    const Json& risk, const std::vector<Parent>& parents) {
    std::int64_t left_out = 0;
    for (const auto& [reason, sites] : reasons)
        for (const auto& [site, count] : sites) left_out += count;
    auto blanked = Json::object(), deviations = Json::object();
    for (const Parent& parent : parents) {
        if (parent.blanked_frames)
            blanked[parent.delivery] = {{"frames", parent.blanked_frames}, {"boxes", parent.blanked_boxes}};
        if (Json found = deviations_record(parent.deviations); !found.empty())
            deviations[parent.delivery] = std::move(found);
    }
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
              {"shards", manifest.shards()}}},
            {"deliveries", manifest.parents},
            {"text blanked in pixels", blanked},
            {"deviations", deviations},
            {"quarantine", reasons},
            {"risk", risk},
            {"splits", manifest.splits},
            {"quality", to_json(quality)},
            {"drift", to_json(drift_of(quality))}};
}

}  // namespace staging
