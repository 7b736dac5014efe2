// What honest people release: 200 files and more, of which at most one in a hundred may be refused; and what
// aloft-train reports leaves with its meaning.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <random>

#include "jobs/release/release_desk.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/masks.h"
#include "trainer/eval/study.h"

using Json = nlohmann::ordered_json;

namespace {

std::mt19937 dice(20261126);

int between(int low, int high) {
    return low + static_cast<int>(dice() % static_cast<unsigned>(high - low + 1));
}
double share() {
    return static_cast<double>(dice() % 1000000) / 1e6;
}
std::string six(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6f", value);
    return text;
}

const std::vector<std::string> kSites = {"north", "central", "south", "east"},
                               kVendors = {"Vendor A", "GE MEDICAL SYSTEMS"};

// Predictions of a model that is right with probability `skill`, on sites of these sizes.
trainer::Predictions predictions(int classes, double skill, const std::vector<int>& sizes) {
    trainer::Predictions p;
    for (int c = 0; c < classes; ++c)
        p.classes.push_back(classes == 2 ? (c ? "malignant" : "benign") : std::to_string(c));
    trainer::Predictions::Stratum site{"site", {}, {}}, vendor{"vendor", kVendors, {}};
    for (std::size_t s = 0; s < sizes.size(); ++s) {
        site.values.push_back(kSites[s]);
        for (int i = 0; i < sizes[s]; ++i) {
            const int truth = between(0, classes - 1),
                      said = share() < skill ? truth : between(0, classes - 1);
            p.label.push_back(truth);
            std::vector<float> row;
            float sum = 0;
            for (int c = 0; c < classes; ++c)
                row.push_back(static_cast<float>(0.05 + share() + (c == said ? 2.0 : 0.0)));
            for (const float each : row) sum += each;
            for (const float each : row) p.probability.push_back(each / sum);
            p.patient.push_back(p.patient.size() - (i % 3 == 2 ? 1 : 0));
            site.code.push_back(static_cast<std::int32_t>(s));
            vendor.code.push_back(between(0, 9) < 7 ? 0 : 1);
        }
    }
    p.strata = {site, vendor};
    return p;
}

Json report(int classes, double skill, const std::vector<int>& sizes, bool pairs) {
    trainer::EvaluateOptions options;
    options.bootstrap = 5;  // the intervals are there, and cheap
    if (pairs) options.strata.push_back("site*vendor");
    Json out = {{"format", 1},
                {"dataset", "digits@1"},
                {"split", "test"},
                {"model", "digits-resnet"},
                {"model_sha256", std::string(64, 'a')},
                {"recipe_sha256", std::string(64, 'b')}};
    if (classes == 2)
        options.points = {trainer::parse_point("0.5"), trainer::parse_point("sensitivity >= 0.95")};
    const auto validation = predictions(classes, skill, {80, 70});
    out.update(trainer::report(predictions(classes, skill, sizes), options, &validation));
    out["training"] = {{"steps", between(100, 5000)},
                       {"epochs", between(1, 30)},
                       {"selected_step", between(1, 100)},
                       {"validation", six(share())}};
    return out;
}

int files = 0, refusals = 0, emptied = 0, numbers = 0;

void release(const std::string& name, const std::string& bytes) {
    ++files;
    const auto leaving = desk::prepare(name, bytes, desk::context());
    if (!leaving.refused()) return;
    ++refusals;
    std::string why;
    for (const auto& finding : leaving.findings) why += "\n" + finding.code + ": " + finding.text;
    std::fprintf(stderr, "refused: %s%s\n%s\n", name.c_str(), why.c_str(), bytes.substr(0, 600).c_str());
}

bool is_of_cells(const std::string& key) {
    return key == "sensitivity" || key == "specificity" || key == "precision" || key == "f1";
}

// Every figure is there, near what was reported, or empty; nothing is there that was not.
// `of_few`: within strata, which may have few samples.
void compare(const Json& before, const nlohmann::json& after, const std::string& key, bool of_few = false) {
    if (before.is_object()) {
        REQUIRE(after.is_object());
        CHECK(after.size() == before.size());
        for (const auto& [name, value] : before.items()) {
            INFO(name);
            REQUIRE(after.contains(name));
            compare(value, after.at(name), name, of_few || key == "strata");
        }
    } else if (before.is_array()) {
        REQUIRE(after.size() == before.size());
        for (std::size_t i = 0; i < before.size(); ++i) compare(before[i], after[i], key, of_few);
    } else if (before.is_number()) {
        ++numbers;
        if (after.is_null()) {
            ++emptied;
            // An error between 1 and 100 may be read as percent of a count; three digits fit one more often than six.
            const bool is_error =
                key == "mae" || key == "rmse" || key == "bias" || key == "hd95" || key == "score";
            // So may a stratum's accuracy that tells another's with the others and the whole, and figures of few samples that
            // are only told apart by more than a quarter.
            CHECK((key == "confusion" || key == "samples" || key == "accuracy" || key == "share" ||
                   is_of_cells(key) || is_error || of_few));
        } else {
            const double one = before.get<double>(), two = after.get<double>();
            INFO(key << " " << one << " " << two);
            const bool is_exact = before.is_number_integer() || key == "threshold" || key == "p";
            CHECK(std::abs(one - two) <= (is_exact ? 0 : 0.26));
        }
    } else if (before.is_string() && after.is_string()) {
        CHECK((before == after || key == "model"));
    }
}

// The same samples under another task: a number, two labels of which the second is often not known, or a mask of one class.
Json report_of(const std::string& task, const std::vector<int>& sizes) {
    trainer::Predictions p = predictions(2, 0.9, sizes);
    p.task = task;
    const bool is_number = task == "regression";
    if (is_number) p.classes = {"age"};
    std::vector<float> said;
    for (std::size_t i = 0; i < p.label.size(); ++i) {
        if (task == "segmentation") {
            const int are = between(50, 100), both = between(30, are);
            const trainer::SurfaceFigures surface{1 + 30 * share(), share()};
            for (const double value : trainer::mask_figures(are, between(both, 120), both, surface).all())
                p.measured.push_back(value);
        } else if (is_number) {
            p.truth.push_back(50 + 30 * share());
            said.push_back(static_cast<float>(p.truth.back() + 12 * (share() - 0.5)));
        } else {
            p.truth.push_back(p.label[i]);
            p.truth.push_back(between(0, 9) < 7 ? between(0, 1) : NAN);
            said.push_back(p.probability[2 * i + 1]);
            said.push_back(static_cast<float>(share()));
        }
    }
    p.label.clear();
    p.probability = said;
    trainer::EvaluateOptions options;
    options.bootstrap = 5;
    options.score = trainer::judge_of(task).first_score();
    Json out = {{"format", 1}, {"dataset", "digits@1"}, {"split", "test"}, {"model", "digits-resnet"}};
    out.update(trainer::report(p, options));
    return out;
}

}  // namespace

