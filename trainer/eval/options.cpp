#include "trainer/eval/options.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <sstream>

#include "core/base/error.h"
#include "core/base/split.h"
#include "trainer/eval/judge.h"

namespace trainer {

using core::Error;
using core::Fault;

EvaluateOptions EvaluateOptions::from(const core::Config& options, const Judge& judge) {
    EvaluateOptions out;
    out.positive = options.text_or("positive", "");
    if (options.has("strata")) out.strata = options.texts("strata");
    out.score = options.text_or("score", judge.first_score());
    out.min_stratum = options.integer_or("min_stratum", out.min_stratum);
    out.bootstrap = options.integer_or("bootstrap", out.bootstrap);
    if (judge.has_calibration()) {  // of another these keys are not read, and so are unknown
        out.bins = options.integer_or("bins", out.bins);
        out.temperature = options.flag_or("temperature", out.temperature);
    }
    if (judge.has_surfaces()) {
        out.surface_tolerance = options.number_or("surface_tolerance", out.surface_tolerance);
        out.uses_spacing = options.flag_or("spacing", out.uses_spacing);
    }
    if (!(out.surface_tolerance >= 0 && out.surface_tolerance <= 1000))
        options.refuse("surface_tolerance", "expected 0 to 1000");
    out.seed = static_cast<std::uint64_t>(options.integer_or("seed", 1));
    static const std::regex kStratum("[A-Za-z][A-Za-z0-9_]*([*][A-Za-z][A-Za-z0-9_]*)?");
    for (const auto& stratum : out.strata)
        if (!std::regex_match(stratum, kStratum) || stratum == "patient" || stratum == "split")
            options.refuse("strata", "expected a column of the dataset (\"site\"), or two (\"site*vendor\")");
    if (!judge.find_score(out.score)) options.refuse("score", "expected " + judge.score_names());
    for (const auto& point : options.words("points")) {
        try {
            out.points.push_back(parse_point(point));
        } catch (const Error& e) {
            options.refuse("points", e.what());
        }
    }
    if (out.points.size() > 5)
        options.refuse("points", "expected at most 5");  // more would draw the scores themselves
    if (out.min_stratum < 1) options.refuse("min_stratum", "expected 1 or more");
    if (out.bins < 2 || out.bins > 100) options.refuse("bins", "expected 2 to 100");
    if (out.bootstrap < 0 || out.bootstrap > 100000) options.refuse("bootstrap", "expected 0 to 100000");
    return out;
}

std::vector<std::string> columns_of(const std::vector<std::string>& strata) {
    std::vector<std::string> out;
    for (const std::string& stratum : strata)
        for (std::string& column : core::split(stratum, '*'))
            if (std::find(out.begin(), out.end(), column) == out.end()) out.push_back(std::move(column));
    return out;
}

Point parse_point(const std::string& text) {
    static const std::regex kPoint("(?:(sensitivity|specificity) *>= *)?([01](?:[.][0-9]{1,3})?)");
    std::smatch found;
    if (!std::regex_match(text, found, kPoint) || std::stod(found[2]) > 1)
        throw Error(
            Fault::usage,
            "expected a threshold in thousandths (\"0.5\"), or what is to be reached on the validation split "
            "(\"sensitivity >= 0.95\", \"specificity >= 0.9\")");
    const auto by = found[1] == "sensitivity"   ? Point::By::sensitivity
                    : found[1] == "specificity" ? Point::By::specificity
                                                : Point::By::threshold;
    return {by, std::stod(found[2])};
}

std::string to_text(const Point& point) {
    std::ostringstream out;
    if (point.by != Point::By::threshold)
        out << (point.by == Point::By::sensitivity ? "sensitivity" : "specificity") << " >= ";
    out << point.value;
    return out.str();
}

std::int32_t positive_class(const EvaluateOptions& options, const std::vector<std::string>& classes) {
    if (!options.points.empty() && classes.size() != 2)
        throw Error(Fault::usage, "evaluate.points are for two classes");
    if (options.positive.empty()) return classes.size() == 2 ? 1 : -1;
    if (classes.size() != 2)
        throw Error(Fault::usage,
                    "evaluate.positive is for two classes; of more, each is measured against the rest");
    const auto found = std::find(classes.begin(), classes.end(), options.positive);
    if (found == classes.end()) throw Error(Fault::usage, "evaluate.positive is not one of the classes");
    return static_cast<std::int32_t>(found - classes.begin());
}

}  // namespace trainer
