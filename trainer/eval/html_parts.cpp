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

// A line for each stratum, with the interval of its score; the whole as a line through all.
std::string forest(const Json& metrics, const std::vector<Row>& rows) {
    constexpr int kLeft = 260, kWidth = 420, kRow = 22, kTop = 10;
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
        return digits(kLeft + kWidth * (value.get<double>() - low) / (high - low), "%.1f");
    };
    const int height = kTop * 2 + kRow * (static_cast<int>(rows.size()) + 1);
    std::string out = "<svg role=\"img\" aria-label=\"strata\" width=\"" +
                      std::to_string(kLeft + kWidth + 20) + "\" height=\"" + std::to_string(height) + "\">";
    const Json& whole = metrics.at("overall").at(score);
    if (!whole.is_null())
        out += "<line class=\"whole\" x1=\"" + x(whole) + "\" x2=\"" + x(whole) + "\" y1=\"0\" y2=\"" +
               std::to_string(height - kRow) + "\"/>";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string y = std::to_string(kTop + kRow / 2 + kRow * static_cast<int>(i));
        const Json& entry = *rows[i].entry;
        out += "<text x=\"" + std::to_string(kLeft - 8) + "\" y=\"" + y +
               "\" text-anchor=\"end\" dominant-baseline=\"middle\">" + rows[i].name + "</text>";
        if (const Json interval = interval_of(entry); !interval.is_null())
            out += "<line x1=\"" + x(interval[0]) + "\" x2=\"" + x(interval[1]) + "\" y1=\"" + y +
                   "\" y2=\"" + y + "\"/>";
        if (!entry.at(score).is_null())
            out += "<circle cx=\"" + x(entry.at(score)) + "\" cy=\"" + y + "\" r=\"4\"/>";
    }
    for (const double at : {low, (low + high) / 2, high})
        out += "<text x=\"" + x(at) + "\" y=\"" + std::to_string(height - 4) + "\" text-anchor=\"middle\">" +
               digits(at, score_of(metrics).has_unit ? "%.3g" : "%.2f") + "</text>";
    return out + "</svg>";
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
    std::string out = "<table><tr>";
    for (const auto& each : head) out += tag("th", each);
    out += "</tr>";
    for (const auto& row : rows) {
        out += "<tr>";
        for (const auto& each : row) out += tag("td", each);
        out += "</tr>";
    }
    return out + "</table>";
}

std::string page_head(const std::string& title) {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE html>\n"
           "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"UTF-8\"/>"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
           "'unsafe-inline'\"/>" +
           tag("title", title) +
           "<style>body{font:15px/1.5 sans-serif;max-width:72em;margin:2em auto;padding:0 1em}"
           "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .6em;border-bottom:1px solid #ccc;"
           "text-align:right}td:first-child,th:first-child{text-align:left}"
           ".fails{font-size:1.2em;font-weight:bold}"
           "svg{overflow:visible;margin:1em 0}svg "
           "text{font-size:12px}line,polyline{stroke:#246;stroke-width:2;fill:none}"
           "circle{fill:#246}.whole{stroke:#999;stroke-width:1}.frame{border:1px solid "
           "#999}</style></head><body>\n";
}

}  // namespace trainer
