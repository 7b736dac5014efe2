#include "trainer/eval/options.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <sstream>

#include "core/base/error.h"
#include "core/base/split.h"
#include "trainer/eval/judge.h"
#include "trainer/keys/key.h"
#include "trainer/keys/parts.h"

namespace trainer {

using core::Error;
using core::Fault;

namespace {

using E = EvaluateOptions;
constexpr auto kOf = Counts::figures;
constexpr auto kOfScore = Counts::selection;  // an epoch's score is measured by it
// In the order in which the identity tells them; points stand before those that came after them.
constexpr Key<E> kKeys[] = {
    {"positive", &E::positive, 0, 0, "", "of two classes the one to find; none: the second", 1, kOfScore},
    {"strata", &E::strata, 0, 0, "",
     "columns of categories or whole numbers, and pairs of them, \"site*vendor\", of which each value is "
     "told",
     1, kOf},
    {"min_stratum", &E::min_stratum, 1, kEndless, "patients", "below which a stratum is suppressed", 1,
     kOfScore},
    {"bootstrap", &E::bootstrap, 0, 100000, "", "resamplings of patients for the 95 % intervals; 0: none", 1,
     kOf},
    {"seed", &E::seed, -kEndless, kEndless, "", "of the bootstrap", 1, kOf},
    {"score", &E::score, 0, 0, "", "by which strata are compared: what the task measures", 2, kOf},
    {"bins", &E::bins, 2, 100, "", "of equal width, for calibration", 2, kOf},
    {"surface_tolerance", &E::surface_tolerance, 0, 1000, "mm",
     "within which surfaces agree; in pixels where the dataset has no spacing", 2, kOfScore},
    {"spacing", &E::uses_spacing, 0, 1, "",
     "distances are in mm where the dataset has a spacing; false: in pixels", 2, kOfScore},
    {"flips", &E::flips, 0, 0, "", "what is said is the mean over flips along these: columns, rows, slices",
     2, kOf, "x y z"},
    {"temperature", &E::temperature, 0, 1, "",
     "metrics.json says what scaling by one that is fitted on the validation split would mend", 2, kOf},
};

// Whether the key says anything of such a task.
bool knows(const Judge& judge, std::string_view key) {
    if (key == "bins" || key == "temperature") return judge.has_calibration();
    if (key == "surface_tolerance" || key == "spacing") return judge.has_surfaces();
    return true;
}

}  // namespace

std::vector<KeyRow> evaluate_rows() {
    std::vector<KeyRow> out;
    add_rows(out, "evaluate", E(), kKeys);
    for (KeyRow& each : out) {
        std::vector<std::string> of;
        for (const std::string& task : task_names())
            if (knows(judge_of(task), each.name)) of.push_back(task);
        if (of.size() == task_names().size()) continue;
        each.by = "task.name";
        each.of = of;
    }
    out.push_back(
        row("evaluate.points", {Allowed::Type::word_or_words}, nlohmann::ordered_json::array(), "",
            "of two classes, where a probability is a yes: \"0.5\", or what is to be reached on the "
            "validation split, \"sensitivity >= 0.95\"; at most 5",
            2, kOf));
    return out;
}

void tell(nlohmann::ordered_json& out, const EvaluateOptions& options, Counts least) {
    for (const Key<E>& key : kKeys) {
        if (key.name == "score" && least >= kOf)
            for (const Point& point : options.points) out["points"].push_back(to_text(point));
        tell(out, options, E(), key, least);
    }
}

EvaluateOptions EvaluateOptions::from(const core::Config& options, const Judge& judge) {
    EvaluateOptions out;
    out.score = judge.first_score();
    for (const std::string& axis : options.texts("flips"))
        if (!names("x y z", axis))
            options.refuse("flips", "expected \"x\" (columns), \"y\" (rows) or \"z\" (slices)");
    for (const Key<E>& key : kKeys)
        if (knows(judge, key.name)) read(options, out, key);  // of another it is not read, and so unknown
    std::sort(out.flips.begin(), out.flips.end());
    if (std::adjacent_find(out.flips.begin(), out.flips.end()) != out.flips.end())
        options.refuse("flips", "names an axis twice");
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
