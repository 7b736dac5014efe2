#pragma once
#include <nlohmann/json.hpp>

#include "staging/report/drift.h"
#include "staging/report/quality.h"

namespace test {

// Two deliveries, 40 samples of north and 4 of south, and what a build writes of them.
inline nlohmann::ordered_json small_report() {
    using Json = nlohmann::ordered_json;
    staging::Quality quality;
    quality.strata = {{{"north", "a", "0", "train"}, 33},
                      {{"north", "a", "1", "test"}, 7},
                      {{"south", "b", "0", "train"}, 4}};
    quality.fields["image"] = {{"north", {2560, 0, 0, 255, 12345.678}}, {"south", {256, 0, 1, 254, 99}}};
    quality.columns["age"] = {{"north", {36, 4, 17.25, 88.5, 1800}}, {"south", {3, 1, 41, 47, 132}}};
    quality.categories["label"] = {{"north", {{"0", 33}, {"1", 7}}}, {"south", {{"0", 3}, {"", 1}}}};
    quality.shapes["image"] = {{"1x8x8", 44}};
    const auto delivery = [](const char* name, int pieces, int packed, int left_out) {
        return Json{{"delivery", name},         {"files", pieces},    {"bytes", 12345},
                    {"files_and_rows", pieces}, {"packed", packed},   {"left_out", left_out},
                    {"not_selected", 0},        {"names_hmac", "aa"}, {"contents_hmac", "bb"}};
    };
    return {{"dataset", "digits@1"},
            {"readers", "stewards"},
            {"totals",
             {{"files delivered", 57}, {"samples", 44}, {"left out (files or rows)", 13}, {"shards", 2}}},
            {"deliveries", {delivery("north", 50, 40, 10), delivery("south", 7, 4, 3)}},
            {"text blanked in pixels", {{"north", {{"frames", 12}, {"boxes", 3}}}}},
            {"deviations",
             {{"north", {{"trailing_zeros", 14}, {"no_preamble", 1}}}, {"south", {{"unknown_vr", 30}}}}},
            {"quarantine", {{"unlisted", {{"north", 10}, {"south", 2}}}, {"label_conflict", {{"south", 1}}}}},
            {"risk",
             {{"quasi_identifiers", {"age"}},
              {"unit", "patient"},
              {"k", 5},
              {"patients", 31},
              {"patients_in_several_cells", 2},
              {"groups", 6},
              {"smallest_group", 1},
              {"patients_below_k", 3},
              {"samples_below_k", 4},
              {"suppressed", false},
              {"prosecutor_risk_max", 1.0},
              {"journalist_risk_max", 1.0},
              {"marketer_risk", 6.0 / 31},
              {"patients_at_risk", 3.0 / 31},
              {"sensitive",
               {{"column", "label"},
                {"l", 2},
                {"fewest_categories", 2},
                {"t", 0.3},
                {"greatest_distance", 3.0 / 5 - 19.0 / 47}}},
              {"content_of_several_patients", {{"contents", 1}, {"samples", 2}}}}},
            {"splits", Json::object()},
            {"quality", staging::to_json(quality)},
            {"drift",
             {{{"what", "label"},
               {"site", "north"},
               {"kind", "category"},
               {"samples", 40},
               {"effect", 0.4},
               {"p", 0.001},
               {"p_adjusted", 0.002}},
              {{"what", "age"},
               {"site", "north"},
               {"kind", "number"},
               {"samples", 36},
               {"effect", nullptr},
               {"p", 0.0},
               {"p_adjusted", 0.0}},
              {{"what", "image (mean)"},
               {"site", "north"},
               {"kind", "number"},
               {"samples", 40},
               {"effect", 3.0},
               {"p", 0.2},
               {"p_adjusted", 0.6}}}}};
}

// The same where south has 60 samples: of each site enough.
inline nlohmann::ordered_json enough_report() {
    using Json = nlohmann::ordered_json;
    Json report = small_report();
    Json& quality = report["quality"];
    quality["strata"][2]["samples"] = 60;
    staging::Quality more;
    more.fields["image"] = {{"north", {2560, 0, 0, 255, 128000}}, {"south", {3840, 0, 1, 254, 460800}}};
    more.columns["age"] = {{"north", {36, 4, 17, 88, 1837}}, {"south", {50, 10, 20, 80, 2512}}};
    more.categories["label"] = {{"north", {{"0", 30}, {"1", 10}}}, {"south", {{"0", 20}, {"1", 40}}}};
    more.categories["sex"] = {{"north", {{"F", 20}, {"M", 20}}}, {"south", {{"F", 57}, {"M", 3}}}};
    const Json written = staging::to_json(more);
    for (const char* name : {"fields", "columns", "categories"}) quality[name] = written.at(name);
    Json row = report["drift"][0];
    for (const char* what : {"sex", "age (missing)"}) {
        row["what"] = what;
        row["kind"] = std::string(what) == "sex" ? "category" : "missing";
        report["drift"].push_back(row);
    }
    return report;
}

}  // namespace test
