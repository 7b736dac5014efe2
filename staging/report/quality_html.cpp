#include <fmt/format.h>
#include <limits>

#include "staging/report/quality.h"
#include "staging/report/risk_words.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kStyle[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}"
    "table{border-collapse:collapse;margin:.6em 0}th,td{padding:.25em "
    ".8em;text-align:right;border-bottom:1px solid #eee}"
    "th:first-child,td:first-child{text-align:left}th{background:#f6f6f6}"
    ".note{background:#fff7e0;border-left:4px solid #d9a400;padding:.5em 1em}"
    ".bar{display:inline-block;height:.7em;background:#4a7fb5;vertical-align:middle;margin-right:.5em}";

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

std::string shown(const Json& value) {
    if (value.is_string()) return escaped(value.get<std::string>());
    if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
    return escaped(value.dump());
}

std::string row(const std::vector<std::string>& cells, const char* tag = "td") {
    std::string out = "<tr>";
    for (const std::string& cell : cells) out += fmt::format("<{0}>{1}</{0}>", tag, cell);
    return out + "</tr>\n";
}

// Samples by one of the four strata, the most first.
std::string by(const Json& strata, const char* key, const char* title) {
    std::map<std::string, std::int64_t> counts;
    std::int64_t most = 1;
    for (const Json& one : strata)
        most = std::max(most, counts[one.at(key)] += one.at("samples").get<std::int64_t>());
    if (counts.size() == 1 && counts.begin()->first.empty()) return "";
    std::string out = fmt::format("<h2>Samples by {}</h2><table>", title);
    for (const auto& [name, count] : counts)
        out +=
            row({escaped(name.empty() ? "(none)" : name),
                 fmt::format("<span class=bar style=\"width:{}px\"></span>{}", 200 * count / most, count)});
    return out + "</table>";
}

std::string ranges(const Json& all, const char* title) {
    if (all.empty()) return "";
    std::string out = fmt::format("<h2>{}</h2><table>", title) +
                      row({"", "site", "values", "missing", "least", "mean", "greatest"}, "th");
    for (const auto& [name, sites] : all.items())
        for (const auto& [site, range] : sites.items()) {
            const auto count = range.at("count").get<std::int64_t>();
            const std::string mean =
                count ? fmt::format("{:.6g}", range.value("sum", std::numeric_limits<double>::infinity()) /
                                                  static_cast<double>(count))
                      : "";
            out += row({escaped(name), escaped(site), std::to_string(count), shown(range.at("missing")),
                        count ? shown(range.at("min")) : "", mean, count ? shown(range.at("max")) : ""});
        }
    return out + "</table>";
}

std::string categories(const Json& all) {
    std::string out = "<h2>Categories by site</h2><table>" + row({"", "site", "category", "samples"}, "th");
    for (const auto& [name, sites] : all.items())
        for (const auto& [site, counts] : sites.items())
            for (const auto& [category, count] : counts.items())
                out += row({escaped(name), escaped(site), escaped(category.empty() ? "(missing)" : category),
                            shown(count)});
    return out + "</table>";
}

std::string reasons(const Json& all) {
    std::string out = "<h2>Left out, and why</h2><table>" + row({"reason", "site", "files or rows"}, "th");
    for (const auto& [reason, sites] : all.items())
        for (const auto& [site, count] : sites.items())
            out += row({escaped(reason), escaped(site), shown(count)});
    return out + "</table>";
}

std::string pairs(const Json& object, const char* title) {
    std::string out = fmt::format("<h2>{}</h2><table>", title);
    for (const auto& [key, value] : object.items()) out += row({escaped(key), shown(value)});
    return out + "</table>";
}

}  // namespace

std::string quality_html(const Json& report) {
    const Json& quality = report.at("quality");
    std::string out = fmt::format(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{0}</title><style>{1}</style>\n<h1>Quality "
        "of {0}</h1>\n"
        "<p class=note>{2}</p>\n",
        escaped(report.at("dataset").get<std::string>()), kStyle,
        escaped(report.at("readers").get<std::string>()));
    out += pairs(report.at("totals"), "Totals");
    out += by(quality.at("strata"), "site", "site") + by(quality.at("strata"), "vendor", "vendor") +
           by(quality.at("strata"), "label", "label") + by(quality.at("strata"), "split", "split");
    out += reasons(report.at("quarantine"));
    out += pairs(report.at("risk"), "Pooled risk");
    for (const std::string& sentence : risk_words(report.at("risk")))
        out += "<p>" + escaped(sentence) + "</p>\n";
    out += ranges(quality.at("fields"), "Intensities and measurements") +
           ranges(quality.at("columns"), "Numbers beside them");
    out += categories(quality.at("categories"));
    return out + "</html>\n";
}

}  // namespace staging
