// pages DIR: report.html, metrics.json and the curves of made predictions in a folder for each task, summary.html and summary.json of a
// study, for pages_test.py. Names are what the author of a dataset may choose.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "trainer/eval/html.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/masks.h"
#include "trainer/eval/report.h"
#include "trainer/eval/study.h"

using Json = nlohmann::ordered_json;
using namespace trainer;

namespace {

constexpr const char* kScript = "<script>document.title = 'run'</script>";
constexpr const char* kImage = "\"><img src=\"http://elsewhere.test/x\" onerror=\"document.title = 'run'\"/>";
const std::string kLong = "University_Hospital_of_a_Town_Whose_Name_Is_Longer_Than_a_Line_of_a_Telephone";

std::mt19937 generator(3);
double share() {
    return static_cast<double>(generator() % 10000) / 10000;
}

// Of each task: 1200 samples of 600 patients at three sites, the model worst at the first.
Predictions world(const std::string& task, const std::vector<std::string>& names) {
    Predictions p;
    p.task = task;
    p.classes = names;
    Predictions::Stratum site{"site", {kScript, kLong, "south"}, {}}, vendor{"vendor", {kImage, "acme"}, {}};
    for (std::uint64_t i = 0; i < 1200; ++i) {
        const std::int32_t at = static_cast<std::int32_t>(i / 2 % 3);
        const double error = at == 0 ? 0.5 : 0.1;
        p.patient.push_back(i / 2);
        site.code.push_back(at);
        vendor.code.push_back(static_cast<std::int32_t>(i / 60 % 2));
        if (task == "classification") {
            const std::size_t label = i / 2 % names.size(),
                              said = share() < error ? generator() % names.size() : label;
            p.label.push_back(static_cast<std::int32_t>(label));
            double sum = 0;
            std::vector<double> row;
            for (std::size_t c = 0; c < names.size(); ++c)
                sum += row.emplace_back(0.02 + share() * (c == said ? 4 : 1));
            for (const double each : row) p.probability.push_back(static_cast<float>(each / sum));
        } else if (task == "segmentation") {
            for (std::size_t c = 1; c < names.size(); ++c) {
                const std::int64_t are = 50 + static_cast<std::int64_t>(generator() % 50),
                                   both = are - static_cast<std::int64_t>(error * 40 * share());
                for (const double value : mask_figures(are, both + 5, both, {1 + 4 * share(), share()}).all())
                    p.measured.push_back(value);
            }
        } else {
            for (std::size_t c = 0; c < names.size(); ++c) {
                const bool is_label = task == "multilabel";
                p.truth.push_back(is_label ? static_cast<double>(generator() % 2) : 40 + 40 * share());
                p.probability.push_back(static_cast<float>(is_label ? std::abs(p.truth.back() - 0.9 * share())
                                                                    : p.truth.back() + 30 * error * share()));
            }
        }
    }
    p.strata = {site, vendor};
    return p;
}

void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

Json metrics_of(const Predictions& p, const EvaluateOptions& options) {
    const Predictions validation = world(p.task, p.classes);
    Json out = {{"dataset", "made@1"}, {"split", "test"}, {"model", kScript}};
    out.update(report(p, options, options.points.empty() ? nullptr : &validation));
    return out;
}

void write_report(const std::filesystem::path& folder, const Predictions& p) {
    EvaluateOptions options;
    options.bootstrap = 20;
    options.strata = {"site", "vendor", "site*vendor"};
    options.score = judge_of(p.task).first_score();
    if (p.task == "classification" && p.classes.size() == 2)
        options.points = {parse_point("0.5"), parse_point("sensitivity >= 0.95")};
    const Json json = metrics_of(p, options);
    const std::vector<Curve> curves = judge_of(p.task).curves(p, options, json);
    Json told = Json::array();
    for (const Curve& each : curves) {
        told.push_back({{"name", each.name}, {"none", each.none}, {"points", Json::array()}});
        for (const CurvePoint& at : each.points)
            told.back()["points"].push_back({at.threshold, at.sensitivity, at.specificity, at.precision});
    }
    write(folder / "metrics.json", json.dump());
    write(folder / "curves.json", told.dump());
    write(folder / "report.html", html_report(json, curves));
}

void write_study(const std::filesystem::path& folder) {
    const Json head = {{"model", kImage},
                       {"task", "classification"},
                       {"dataset", "made@1"},
                       {"score", "balanced_accuracy"},
                       {"folds", 3}};
    std::vector<Json> runs, metrics;
    EvaluateOptions options;
    options.bootstrap = 20;
    options.strata = {"site"};
    const auto add = [&](const Json& run, const Json& told, const char* split) {
        runs.push_back(run);
        runs.back()["run"] = runs.size() - 1;
        metrics.push_back(metrics_of(world("classification", {"no", "yes"}), options));
        metrics.back()["split"] = split;
        metrics.back()["study_sha256"] = study_run_sha256(head, runs.back());
        if (!told.is_null()) metrics.back()["held_out"] = told;
    };
    for (const std::string& site : {std::string(kScript), kLong, std::string("south")}) {
        add({{"kind", "leave_out"}, {"column", "site"}, {"value", site}},
            {{"column", "site"}, {"value", site}}, "held_out");
        Json& strata = metrics.back()["strata"];
        strata = {{"held_out", strata["site"]}};
        Json& entries = strata["held_out"]["worst_first"];
        for (Json& each : entries) each["value"] = each["value"] == site ? site : "not " + site;
    }
    for (int fold = 0; fold < 3; ++fold)
        add({{"kind", "fold"}, {"fold", fold}}, {{"fold", fold}}, "held_out");
    for (const char* rate : {"0.001", kScript})
        add({{"kind", "sweep"}, {"chosen", {{"optimizer.rate", rate}}}}, nullptr, "validation");
    const Json summary = study_summary(head, runs, metrics);
    write(folder / "summary.json", summary.dump());
    write(folder / "summary.html", study_html(summary));
}

}  // namespace

int main(int, char** argv) {
    const std::filesystem::path out = argv[1];
    write_report(out / "two", world("classification", {"healthy", kScript}));
    write_report(out / "many",
                 world("classification", {kImage, kLong, "c", "d", "e", "f", "g", "h", "i", "j"}));
    write_report(out / "labels", world("multilabel", {kScript, kLong, "edema"}));
    write_report(out / "number", world("regression", {kScript}));
    write_report(out / "masks", world("segmentation", {"nothing", kScript, kLong}));
    write_study(out / "study");
    Predictions failed = world("classification", {"healthy", "ill"});
    for (const std::size_t i : {3, 4, 5}) failed.probability[i] = NAN;
    write_report(out / "failed", failed);
}
