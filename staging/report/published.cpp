#include "staging/report/published.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/base/error.h"
#include "core/base/figures.h"
#include "staging/report/summary.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kStrata[] = {"site", "vendor", "label", "split"};

Json count_of(const Json& count) {
    return core::published_count(count.get<std::int64_t>());
}

// All counts below, however deep.
Json counts_of(const Json& tree) {
    if (!tree.is_structured()) return tree.is_number_integer() ? count_of(tree) : tree;
    Json out = tree;
    for (auto& one : out) one = counts_of(one);
    return out;
}

Json digits_of(double value, int digits) {  // strtod: it may be subnormal
    return std::strtod(fmt::format("{:.{}g}", value, digits).c_str(), nullptr);
}

using Samples = std::map<std::string, std::int64_t>;

// What is told of a site, null where it has few samples: {"north": ..., "south": null}.
Json of_enough(const Json& sites, const Samples& samples) {
    auto out = Json::object();
    for (const auto& [site, value] : sites.items()) {
        const auto found = samples.find(site);
        out[site] = found != samples.end() && found->second >= kFewest ? counts_of(value) : Json();
    }
    return out;
}

// The values of one name of "fields" or "columns". Means stand in it only where no site is withheld: beside the mean of all
// together, which the manifest and the datasheet have, they would give that site's.
struct Told {
    Json sites = Json::object();
    bool has_withheld = false;
};

// How many elements there are would tell how many samples, exactly: of fields, samples of the site are the count.
Told told_of(const Json& ranges, const Samples& samples, bool is_field) {
    Told out;
    for (const auto& [site, range] : ranges.items()) {
        out.sites[site] = nullptr;
        const auto values = range.at("count").get<std::int64_t>();
        const auto of_site = samples.find(site);
        const std::int64_t all = of_site == samples.end() ? 0 : of_site->second,
                           count = is_field ? all : values;
        if (values == 0) continue;
        if (all < kFewest || count < kFewest) {
            out.has_withheld = true;
            continue;
        }
        Json& one = out.sites[site] = {{"samples", core::published_count(count)}};
        if (!is_field) one["missing"] = count_of(range.at("missing"));
        if (!range.contains("sum")) continue;
        const double mean = range.at("sum").get<double>() / static_cast<double>(values);
        if (const auto rounded =
                published_mean(mean, range.at("max").get<double>() - range.at("min").get<double>(), count))
            one["mean"] = *rounded;
    }
    if (out.has_withheld)
        for (Json& one : out.sites)
            if (one.is_object()) one.erase("mean");
    return out;
}

// Whether the site and all others together have enough of each, so that what is computed of them tells no small count.
bool has_small_cell(const std::map<std::string, Samples>& counts, const std::string& site) {
    Samples rest;
    for (const auto& [other, cells] : counts)
        for (const auto& [cell, count] : cells) rest[cell] += other == site ? 0 : count;
    const auto mine = counts.find(site);
    if (mine == counts.end()) return true;
    return std::any_of(rest.begin(), rest.end(), [&](const auto& cell) {
        const auto own = mine->second.find(cell.first);
        return cell.second < kFewest || own == mine->second.end() || own->second < kFewest;
    });
}

// By site what "missing" compares, of a column or of a field's means.
std::map<std::string, Samples> missing_of(const Json& quality, const std::string& name) {
    std::map<std::string, Samples> out;
    for (const char* kind : {"columns", "per_sample"})
        if (out.empty() && quality.at(kind).contains(name))
            for (const auto& [site, one] : quality.at(kind).at(name).items())
                out[site] = {{"there", one.at("count").get<std::int64_t>()},
                             {"missing", one.at("missing").get<std::int64_t>()}};
    return out;
}

