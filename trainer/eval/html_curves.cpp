#include "trainer/eval/html_curves.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "trainer/eval/html_parts.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

std::string roc(const std::string& name, const Curve& curve) {
    std::vector<PlotPoint> line{{0, 0}}, marks;
    for (const CurvePoint& each : curve.points) line.push_back({1 - each.specificity, each.sensitivity});
    marks.assign(line.begin() + 1, line.end() - 1);
    return unit_plot("ROC curve of " + name, "1 - specificity", "sensitivity", {{0, 0}, {1, 1}}, line, marks);
}

// In steps, as average precision counts: a straight line between two points would promise too much (Davis and Goadrich
// 2006). The reference is a model that knows nothing.
std::string precision_recall(const std::string& name, const Curve& curve) {
    std::vector<PlotPoint> line, marks;
    double reached = 0;
    for (const CurvePoint& each : curve.points) {
        line.push_back({reached, each.precision});
        line.push_back({each.sensitivity, each.precision});
        marks.push_back(line.back());
        reached = each.sensitivity;
    }
    const double prevalence = curve.points.back().precision;
    return unit_plot("Precision-recall curve of " + name, "sensitivity (recall)", "precision",
                     {{0, prevalence}, {1, prevalence}}, line, marks);
}

std::string table_of(const Curve& curve) {
    std::vector<std::vector<std::string>> lines;
    for (const CurvePoint& each : curve.points)
        lines.push_back({digits(each.threshold, "%.4g"), digits(each.sensitivity), digits(each.specificity),
                         digits(each.precision)});
    return tag("details", tag("summary", "Its points") +
                              table({"threshold", "sensitivity", "specificity", "precision"}, lines));
}

}  // namespace

std::string curves_html(const Json& metrics, const std::vector<Curve>& curves) {
    if (curves.empty()) return "";
    const std::string fewest = figure(metrics.at("min_stratum"));
    std::string out =
        tag("h2", "Curves, each against the rest") +
        tag("p",
            "At few thresholds, the same for all, so that between two of them, and on either side of "
            "what the figures above take for a yes, there are, with the class and without it, nobody or " +
                fewest +
                " patients and more; measures are of all samples, and of all thresholds. Compared "
                "with curves of another model or another min_stratum they may tell of fewer.");
    const Json& parts = metrics.at(metrics.contains("per_label") ? "per_label" : "per_class");
    for (const Json& entry : parts.at("worst_first")) {
        const auto curve = std::find_if(curves.begin(), curves.end(),
                                        [&](const Curve& each) { return entry.at("value") == each.name; });
        if (curve == curves.end()) continue;  // of two classes, the other one's
        const std::string name = word(entry.at("value"));
        out += tag("h3", name) +
               tag("p", "AUROC " + figure(entry.at("auroc")) + ", AUPRC " + figure(entry.at("auprc")) + ".");
        out += curve->points.empty() ? tag("p", "No curve: " + curve->none + ".")
                                     : roc(name, *curve) + precision_recall(name, *curve) + table_of(*curve);
    }
    return out;
}

}  // namespace trainer
