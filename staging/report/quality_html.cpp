#include <fmt/format.h>
#include <algorithm>
#include <limits>

#include "core/base/html.h"
#include "staging/read/deviation.h"
#include "staging/report/published.h"
#include "staging/report/quality.h"
#include "staging/report/risk_words.h"

namespace staging {
namespace {

using core::html_escaped;
using Json = nlohmann::ordered_json;

constexpr char kStyle[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse;margin:.6em 0}th,td{padding:.25em "
    ".8em;text-align:right;border-bottom:1px solid #eee}"
    "th:first-child,td:first-child{text-align:left}th{background:#f6f6f6}"
    ".note{background:#fff7e0;border-left:4px solid #d9a400;padding:.5em 1em}"
    "svg text{font-size:12px;fill:#222}.bar{fill:#4a7fb5}.far{fill:#b5523a}";

std::string shown(const Json& value) {
    if (value.is_string()) return html_escaped(value.get<std::string>());
    if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
    return html_escaped(value.dump());
}

std::string row(const std::vector<std::string>& cells, const char* tag = "td") {
    std::string out = "<tr>";
    for (const std::string& cell : cells) out += fmt::format("<{0}>{1}</{0}>", tag, cell);
    return out + "</tr>\n";
}

struct Bar {
    std::string name, value;  // as they are shown
    double length = 0;        // 0 to 1
    bool is_far = false;
};

std::string bars(const char* title, const std::vector<Bar>& all) {
    constexpr int kLeft = 280, kWidth = 300, kRow = 22;
    std::string out = fmt::format("<svg role=\"img\" aria-label=\"{}\" width=\"{}\" height=\"{}\">\n", title,
                                  kLeft + kWidth + 100, kRow * static_cast<int>(all.size()));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Bar& one = all[i];
        const int y = kRow * static_cast<int>(i);
        const double width = kWidth * std::clamp(one.length, 0.0, 1.0);
        out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft - 8, y + 15,
                           html_escaped(one.name));
        out += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"14\"/>",
                           one.is_far ? "far" : "bar", kLeft, y + 4, width);
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\">{}</text>\n", kLeft + width + 6, y + 15,
                           html_escaped(one.value));
    }
    return out + "</svg>\n";
}

// Samples by one of the four strata.
std::string by(const Json& report, const char* key) {
    const Json counts = samples_by(report, key);
    if (counts.empty() || (counts.size() == 1 && counts.contains(""))) return "";
    std::int64_t most = 1;
    for (const auto& [name, count] : counts.items())
        if (count.is_number()) most = std::max(most, count.get<std::int64_t>());
    std::vector<Bar> all;
    for (const auto& [name, count] : counts.items())
        all.push_back({name.empty() ? "(none)" : name,
                       count.is_string() ? count.get<std::string>() : count.dump(),
                       count.is_number() ? count.get<double>() / static_cast<double>(most) : 0});
    const std::string title = std::string("Samples by ") + key;
    return "<h2>" + title + "</h2>" + bars(title.c_str(), all);
}

// A probability, or the side of 0.01 (published.h).
bool is_far(const Json& p) {
    return p.is_string() ? p == "<0.01" : p.get<double>() < 0.01;
}

// What sets a delivery apart, the most first.
std::string drift(const Json& drift) {
    constexpr std::size_t kMost = 30;
    std::vector<Json> all, not_compared;
    for (const Json& one : drift) (one.contains("not_compared") ? not_compared : all).push_back(one);
    const auto effect = [](const Json& one) {
        return one.at("effect").is_null() ? std::numeric_limits<double>::infinity()
                                          : one.at("effect").get<double>();
    };
    std::stable_sort(all.begin(), all.end(),
                     [&](const Json& a, const Json& b) { return effect(a) > effect(b); });
    std::string out = "<h2>Deliveries against all others</h2>\n";
    for (const Json& one : not_compared)
        out += "<p>Not compared: " + shown(one.at("what")) + ", " + shown(one.at("site")) + ": " +
               shown(one.at("not_compared")) + ".</p>\n";
    if (all.empty()) return out + "<p>Nothing could be compared.</p>\n";
    out += fmt::format(
        "<p>Effect: of numbers the distance of the means in standard deviations, else Cramer&#39;s V. p is "
        "corrected for "
        "{} comparisons (Holm) and takes samples for independent, which those of one patient are not. Red: p "
        "below "
        "0.01.</p>\n",
        all.size());
    if (all.size() > kMost) out += fmt::format("<p>The {} largest effects are shown.</p>\n", kMost);
    all.resize(std::min(all.size(), kMost));
    std::vector<Bar> plotted;
    std::string table = "<table>" + row({"", "site", "samples", "effect", "p"}, "th");
    for (const Json& one : all) {
        const auto what = one.at("what").get<std::string>(), site = one.at("site").get<std::string>();
        const std::string shown_effect =
            one.at("effect").is_null() ? "without any overlap" : shown(one.at("effect"));
        plotted.push_back({what + ", " + site, shown_effect, effect(one) / 2, is_far(one.at("p_adjusted"))});
        table += row({html_escaped(what), html_escaped(site), shown(one.at("samples")), shown_effect,
                      shown(one.at("p_adjusted"))});
    }
    return out + bars("Deliveries against all others", plotted) + table + "</table>\n";
}

