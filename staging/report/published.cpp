#include "staging/report/published.h"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/error.h"
#include "staging/report/summary.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kFewest = 10;
constexpr const char* kStrata[] = {"site", "vendor", "label", "split"};

Json count_of(const Json& count) {
    return published_count(count.get<std::int64_t>());
}

// All counts below, however deep.
Json counts_of(const Json& tree) {
    if (!tree.is_structured()) return tree.is_number_integer() ? count_of(tree) : tree;
    Json out = tree;
    for (auto& one : out) one = counts_of(one);
    return out;
}

Json six_digits(double value) {
    return std::stod(fmt::format("{:.6g}", value));
}

using Samples = std::map<std::string, std::int64_t>;

// Of sites with enough samples. How many elements there are would tell how many samples, exactly.
Json fields_of(const Json& all, const Samples& samples) {
    auto out = Json::object();
    for (const auto& [name, sites] : all.items())
        for (const auto& [site, range] : sites.items()) {
            Json& one = out[name][site] = nullptr;
            const auto of_site = samples.find(site);
            const auto elements = range.at("count").get<std::int64_t>();
            if (elements == 0 || of_site == samples.end() || of_site->second < kFewest) continue;
            one = {{"samples", published_count(of_site->second)},
                   {"min", six_digits(range.at("min").get<double>())},
                   {"max", six_digits(range.at("max").get<double>())}};
            if (range.contains("sum"))
                one["mean"] = six_digits(range.at("sum").get<double>() / static_cast<double>(elements));
        }
    return out;
}

// Of sites with enough values.
Json columns_of(const Json& all) {
    auto out = Json::object();
    for (const auto& [name, sites] : all.items())
        for (const auto& [site, range] : sites.items()) {
            Json& one = out[name][site] = nullptr;
            const auto count = range.at("count").get<std::int64_t>();
            if (count < kFewest) continue;
            one = {{"samples", published_count(count)}, {"missing", count_of(range.at("missing"))}};
            if (range.contains("sum"))
                one["mean"] = six_digits(range.at("sum").get<double>() / static_cast<double>(count));
        }
    return out;
}

Samples exact_by(const Json& strata, const char* key) {
    Samples out;
    for (const Json& one : strata)
        out[one.at(key).get<std::string>()] += one.at("samples").get<std::int64_t>();
    return out;
}

}  // namespace

Json samples_by(const Json& report, const char* key) {
    if (report.contains("samples")) return report.at("samples").value(key, Json::object());
    return exact_by(report.at("quality").at("strata"), key);
}

Json published_report(const Json& report) {
    try {
        const Json& quality = report.at("quality");
        const auto by_site = exact_by(quality.at("strata"), "site");
        Json out{{"dataset", report.at("dataset")},
                 {"readers",
                  "Counts are to the nearest ten, \"<10\" where fewer. Of sites with fewer than 10 samples "
                  "nothing else is "
                  "told."},
                 {"totals", counts_of(report.at("totals"))},
                 {"deliveries", Json::array()},
                 {"samples", Json::object()},
                 {"text blanked in pixels", counts_of(report.at("text blanked in pixels"))},
                 {"quarantine", counts_of(report.at("quarantine"))},
                 {"risk", published_risk(report.at("risk"))}};
        for (const char* name : {"patients", "groups", "patients_in_several_cells"})
            out["risk"][name] = count_of(report.at("risk").at(name));
        out["risk"].erase("marketer_risk");  // groups / patients
        for (const Json& delivery : report.at("deliveries")) {
            Json one{{"delivery", delivery.at("delivery")}};
            for (const char* name : {"files", "files_and_rows", "packed", "left_out", "not_selected"})
                one[name] = count_of(delivery.at(name));
            out["deliveries"].push_back(std::move(one));
        }
        for (const char* key : kStrata) out["samples"][key] = counts_of(samples_by(report, key));
        out["quality"] = {{"fields", fields_of(quality.at("fields"), by_site)},
                          {"columns", columns_of(quality.at("columns"))},
                          {"categories", counts_of(quality.at("categories"))},
                          {"shapes", counts_of(quality.at("shapes"))}};
        out["drift"] = report.at("drift");
        for (Json& one : out["drift"]) one["samples"] = count_of(one.at("samples"));
        return out;
    } catch (const Json::exception&) {
        throw core::Error(core::Fault::data,
                          "reports/quality.json is not what aloft-stage of this version writes: "
                          "build the version again");
    }
}

}  // namespace staging
