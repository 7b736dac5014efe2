#include "trainer/eval/html.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/html.h"
#include "trainer/eval/html_curves.h"
#include "trainer/eval/html_parts.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

// The diagonal is a model that means what it says.
std::string reliability(const Json& curve) {
    std::vector<PlotPoint> points;
    for (const Json& row : curve)
        points.push_back({row.at("probability").get<double>(), row.at("share").get<double>()});
    return unit_plot("Reliability: what was predicted, and the share of which it came true", "predicted",
                     "observed", {{0, 0}, {1, 1}}, points, points);
}

std::string measures_table(const Json& metrics, const std::vector<Row>& rows) {
    std::vector<std::string> names;
    for (const std::string_view each : judge(metrics).tabled()) names.emplace_back(each);
    const std::string score = metrics.at("score");
    std::erase(names, score);
    names.insert(names.begin(), score);
    std::vector<std::string> head{"", "samples"};
    for (const auto& each : names) head.push_back(spoken(each));
    head.insert(head.end(), {"gap to the rest", "p, adjusted"});
    const auto line = [&](const std::string& name, const Json& entry) {
        std::vector<std::string> out{name, figure(entry.at("samples"))};
        for (const auto& each : names)
            out.push_back(
                with_interval(entry, each, format_of(judge(metrics).figures()[judge(metrics).place(each)])));
        const Json& gap = entry.value("gap", Json());
        out.push_back(gap.is_null() ? "–" : with_interval(gap, "score", format_of(score_of(metrics))));
        out.push_back(gap.is_null() ? "–" : p_text(gap));
        return out;
    };
    std::vector<std::vector<std::string>> lines{line("overall", metrics.at("overall"))};
    for (const Row& row : rows) lines.push_back(line(row.name, *row.entry));
    return table(head, lines);
}

std::string confusion(const Json& metrics) {
    std::string out = tag("h2", "Confusion, true class by predicted class");
    std::vector<std::string> head{""};
    std::vector<std::vector<std::string>> lines;
    for (std::size_t i = 0; i < metrics.at("classes").size(); ++i) {
        head.push_back(word(metrics["classes"][i]));
        lines.push_back({head.back()});
        for (const Json& cell : metrics.at("confusion").at(i)) lines.back().push_back(figure(cell));
    }
    return out + table(head, lines);
}

// Labels, or classes of masks.
std::string parts(const Json& per_part, const Json& metrics, const std::string& name) {
    std::vector<std::string> head{""};
    for (const FigureRow& each : judge(metrics).figures()) head.push_back(spoken(std::string(each.name)));
    std::vector<std::vector<std::string>> lines;
    for (const Json& entry : per_part.at("worst_first")) {
        lines.push_back({word(entry.at("value"))});
        for (const FigureRow& each : judge(metrics).figures())
            lines.back().push_back(figure(entry.at(std::string(each.name))));
    }
    const std::size_t hidden = per_part.at("suppressed").size();
    return tag("h2", name + ", the worst first") + table(head, lines) +
           (hidden ? tag("p", name + ": " + std::to_string(hidden) + " that may not be shown.") : "");
}

std::string calibration(const Json& metrics) {
    std::string out;
    if (metrics.at("calibration").contains("curve")) {
        const Json& curve = metrics["calibration"]["curve"];
        std::vector<std::vector<std::string>> lines;
        for (const Json& row : curve)
            lines.push_back({figure(row.at("threshold")), figure(row.at("samples")),
                             figure(row.at("probability")), figure(row.at("share"))});
        out += tag("h2", "Reliability") +
               tag("p", "Expected calibration error " + figure(metrics.at("overall").at("ece")) + ".") +
               reliability(curve) + table({"from", "samples", "predicted", "observed"}, lines);
    }
    if (metrics.at("calibration").contains("temperature")) {
        const Json& t = metrics["calibration"]["temperature"];
        out += tag(
            "p", "A temperature of " + figure(t.at("temperature")) +
                     ", fitted on the validation split and applied to none of these figures, would make it " +
                     figure(t.at("ece")) + ", and the loss " + figure(t.at("loss")) + " in place of " +
                     figure(metrics["overall"].at("loss")) + ".");
    }
    return out;
}

}  // namespace

