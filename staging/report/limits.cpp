#include "staging/report/limits.h"

#include <fmt/format.h>
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/config.h"
#include "core/base/error.h"
#include "staging/read/reason.h"
#include "staging/report/drift.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

double part(const core::Config& table, std::string_view key) {
    const double value = table.number(key);
    if (!(value >= 0 && value <= 1)) table.refuse(key, "expected a part, from 0 to 1");
    return value;
}

std::int64_t whole(const core::Config& table, std::string_view key) {
    const std::int64_t value = table.integer(key);
    if (value < 0) table.refuse(key, "expected a whole number from 0");
    return value;
}

std::map<std::string, double> parts(const core::Config& table) {
    std::map<std::string, double> out;
    for (const std::string& key : table.keys()) out[key] = part(table, key);
    return out;
}

std::string percent(double value) {
    return fmt::format("{:.3g} %", 100 * value);
}

// The field or column of what is compared: "image" of "image (mean) (missing)".
std::string name_of(std::string what) {
    for (const std::string_view end : {" (missing)", " (mean)"})
        if (what.ends_with(end)) what.erase(what.size() - end.size());
    return what;
}

// By site: values that are there, values that are missing.
using Values = std::map<std::string, std::pair<std::int64_t, std::int64_t>>;

std::map<std::string, Values> values_of(const Json& quality) {
    std::map<std::string, Values> out;
    for (const char* kind : {"fields", "columns"})
        for (const auto& [name, sites] : quality.at(kind).items())
            for (const auto& [site, range] : sites.items())
                out[name][site] = {range.at("count").get<std::int64_t>(),
                                   range.at("missing").get<std::int64_t>()};
    for (const auto& [name, sites] : quality.at("categories").items())
        for (const auto& [site, counts] : sites.items())
            for (const auto& [category, count] : counts.items()) {
                auto& [there, missing] = out[name][site];
                (category.empty() ? missing : there) += count.get<std::int64_t>();
            }
    return out;
}

class Judging {
public:
    Judging(const Json& report, const QualityLimits& limits) : report_(report), limits_(limits) {}

    std::vector<std::string> judge() {
        if (limits_.fewest_samples || limits_.drift || !limits_.drift_by_name.empty()) need_sites();
        accounts();
        missing();
        drift();
        if (limits_.patients_below_k) {
            const auto below = report_.at("risk").at("patients_below_k").get<std::int64_t>();
            if (below > *limits_.patients_below_k && !report_.at("risk").at("suppressed").get<bool>())
                add("patients in groups below k", "all deliveries", std::to_string(below),
                    std::to_string(*limits_.patients_below_k));
        }
        return std::move(out_);
    }

private:
    void add(const std::string& what, const std::string& where, const std::string& is,
             const std::string& may_be, const char* bound = "at most") {
        out_.push_back(fmt::format("{}: {}: {}, {} {} is allowed", where, what, is, bound, may_be));
    }

    void accounts() {
        for (const Json& delivery : report_.at("deliveries")) {
            const auto site = delivery.at("delivery").get<std::string>();
            const auto pieces = delivery.at("files_and_rows").get<double>();
            const auto left_out = [&](const std::string& what, double count, double most) {
                if (count > most * pieces) add(what, site, percent(count / pieces), percent(most));
            };
            if (limits_.left_out)
                left_out("left out", delivery.at("left_out").get<double>(), *limits_.left_out);
            for (const auto& [reason, most] : limits_.left_out_by_reason) {
                const Json& sites = report_.at("quarantine").value(reason, Json::object());
                left_out("left out as " + reason, sites.value(site, 0.0), most);
            }
            if (!limits_.fewest_samples) continue;
            std::int64_t samples = 0;
            for (const Json& stratum : report_.at("quality").at("strata"))
                if (stratum.at("site") == site) samples += stratum.at("samples").get<std::int64_t>();
            if (samples < *limits_.fewest_samples)
                add("samples", site, std::to_string(samples), std::to_string(*limits_.fewest_samples),
                    "at least");
        }
    }

    void missing() {
        const std::map<std::string, Values> values = values_of(report_.at("quality"));
        for (const auto& [name, most] : limits_.missing_by_name) need_name(values, name);
        for (const auto& [name, sites] : values) {
            const auto own = limits_.missing_by_name.find(name);
            const std::optional<double> most =
                own == limits_.missing_by_name.end() ? limits_.missing : std::optional(own->second);
            if (!most) continue;
            for (const auto& [site, counts] : sites) {
                const auto all = static_cast<double>(counts.first + counts.second);
                if (static_cast<double>(counts.second) > *most * all)
                    add(name + ", missing", site, percent(static_cast<double>(counts.second) / all),
                        percent(*most));
            }
        }
    }

