#include "trainer/eval/html_parts.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/html.h"

namespace trainer {

using Json = nlohmann::ordered_json;

std::string word(const Json& value) {
    return core::html_escaped(value.get<std::string>());
}

std::string flips_of(const Json& told) {
    if (!told.contains("flips")) return "";
    std::string axes;
    for (const Json& axis : told.at("flips")) axes += (axes.empty() ? "" : ", ") + word(axis);
    return tag("p",
               "Figures are of the mean of what the model says over flips of a sample along " + axes + ".");
}

// "balanced_accuracy": for people.
std::string spoken(std::string name) {
    std::replace(name.begin(), name.end(), '_', ' ');
    return name;
}

std::string digits(double value, const char* format) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return text;
}
std::string figure(const Json& value, const char* format) {
    if (value.is_null()) return "–";
    return value.is_number_integer() ? value.dump() : digits(value.get<double>(), format);
}

// "0.90 (0.85 to 0.94)"
std::string with_interval(const Json& entry, const std::string& name, const char* format) {
    std::string out = figure(entry.at(name), format);
    if (!entry.contains("interval95")) return out;
    const Json& interval = entry["interval95"].value(name, Json());
    return interval.is_null()
               ? out
               : out + " (" + figure(interval[0], format) + " to " + figure(interval[1], format) + ")";
}

std::string tag(const std::string& name, const std::string& inner) {
    return "<" + name + ">" + inner + "</" + name + ">";
}

// All strata that are shown.
std::vector<Row> rows_of(const Json& metrics) {
    std::vector<Row> out;
    for (const auto& [name, stratum] : metrics.at("strata").items())
        for (const Json& entry : stratum.at("worst_first"))
            out.push_back({core::html_escaped(name) + ": " + word(entry.at("value")), &entry});
    return out;
}

std::size_t suppressed_of(const Json& metrics) {
    std::size_t out = 0;
    for (const auto& stratum : metrics.at("strata")) out += stratum.at("suppressed").size();
    return out;
}

const Judge& judge(const Json& metrics) {
    return judge_of(metrics.value("task", std::string(judge_classes().task())));
}

const FigureRow& score_of(const Json& metrics) {
    return *judge(metrics).find_score(metrics.at("score").get<std::string>());
}

double sign_of(const Json& metrics) {
    return score_of(metrics).is_more_better ? 1 : -1;
}

const char* format_of(const FigureRow& row) {
    return row.significant > 0 ? kInUnits : "%.3f";
}

std::string p_text(const Json& gap) {
    const Json& p = gap.value("p", Json());
    if (p.is_null()) return "–";
    return p.get<double>() < 0.001 ? "&lt; 0.001" : digits(p.get<double>());
}

std::string forest(const Json& metrics, const std::vector<Row>& rows) {
    constexpr double kWidth = 180, kMargin = 20;
    const std::string score = metrics.at("score");
    double low = 0, high = score_of(metrics).has_unit ? 0 : 1;  // most scores are between; a loss is not
    const auto interval_of = [&](const Json& entry) {
        return entry.contains("interval95") ? entry["interval95"].value(score, Json()) : Json();
    };
    for (const Row& row : rows) {
        const Json interval = interval_of(*row.entry);
        for (const Json& value : {row.entry->at(score), interval.is_null() ? Json() : interval[1]})
            if (!value.is_null()) high = std::max(high, value.get<double>());
        if (!interval.is_null()) low = std::min(low, interval[0].get<double>());
        if (!row.entry->at(score).is_null()) low = std::min(low, row.entry->at(score).get<double>());
    }
    if (!(high > low)) high = low + 1;
    const auto x = [&](const Json& value) {
        return digits(kMargin + kWidth * (value.get<double>() - low) / (high - low), "%.1f");
    };
    const auto drawn = [&](const std::string& inner) {
        return "<svg role=\"img\" width=\"220\" height=\"22\" viewBox=\"0 0 220 22\">" + inner + "</svg>";
    };
    const Json& whole = metrics.at("overall").at(score);
    std::string out = "<table class=\"forest\">";
    for (const Row& row : rows) {
        const Json& entry = *row.entry;
        std::string inner = tag("title", row.name + ", " + spoken(score) + " " +
                                             with_interval(entry, score, format_of(score_of(metrics))));
        if (!whole.is_null())
            inner +=
                "<line class=\"whole\" x1=\"" + x(whole) + "\" x2=\"" + x(whole) + "\" y1=\"0\" y2=\"22\"/>";
        if (const Json interval = interval_of(entry); !interval.is_null())
            inner +=
                "<line x1=\"" + x(interval[0]) + "\" x2=\"" + x(interval[1]) + "\" y1=\"11\" y2=\"11\"/>";
        if (!entry.at(score).is_null())
            inner += "<circle cx=\"" + x(entry.at(score)) + "\" cy=\"11\" r=\"4\"/>";
        out += tag("tr", tag("td", row.name) + tag("td", drawn(inner)));
    }
    std::string axis = tag("title", "from " + digits(low, "%.3g") + " to " + digits(high, "%.3g"));
    for (const double at : {low, (low + high) / 2, high})
        axis += "<text x=\"" + x(at) + "\" y=\"14\" text-anchor=\"middle\">" +
                digits(at, score_of(metrics).has_unit ? "%.3g" : "%.2f") + "</text>";
    return out + tag("tr", tag("td", spoken(score)) + tag("td", drawn(axis))) + "</table>";
}