std::string where_it_fails(const Json& metrics, const std::string& rest) {
    const std::string score = metrics.at("score"), name = spoken(score);
    const std::vector<Row> rows = rows_of(metrics);
    const std::string unknown =
        suppressed_of(metrics) ? " Of " + std::to_string(suppressed_of(metrics)) +
                                     " strata nothing can be said: they have too few patients, or would tell "
                                     "of those that have."
                               : "";
    if (rows.empty()) return "Where the model fails is not known: there are no strata to compare." + unknown;
    const auto gap_of = [&](const Row& row) {  // below 0: worse than the rest
        const Json& gap = row.entry->value("gap", Json());
        return gap.is_null() || gap["score"].is_null() ? 0.0 : sign_of(metrics) * gap["score"].get<double>();
    };
    const auto is_found = [&](const Row& row) {
        const Json& gap = row.entry->value("gap", Json());
        const Json p = gap.is_null() ? Json() : gap.value("p", Json());
        return gap_of(row) < 0 && !p.is_null() && p.get<double>() < 0.05;
    };
    // Of those that are found to be worse than the rest the worst; else of all.
    const auto key = [&](const Row& row) { return std::pair(!is_found(row), gap_of(row)); };
    const Row worst = *std::min_element(rows.begin(), rows.end(),
                                        [&](const Row& a, const Row& b) { return key(a) < key(b); });
    if (gap_of(worst) >= 0)
        return "No stratum that is shown is worse than the rest (" + name + ")." + unknown;
    const std::string how =
        worst.name + ", " + name + " " + with_interval(*worst.entry, score, format_of(score_of(metrics))) +
        ", " + digits(std::abs(gap_of(worst)), format_of(score_of(metrics))) + " worse than " + rest;
    if (!is_found(worst))
        return "No stratum is proven to be worse than the rest; the furthest below it is " + how + "." +
               unknown;
    const auto found = std::count_if(rows.begin(), rows.end(), is_found);
    return "The model fails most at " + how + " (p adjusted " + p_text((*worst.entry)["gap"]) + ")" +
           (found > 1 ? "; " + std::to_string(found - 1) + (found > 2 ? " more are" : " more is") +
                            " worse than the rest"
                      : "") +
           "." + unknown;
}

std::string html_report(const Json& metrics, const std::vector<Curve>& curves) {
    const std::vector<Row> rows = rows_of(metrics);
    const auto text_of = [&](const char* key) {
        return metrics.contains(key) ? word(metrics.at(key)) : std::string();
    };
    const std::string title = text_of("model") + " on " + text_of("dataset") + " (" + text_of("split") + ")";
    std::string out = page_head(title);
    out += "<p class=\"fails\">" + where_it_fails(metrics) + "</p>\n" + tag("h1", title);
    out += tag(
        "p", figure(metrics.at("patients")) + " patients. Intervals: 95 %, patients drawn with replacement.");
    if (metrics.at("overall").contains("without_score"))
        out += tag("p",
                   "Of " + figure(metrics["overall"]["without_score"]) +
                       " samples the model says something that is no number: they count as not recognised.");
    out += flips_of(metrics);
    if (metrics.contains("target"))
        out += tag("p", "Of " + text_of("target") + ", in its unit" +
                            (score_of(metrics).is_more_better
                                 ? "."
                                 : "; less " + spoken(metrics.at("score")) + " is better."));
    if (!rows.empty()) out += tag("h2", "Strata by " + spoken(metrics.at("score"))) + forest(metrics, rows);
    out += measures_table(metrics, rows);
    for (const auto& [name, stratum] : metrics.at("strata").items())
        if (!stratum.at("suppressed").empty())
            out += tag("p", core::html_escaped(name) + ": " +
                                std::to_string(stratum.at("suppressed").size()) + " too small to be shown.");
    if (metrics.at("overall").contains("points")) {
        std::vector<std::vector<std::string>> lines;
        for (const Json& point : metrics["overall"]["points"])
            lines.push_back({figure(point.at("threshold")), with_interval(point, "sensitivity"),
                             with_interval(point, "specificity")});
        out += tag("h2", "Points") + table({"threshold", "sensitivity", "specificity"}, lines);
    }
    if (metrics.contains("confusion")) out += confusion(metrics);
    if (metrics.contains("per_label")) out += parts(metrics["per_label"], metrics, "Labels");
    if (metrics.contains("per_class") && !metrics.contains("confusion"))
        out += parts(metrics["per_class"], metrics, "Classes");
    out += curves_html(metrics, curves);
    if (metrics.contains("calibration")) out += calibration(metrics);
    return out + "</body></html>\n";
}

}  // namespace trainer