    // What asks of each delivery cannot be judged where samples do not say whose they are.
    void need_sites() {
        const Json& strata = report_.at("quality").at("strata");
        const bool has_site =
            std::any_of(strata.begin(), strata.end(), [](const Json& one) { return one.at("site") != ""; });
        if (!strata.empty() && !has_site && report_.at("deliveries").size() > 1)
            throw core::Error(core::Fault::usage,
                              "the limits ask for samples or drift of each delivery, and " +
                                  report_.at("dataset").get<std::string>() + " has no column site");
    }

    void drift() {
        if (!limits_.drift && limits_.drift_by_name.empty()) return;
        const std::map<std::string, Values> values = values_of(report_.at("quality"));
        for (const auto& [name, most] : limits_.drift_by_name) need_name(values, name);
        for (const Json& one : report_.at("drift")) {
            const auto what = one.at("what").get<std::string>();
            const auto own = limits_.drift_by_name.find(name_of(what));
            const std::optional<double> most =
                own == limits_.drift_by_name.end() ? limits_.drift : std::optional(own->second);
            const bool is_number = one.at("kind") == "number";
            if (!most || *most >= (is_number ? std::numeric_limits<double>::infinity() : 1)) continue;
            const std::string unlike = what + ", unlike the other deliveries";
            if (one.contains("not_compared")) {
                if (one.at("not_compared") != kFewSamples)
                    add(unlike, one.at("site"), "not compared, " + one.at("not_compared").get<std::string>(),
                        fmt::format("{:.2g}", *most));
                continue;
            }
            const Json& effect = one.at("effect");  // null: infinite
            if (one.at("p_adjusted").get<double>() >= limits_.drift_p) continue;
            if (effect.is_null() || effect.get<double>() > *most)
                add(unlike, one.at("site"),
                    effect.is_null() ? "without any overlap"
                                     : fmt::format("effect {:.2g}", effect.get<double>()),
                    fmt::format("{:.2g}", *most));
        }
    }

    void need_name(const std::map<std::string, Values>& values, const std::string& name) {
        if (!values.contains(name))
            throw core::Error(core::Fault::usage, "the limits name " + name +
                                                      ", which is no field or column of " +
                                                      report_.at("dataset").get<std::string>());
    }

    const Json& report_;
    const QualityLimits& limits_;
    std::vector<std::string> out_;
};

}  // namespace

QualityLimits QualityLimits::load(const std::filesystem::path& path) {
    const core::Config file = core::Config::load(path);
    QualityLimits out;
    if (file.has("fewest_samples")) out.fewest_samples = whole(file, "fewest_samples");
    if (file.has("patients_below_k")) out.patients_below_k = whole(file, "patients_below_k");
    const core::Config left_out = file.table("left_out");
    if (left_out.has("most")) out.left_out = part(left_out, "most");
    const core::Config reasons = left_out.table("reasons");
    std::vector<std::string> known;
    for (auto i = 0U; i < static_cast<unsigned>(Reason::count_); ++i)
        known.emplace_back(reason_name(static_cast<Reason>(i)));
    out.left_out_by_reason = parts(reasons);
    for (const auto& [reason, most] : out.left_out_by_reason)
        if (std::find(known.begin(), known.end(), reason) == known.end()) {
            const auto near = core::nearest(reason, known);
            reasons.refuse(reason, "no reason for which anything is left out" +
                                       (near ? "; did you mean " + *near + "?" : std::string()));
        }
    const core::Config missing = file.table("missing");
    if (missing.has("most")) out.missing = part(missing, "most");
    out.missing_by_name = parts(missing.table("names"));
    const core::Config drift = file.table("drift");
    const auto bound = [](const core::Config& table, std::string_view key) {
        const double value = table.number(key);
        if (!(value >= 0)) table.refuse(key, "expected a number from 0");
        return value;
    };
    if (drift.has("most")) out.drift = bound(drift, "most");
    const core::Config names = drift.table("names");
    for (const std::string& key : names.keys()) out.drift_by_name[key] = bound(names, key);
    if (drift.has("p") && (out.drift || !out.drift_by_name.empty())) {
        out.drift_p = part(drift, "p");
        if (out.drift_p == 0) drift.refuse("p", "nothing is less likely than 0: no drift would be judged");
    }
    file.finish();
    return out;
}

std::vector<std::string> broken_limits(const Json& report, const QualityLimits& limits) {
    try {
        return Judging(report, limits).judge();
    } catch (const Json::exception&) {
        throw core::Error(core::Fault::data,
                          "the report does not say what the limits ask for: build the version again");
    }
}

}  // namespace staging