TEST_CASE("what aloft-train reports leaves with its meaning, small strata and rare errors included") {
    for (const auto& sizes : {std::vector<int>{120, 90, 60, 180},
                              {40, 40, 3, 60},
                              {300, 4, 5, 11},
                              {100, 90, 8, 80},
                              {25, 25, 25, 25}})
        for (const int classes : {2, 10})
            for (const double skill : {0.7, 0.95, 0.99}) {
                const Json before = report(classes, skill, sizes, true);
                const auto leaving = desk::prepare("metrics.json", before.dump(1) + "\n", desk::context());
                INFO(before.dump() << desk::codes(leaving));
                REQUIRE_FALSE(leaving.refused());
                auto after = nlohmann::json::parse(desk::text(leaving));
                CHECK(after["model_sha256"].is_null());
                // A class's rates beside the sum of all cells would give the empty ones back.
                const bool has_empty = after["confusion"].dump().find("null") != std::string::npos;
                for (const auto& each : after["per_class"]["worst_first"])
                    for (const auto& [name, value] : each.items())
                        if (has_empty && is_of_cells(name)) CHECK(value.is_null());
                compare(before, after, "");
                // At least 0.95 is said of 0.99.
                for (const char* key : {"accuracy", "balanced_accuracy"}) {
                    REQUIRE(after["overall"][key].is_number());
                    CHECK(std::abs(after["overall"][key].get<double>() -
                                   before["overall"][key].get<double>()) < 0.07);
                }
                CHECK_FALSE(desk::prepare("metrics.json", desk::text(leaving), desk::context()).refused());
                CHECK(desk::prepare("metrics.json", before.dump(), desk::context()).canonical ==
                      leaving.canonical);
            }
    CHECK(numbers > 1000);
    CHECK(emptied * 2 < numbers);
}