std::string unit_plot(const std::string& title, const std::string& x_axis, const std::string& y_axis,
                      const std::vector<PlotPoint>& reference, const std::vector<PlotPoint>& points,
                      const std::vector<PlotPoint>& marks) {
    constexpr double kSide = 240, kLeft = 50, kTop = 10;
    const auto x = [&](double value) { return digits(kLeft + kSide * value, "%.1f"); };
    const auto y = [&](double value) { return digits(kTop + kSide * (1 - value), "%.1f"); };
    const auto line = [&](const std::vector<PlotPoint>& through, const std::string& attributes) {
        std::string out = "<polyline" + attributes + " points=\"";
        for (const PlotPoint& each : through)
            out += (&each == &through.front() ? "" : " ") + x(each.x) + "," + y(each.y);
        return out + "\"/>";
    };
    std::string out = "<svg role=\"img\" width=\"310\" height=\"300\" viewBox=\"0 0 310 300\">" +
                      tag("title", title) + line({{0, 1}, {0, 0}, {1, 0}}, " class=\"whole\"") +
                      line(reference, " class=\"whole\"") + line(points, "");
    for (const PlotPoint& each : marks)
        out += "<circle cx=\"" + x(each.x) + "\" cy=\"" + y(each.y) + "\" r=\"3\"/>";
    for (const double at : {0.0, 0.5, 1.0}) {
        out += "<text x=\"" + x(at) + "\" y=\"267\" text-anchor=\"middle\">" + digits(at, "%.1f") + "</text>";
        out += "<text x=\"44\" y=\"" + y(at) + "\" text-anchor=\"end\" dominant-baseline=\"middle\">" +
               digits(at, "%.1f") + "</text>";
    }
    return out + "<text x=\"170\" y=\"290\" text-anchor=\"middle\">" + x_axis +
           "</text><text transform=\"translate(14 130) rotate(-90)\" text-anchor=\"middle\">" + y_axis +
           "</text></svg>";
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
    std::string out = "<div class=\"wide\"><table><tr>";
    for (const auto& each : head) out += tag("th", each);
    out += "</tr>";
    for (const auto& row : rows) {
        out += "<tr>";
        for (const auto& each : row) out += tag("td", each);
        out += "</tr>";
    }
    return out + "</table></div>";
}

std::string page_head(const std::string& title) {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE html>\n"
           "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"UTF-8\"/>"
           "<meta name=\"viewport\" content=\"width=device-width\"/>"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
           "'unsafe-inline'\"/>" +
           tag("title", title) +
           "<style>body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em;"
           "overflow-wrap:anywhere}.wide{overflow-x:auto}"
           "table{border-collapse:collapse;margin:1em 0}"
           "td,th{padding:.2em .6em;border-bottom:1px solid #ccc;text-align:right}"
           "td{white-space:nowrap}td:first-child,th:first-child{text-align:left;white-space:normal;min-width:"
           "9em}"
           "th{overflow-wrap:normal}"
           ".forest td{padding:0 .6em 0 0;line-height:1.2}.forest td:first-child{min-width:5em}"
           ".fails{font-size:1.2em;font-weight:bold}svg{vertical-align:middle}svg text{font-size:12px}"
           "line,polyline{stroke:#246;stroke-width:2;fill:none}circle{fill:#246}"
           ".whole{stroke:#999;stroke-width:1}</style></head><body>\n";
}

}  // namespace trainer