// Effects of one digit, of p the side of 0.01; what is not told or was not compared is no row.
Json drift_of(const Json& drift, const Json& quality, const std::set<std::string>& withheld) {
    auto out = Json::array();
    for (const Json& one : drift) {
        const auto what = one.at("what").get<std::string>(), site = one.at("site").get<std::string>(),
                   kind = one.at("kind").get<std::string>();
        if (one.contains("not_compared")) continue;
        const std::string name =
            kind == "missing" ? what.substr(0, what.size() - std::string_view(" (missing)").size()) : what;
        if (withheld.contains(name)) continue;
        if (kind == "missing" && has_small_cell(missing_of(quality, name), site)) continue;
        if (kind == "category") {
            const Json& categories = quality.at("categories");
            if (!categories.contains(name) ||
                has_small_cell(categories.at(name).get<std::map<std::string, Samples>>(), site))
                continue;
        }
        const Json& effect = one.at("effect");
        out.push_back({{"what", what},
                       {"site", site},
                       {"kind", kind},
                       {"samples", count_of(one.at("samples"))},
                       {"effect", effect.is_null() ? effect : digits_of(effect.get<double>(), 1)},
                       {"p_adjusted", one.at("p_adjusted").get<double>() < 0.01 ? "<0.01" : ">=0.01"}});
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

std::optional<double> published_mean(double mean, double range, std::int64_t samples) {
    const double moved = 10 * range / static_cast<double>(samples);
    if (!std::isfinite(mean) || !std::isfinite(moved)) return {};
    if (moved <= 0) return digits_of(mean, 3).get<double>();
    const double ten = std::pow(10, std::floor(std::log10(moved)));
    double step = 10 * ten;
    for (const double part : {5 * ten, 2 * ten, ten})
        if (part >= moved) step = part;
    const double rounded = std::round(mean / step) * step;
    if (!std::isfinite(rounded)) return {};
    return digits_of(rounded + 0.0, 6).get<double>();  // 0.0: no -0
}

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
                  "nothing else is told, and then no means by site; means are no finer than ten samples "
                  "can move them."},
                 {"totals", counts_of(report.at("totals"))},
                 {"deliveries", Json::array()},
                 {"samples", Json::object()},
                 {"text blanked in pixels", of_enough(report.at("text blanked in pixels"), by_site)},
                 {"deviations", of_enough(report.value("deviations", Json::object()), by_site)},
                 {"quarantine", Json::object()},
                 {"risk", published_risk(report.at("risk"))}};
        for (const char* name : {"patients", "groups", "patients_in_several_cells"})
            out["risk"][name] = count_of(report.at("risk").at(name));
        out["risk"].erase("marketer_risk");  // groups / patients
        for (const Json& delivery : report.at("deliveries")) {
            Json one{{"delivery", delivery.at("delivery")}};
            const auto found = by_site.find(delivery.at("delivery").get<std::string>());
            const bool is_told = found != by_site.end() && found->second >= kFewest;
            if (is_told)
                for (const char* name : {"files", "files_and_rows", "packed", "left_out", "not_selected"})
                    one[name] = count_of(delivery.at(name));
            out["deliveries"].push_back(std::move(one));
        }
        for (const char* key : kStrata) out["samples"][key] = counts_of(samples_by(report, key));
        for (const auto& [reason, sites] : report.at("quarantine").items())
            out["quarantine"][reason] = of_enough(sites, by_site);
        out["quality"] = {{"fields", Json::object()},
                          {"columns", Json::object()},
                          {"categories", Json::object()},
                          {"shapes", counts_of(quality.at("shapes"))}};
        std::set<std::string> withheld;  // as the comparisons name them
        for (const bool is_field : {true, false})
            for (const auto& [name, sites] : quality.at(is_field ? "fields" : "columns").items()) {
                Told told = told_of(sites, by_site, is_field);
                if (told.has_withheld) withheld.insert(is_field ? name + " (mean)" : name);
                out["quality"][is_field ? "fields" : "columns"][name] = std::move(told.sites);
            }
        for (const auto& [name, sites] : quality.at("categories").items())
            out["quality"]["categories"][name] = of_enough(sites, by_site);
        out["drift"] = drift_of(report.at("drift"), quality, withheld);
        return out;
    } catch (const Json::exception&) {
        throw core::Error(core::Fault::data,
                          "reports/quality.json is not what aloft-stage of this version writes: "
                          "build the version again");
    }
}

}  // namespace staging