TEST_CASE("of 200 honest files and more at most one in a hundred is refused") {
    for (int i = 0; i < 80; ++i)
        release("metrics.json",
                report(i % 3 ? (i % 2 ? 2 : 10) : 3, 0.6 + 0.39 * share(),
                       {between(20, 300), between(12, 200), between(1, 60), between(30, 400)}, i % 2)
                    .dump(1));
    for (int i = 0; i < 40; ++i) {  // learning curves
        std::string csv =
            i % 2 ? "epoch,train_loss,val_loss,val_accuracy\n" : ",Epoch,train/loss,val/auroc,lr\n";
        for (int epoch = 1; epoch <= between(5, 200); ++epoch)
            csv += (i % 2 ? "" : std::to_string(epoch - 1) + ",") + std::to_string(epoch) + "," +
                   six(3 * share()) + "," + six(share()) + "," + six(share()) + "\n";
        release("learning_curve.csv", csv);
    }
    for (int i = 0; i < 30; ++i) {  // strata, with and without a total
        std::string csv = "site,vendor,samples,accuracy,auroc\n";
        int total = 0;
        for (const auto& site : kSites)
            for (const auto& vendor : kVendors) {
                const int n = between(10, 400);
                total += n;
                csv += site + "," + vendor + "," + std::to_string(n) + "," +
                       six(std::round(share() * n) / n) + "," + six(share()) + "\n";
            }
        if (i % 2)
            csv += "total,total," + std::to_string(total) + "," + six(share()) + "," + six(share()) + "\n";
        release("strata.csv", csv);
    }
    for (int i = 0; i < 20; ++i) {  // cross-validation
        Json json = {{"seed", between(0, 100)},
                     {"folds", Json::array()},
                     {"mean_auroc", share()},
                     {"std_auroc", share() / 10}};
        for (int fold = 1; fold <= 5; ++fold)
            json["folds"].push_back({{"fold", fold},
                                     {"samples", between(50, 90)},
                                     {"auroc", share()},
                                     {"best_epoch", between(1, 40)},
                                     {"selected", i % 2 == 0}});
        release("cross_validation.json", json.dump());
    }
    for (int i = 0; i < 10; ++i) {  // as scikit-learn reports
        Json json;
        int total = 0;
        for (const char* label : {"benign", "malignant"}) {
            const int n = between(60, 300);
            total += n;
            json[label] = {{"precision", share()},
                           {"recall", std::round(share() * n) / n},
                           {"f1-score", share()},
                           {"support", n}};
        }
        for (const char* average : {"macro avg", "weighted avg"})
            json[average] = {
                {"precision", share()}, {"recall", share()}, {"f1-score", share()}, {"support", total}};
        json["accuracy"] = share();
        release("classification_report.json", json.dump(4));
    }
    for (int i = 0; i < 15; ++i) {  // confusion matrices, of large cells or suppressed
        Json json = {{"classes", {"benign", "malignant"}},
                     {"confusion", {{between(50, 99), between(10, 40)}, {between(10, 40), between(50, 99)}}}};
        if (i % 2) json["confusion"] = {{nullptr, nullptr}, {nullptr, nullptr}};
        if (i % 3 == 0) json["confusion"][0][1] = between(1, 9);
        release("confusion_matrix.json", json.dump());
    }
    for (int i = 0; i < 10; ++i)
        release(
            "roc.json",
            Json{{"roc_curve",
                  {{"fpr", std::vector<double>(101, share())}, {"tpr", std::vector<double>(101, share())}}},
                 {"hyperparameters",
                  {{"lr", 0.001},
                   {"batch_size", 64},
                   {"epochs", 5},
                   {"hidden", {64, 32}},
                   {"dropout", 0.1},
                   {"optimizer", "adamw"}}}}
                .dump());
    for (int i = 0; i < 10; ++i)
        release("report.md", "# Results\n\n1. The model reached an AUROC of 0." +
                                 std::to_string(between(70, 99)) +
                                 " on the test split (n = " + std::to_string(between(100, 900)) +
                                 ").\n2. Table 2 and fold 3 agree; p < 0.05, 5% were missing.\n\n| site | "
                                 "AUROC |\n|---|---|\n| north | 0.91 |\n\n"
                                 "\xe6\xa8\xa1\xe5\x9e\x8b\xe8\xa1\xa8\xe7\x8f\xbe\xe8\x89\xaf\xe5\xa5\xbd"
                                 "\xe3\x80\x82 Strata of fewer than 10 are left out.\n");
    INFO(refusals << " of " << files << " honest files were refused");
    std::fprintf(stderr, "%d of %d honest files were refused\n", refusals, files);
    CHECK(files >= 200);
    CHECK(refusals * 100 <= files);
}