std::string ranges(const Json& all, const char* title) {
    if (all.empty()) return "";
    std::string out = fmt::format("<h2>{}</h2><table>", title) +
                      row({"", "site", "values", "missing", "least", "mean", "greatest"}, "th");
    for (const auto& [name, sites] : all.items())
        for (const auto& [site, range] : sites.items()) {
            if (range.is_null()) {
                out += row({html_escaped(name), html_escaped(site), "too few", "", "", "", ""});
                continue;
            }
            const Json& count = range.contains("samples") ? range.at("samples") : range.at("count");
            std::string mean = range.contains("mean") ? shown(range.at("mean")) : "";
            if (mean.empty() && !range.contains("samples") && count != 0)
                mean = fmt::format("{:.6g}", range.value("sum", std::numeric_limits<double>::infinity()) /
                                                 count.get<double>());
            out += row({html_escaped(name), html_escaped(site), shown(count),
                        range.contains("missing") ? shown(range.at("missing")) : "",
                        range.contains("min") ? shown(range.at("min")) : "", mean,
                        range.contains("max") ? shown(range.at("max")) : ""});
        }
    return out + "</table>";
}

std::string categories(const Json& all) {
    std::string out = "<h2>Categories by site</h2><table>" + row({"", "site", "category", "samples"}, "th");
    for (const auto& [name, sites] : all.items())
        for (const auto& [site, counts] : sites.items())
            if (counts.is_null())
                out += row({html_escaped(name), html_escaped(site), "too few", ""});
            else
                for (const auto& [category, count] : counts.items())
                    out += row({html_escaped(name), html_escaped(site),
                                html_escaped(category.empty() ? "(missing)" : category), shown(count)});
    return out + "</table>";
}

std::string reasons(const Json& all) {
    std::string out = "<h2>Left out, and why</h2><table>" + row({"reason", "site", "files or rows"}, "th");
    for (const auto& [reason, sites] : all.items())
        for (const auto& [site, count] : sites.items())
            out += row({html_escaped(reason), html_escaped(site),
                        count.is_null() ? "too few samples" : shown(count)});
    return out + "</table>";
}

// What the standard forbids and was read nevertheless; reports of older versions tell of none.
std::string deviations(const Json& report) {
    const Json all = report.value("deviations", Json::object());
    if (all.empty()) return "";
    std::string out = "<h2>Read although the standard forbids it</h2><table>" +
                      row({"site", "deviation", "files", ""}, "th");
    for (const auto& [site, counts] : all.items())
        if (counts.is_null())
            out += row({html_escaped(site), "too few samples", "", ""});
        else
            for (const auto& [name, files] : counts.items())
                out += row({html_escaped(site), html_escaped(name), shown(files),
                            html_escaped(std::string(deviation_text(name)))});
    return out + "</table>";
}

std::string deliveries(const Json& all) {
    std::string out = "<h2>Deliveries, in files and rows</h2><table>" +
                      row({"delivery", "delivered", "packed", "left out", "not selected"}, "th");
    for (const Json& one : all)
        if (!one.contains("packed"))
            out += row({shown(one.at("delivery")), "too few samples", "", "", ""});
        else
            out += row({shown(one.at("delivery")), shown(one.at("files_and_rows")), shown(one.at("packed")),
                        shown(one.at("left_out")), shown(one.at("not_selected"))});
    return out + "</table>";
}

std::string pairs(const Json& object, const char* title) {
    std::string out = fmt::format("<h2>{}</h2><table>", title);
    for (const auto& [key, value] : object.items()) out += row({html_escaped(key), shown(value)});
    return out + "</table>";
}

}  // namespace

std::string quality_html(const Json& report) {
    const Json& quality = report.at("quality");
    std::string out = fmt::format(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
        "'unsafe-inline'\">"
        "<title>{0}</title><style>{1}</style></head>\n<body><h1>Quality of {0}</h1>\n"
        "<p class=\"note\">{2}</p>\n",
        html_escaped(report.at("dataset").get<std::string>()), kStyle,
        html_escaped(report.at("readers").get<std::string>()));
    out += pairs(report.at("totals"), "Totals");
    out += deliveries(report.at("deliveries"));
    for (const char* key : {"site", "vendor", "label", "split"}) out += by(report, key);
    out += reasons(report.at("quarantine"));
    out += deviations(report);
    out += pairs(report.at("risk"), "Pooled risk");
    for (const std::string& sentence : risk_words(report.at("risk")))
        out += "<p>" + html_escaped(sentence) + "</p>\n";
    out += ranges(quality.at("fields"), "Intensities and measurements") +
           ranges(quality.at("columns"), "Numbers beside them") + drift(report.at("drift"));
    out += categories(quality.at("categories"));
    return out + "</body></html>\n";
}

}  // namespace staging
