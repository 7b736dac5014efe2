#include "staging/tool/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "staging/read/deviation.h"
#include "staging/read/reason.h"
#include "staging/report/limits.h"
#include "staging/report/published.h"
#include "staging/report/quality.h"
#include "staging/report/risk_words.h"
#include "staging/tool/print.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of_reason(const std::string& name) {
    for (auto i = 0U; i < static_cast<unsigned>(Reason::count_); ++i)
        if (reason_name(static_cast<Reason>(i)) == name)
            return std::string(reason_text(static_cast<Reason>(i)));
    return "";
}

std::string number(const Json& value) {
    return value.dump();
}

void check_is_of(const core::Manifest& manifest, const Json& report) {
    try {
        if (report.at("dataset") == manifest.id() && report.at("deliveries") == manifest.parents &&
            report.at("totals").at("samples") == manifest.samples())
            return;
    } catch (const Json::exception&) {
    }
    throw core::Error(core::Fault::data, "reports/quality.json is not of this manifest");
}

}  // namespace

Json read_report(const std::filesystem::path& dir) {
    const std::filesystem::path path = dir / "reports/quality.json";
    const std::string text = core::read_text(path, std::uint64_t{1} << 30);
    try {
        core::parse_json(text);  // no deeper than may be walked
        Json report = Json::parse(text);
        if (report.is_object()) return report;
    } catch (const Json::exception&) {
    } catch (const core::Error&) {
    }
    throw core::Error(core::Fault::data, path.string() + ": is damaged");
}

std::vector<std::string> broken_by(const core::Manifest& manifest, const Json& report,
                                   const std::filesystem::path& limits) {
    const QualityLimits asked = QualityLimits::load(limits);
    check_is_of(manifest, report);
    return broken_limits(report, asked);
}

Json write_report(const core::Manifest& manifest, const Json& report, const std::filesystem::path& out) {
    check_is_of(manifest, report);
    const Json published = published_report(report);
    const std::string page = quality_html(published);
    core::make_directories(out, 0755);
    core::write_atomically(out / "report.json", published.dump(1) + "\n", 0644);
    core::write_atomically(out / "report.html", page, 0644);
    return {{"dataset", published.at("dataset")},
            {"json", (out / "report.json").string()},
            {"page", (out / "report.html").string()}};
}

void print_report(std::ostream& out, const Json& report) {
    out << report.at("dataset").get<std::string>() << "\n\n";
    std::vector<std::vector<std::string>> rows{
        {"delivery", "files", "files and rows", "packed", "left out", "not selected"}};
    for (const Json& one : report.at("deliveries"))
        rows.push_back({one.at("delivery").get<std::string>(), number(one.at("files")),
                        number(one.at("files_and_rows")), number(one.at("packed")),
                        number(one.at("left_out")), number(one.at("not_selected"))});
    print_table(out, rows);

    rows = {{"left out because", "files or rows", "what it means"}};
    for (const auto& [reason, sites] : report.at("quarantine").items()) {
        std::int64_t sum = 0;
        for (const auto& [site, count] : sites.items()) sum += count.get<std::int64_t>();
        rows.push_back({reason, std::to_string(sum), text_of_reason(reason)});
    }
    std::stable_sort(rows.begin() + 1, rows.end(),
                     [](const auto& a, const auto& b) { return std::stoll(a[1]) > std::stoll(b[1]); });
    out << '\n';
    print_table(out, rows);

    rows = {{"delivery", "read although forbidden", "files", "what it means"}};
    const Json deviations = report.value("deviations", Json::object());  // older versions tell of none
    for (const auto& [site, counts] : deviations.items())
        for (const auto& [name, files] : counts.items())
            rows.push_back({site, name, number(files), std::string(deviation_text(name))});
    if (rows.size() > 1) {
        out << '\n';
        print_table(out, rows);
    }

    const Json& risk = report.at("risk");
    out << '\n';
    for (const std::string& sentence : risk_words(risk)) out << sentence << '\n';
    const Json& shared = risk.at("content_of_several_patients");
    for (const Json& one : report.value("drift", Json::array()))
        if (one.contains("not_compared"))
            out << one.at("site").get<std::string>() << " was not compared in "
                << one.at("what").get<std::string>() << ": " << one.at("not_compared").get<std::string>()
                << '\n';
        else if (one.at("p_adjusted").get<double>() < 0.01)
            out << one.at("site").get<std::string>() << " is unlike the other deliveries in "
                << one.at("what").get<std::string>() << ": effect "
                << (one.at("effect").is_null() ? "without any overlap" : one.at("effect").dump()) << '\n';
    if (shared.at("contents") != 0)
        out << shared.at("contents") << " contents are in samples of several patients ("
            << shared.at("samples")
            << " samples): empty pictures, or one person under two identities. They were kept\n";
}

}  // namespace staging