TEST_CASE("what people write without thinking of the desk leaves") {
    jobs::Context context = desk::context();
    context.vocabulary.add_manifest(nlohmann::json{{"dataset", "biopsies"}, {"version", "1"}});
    const std::pair<const char*, const char*> harmless[] = {
        {"x.json", R"({"model":"biopsies-mlp","accuracy":0.9})"},
        {"x.json", R"({"base_model":"Biopsies_resnet2d","accuracy":0.9})"},
        {"x.csv", "model,auroc\nbiopsies-densenet2d,0.9\n"},
        {"x.csv", "measure,value\nspecificity,1\nsensitivity,0.9\n"},
        {"x.json", R"({"rows":[{"measure":"specificity","value":1.0}]})"},
        {"x.csv",
         ",precision,recall,f1-score,support\nbenign,0.91,0.9,0.905,100\nmalignant,0.9,0.91,0.905,120\n"
         "accuracy,0.904545,0.904545,0.904545,0.904545\nmacro avg,0.905,0.905,0.905,220\n"
         "weighted avg,0.904,0.905,0.904,220\n"},
        {"x.csv",
         ",precision,recall,f1-score,support\nbenign,1,1,1,100\nmalignant,1,1,1,120\naccuracy,1,1,1,1\n"
         "macro avg,1,1,1,220\nweighted avg,1,1,1,220\n"},
        {"x.md", "With specificity 1.00 and a recall of 1.0 on all sites.\n"},
        {"x.md", "| site | sensitivity 1.000 |\n|---|---|\n"}};
    for (const auto& [name, bytes] : harmless) {
        const auto leaving = desk::prepare(name, bytes, context);
        INFO(bytes << " -> " << desk::codes(leaving));
        CHECK_FALSE(leaving.refused());
    }
    const std::pair<const char*, const char*> others[] = {
        {"x.json", R"({"model":"biopsies-Wang"})"},
        {"x.json", R"({"model":"biopsies-P-00017"})"},
        {"x.json", R"({"model":"biopsies@1-mlp"})"},
        {"x.json", R"({"model":"north-mlp"})"},
        {"x.json", R"({"group":"biopsies-mlp"})"},
        {"x.json", R"({"biopsies-mlp":0.5})"},
        {"x.json", R"({"model":"biopsies-patients","step":3})"},
        {"x.csv", "measure,value\nspecificity,2\n"},
        {"x.csv", "measure,value\ndays,1\n"},
        {"x.csv", "measure,value\npositives rate,1\n"},
        {"x.csv", "site,support\naccuracy,1\n"},
        {"x.csv", ",precision,recall,f1-score,support\naccuracy,0.9,0.9,0.9,1\n"},
        {"x.csv", ",precision,recall,f1-score,support\nbenign,0.9,0.9,0.9,0.9\n"},
        {"x.md", "specificity 1\n"},
        {"x.md", "1.00 patients\n"},
        {"x.md", "a part of 3 patients\n"}};
    for (const auto& [name, bytes] : others) {
        const auto leaving = desk::prepare(name, bytes, context);
        INFO(bytes << " -> " << desk::text(leaving));
        CHECK(leaving.refused());
    }
}

TEST_CASE("errors that are whole numbers count nobody") {
    const std::string text =
        R"({"overall": {"mae": 2.0, "rmse": 3.0, "bias": -1.0, "interval95": {"mae": [2.0, 3.0]}}})";
    const auto leaving = desk::prepare("metrics.json", text + "\n", desk::context());
    INFO(desk::codes(leaving));
    CHECK_FALSE(leaving.refused());
    CHECK_FALSE(
        desk::prepare("metrics.json", "{\"per_patient\": {\"mae\": 2}}\n", desk::context()).refused());
    CHECK(desk::prepare("metrics.json", "{\"per_patient\": 2}\n", desk::context()).refused());
    CHECK(desk::prepare("metrics.json", "{\"patients\": {\"mae\": 2}}\n", desk::context()).refused());
    // A score may be anything: it is not taken for an error.
    CHECK(desk::prepare("metrics.json", "{\"gap\": {\"score\": 2}}\n", desk::context()).refused());
}

TEST_CASE("reports of numbers, of labels and of masks leave too") {
    for (const char* task : {"regression", "multilabel", "segmentation"})
        for (const auto& sizes : {std::vector<int>{120, 90, 60, 180}, {40, 40, 3, 60}, {300, 4, 5, 11}}) {
            const Json before = report_of(task, sizes);
            const auto leaving = desk::prepare("metrics.json", before.dump(1) + "\n", desk::context());
            INFO(before.dump() << desk::codes(leaving));
            REQUIRE_FALSE(leaving.refused());
            const auto after = nlohmann::json::parse(desk::text(leaving));
            CHECK(after["task"] == task);
            compare(before, after, "");
        }
}

TEST_CASE("the summary of a study leaves; what a single run of it held out does not") {
    const Json head = {{"format", 1},
                       {"model", "digits-resnet"},
                       {"task", "classification"},
                       {"dataset", "digits@1"},
                       {"score", "balanced_accuracy"},
                       {"init", {{"names", "torchvision"}, {"sha256", std::string(64, 'c')}}},
                       {"flips", {"x", "y"}},
                       {"folds", 3}};
    std::vector<Json> runs, metrics;
    const auto add = [&](Json run, const std::vector<int>& sizes) {
        run["run"] = runs.size();
        metrics.push_back(report(10, 0.9, sizes, false));
        runs.push_back(std::move(run));
    };
    for (const auto& [site, size] : std::map<std::string, int>{{"north", 120}, {"south", 60}, {"east", 4}}) {
        add({{"kind", "leave_out"}, {"column", "site"}, {"value", site}}, {size, 90});
        Json& told = metrics.back();
        told["strata"]["held_out"] = told["strata"]["site"];
        told["strata"].erase("site");
        for (Json& each : told["strata"]["held_out"]["worst_first"])
            each["value"] = each["value"] == "north" ? site : "not " + site;
        told["split"] = "held_out";
        told["held_out"] = {{"column", "site"}, {"value", site}};
    }
    for (int fold = 0; fold < 3; ++fold) {
        add({{"kind", "fold"}, {"fold", fold}}, {80, 90});
        metrics.back()["held_out"] = {{"folds", 3}, {"fold", fold}, {"seed", 1}};
    }
    for (const char* rate : {"0.001", "0.01"}) {
        add({{"kind", "sweep"}, {"chosen", {{"optimizer.rate", rate}}}}, {80, 90});
        metrics.back()["split"] = "validation";
    }
    for (std::size_t i = 0; i < runs.size(); ++i) {
        metrics[i]["study_sha256"] = trainer::study_run_sha256(head, runs[i]);
        metrics[i]["init"] = {{"names", "torchvision"}, {"sha256", std::string(64, 'c')}};
    }
    metrics[6]["flips"] = {"x", "y"};
    const auto flipped = desk::prepare("metrics.json", metrics[6].dump(1), desk::context());
    CHECK_FALSE(flipped.refused());
    CHECK(nlohmann::json::parse(desk::text(flipped))["flips"].dump() == R"(["x","y"])");
    metrics[4] = nullptr;  // not over
    const Json before = trainer::study_summary(head, runs, metrics);
    CHECK(before["flips"] == Json({"x", "y"}));
    CHECK(trainer::study_html(before).find("along x, y.") != std::string::npos);
    const auto leaving = desk::prepare("summary.json", before.dump(1) + "\n", desk::context());
    INFO(before.dump(1) << desk::codes(leaving));
    REQUIRE_FALSE(leaving.refused());
    const auto after = nlohmann::json::parse(desk::text(leaving));
    // What is told of others, and one more value, would give the suppressed one back.
    CHECK(after["strata"]["site"]["suppressed"] == nlohmann::json({"east", "south"}));
    REQUIRE(after["strata"]["site"]["worst_first"].size() == 1);
    for (const char* key : {"others", "gap"}) CHECK(after["strata"]["site"]["worst_first"][0][key].is_null());
    compare(before["strata"], after["strata"], "");
    compare(before["folds"], after["folds"], "");
    CHECK(after["flips"] == nlohmann::json({"x", "y"}));
    CHECK(after["validation"]["best_first"].size() == 2);
    CHECK(desk::prepare("metrics.json", metrics[0].dump(1), desk::context()).refused());
}
