// measures: predictions as JSON on the standard input, one document a line, to their measures with all digits.
// {"classes": [...], "positive": "b" or "", "label": [...], "probability": [[...]], "patient": [...], "bins": n}
// {"task": "regression"|"multilabel", "names": [...], "truth": [...], "said": [...]}: of other tasks, row by row; null missing.
// {"masks": [[[pixels, said, both, hd95, surface Dice] of each class] of each sample]}: of masks; null not defined.
// {"are": [...], "said": [...], "shape": [...], "spacing": [...], "tolerance": x, "classes": n}: of two masks, [hd95, surface Dice] of each class.
// For measures_test.py, which works out the same with scikit-learn.
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "trainer/eval/groups.h"
#include "trainer/eval/judge.h"
#include "trainer/eval/masks.h"

using Json = nlohmann::json;

namespace {

double or_nan(const Json& value) {
    return value.is_null() ? NAN : value.get<double>();
}

Json surfaces(const Json& in) {
    const auto are = in.at("are").get<std::vector<std::uint8_t>>(),
               said = in.at("said").get<std::vector<std::uint8_t>>();
    Json out = Json::array();
    for (const trainer::SurfaceFigures& f : trainer::surface_figures(
             are, said, in.at("classes").get<std::size_t>(), in.at("shape").get<std::vector<std::int64_t>>(),
             in.at("spacing").get<std::vector<double>>(), in.at("tolerance").get<double>(), [] {}))
        out.push_back({f.hd95, f.dice});
    return out;
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const Json in = Json::parse(line);
        if (in.contains("are")) {
            std::cout << surfaces(in).dump() << '\n';
            continue;
        }
        trainer::Predictions p;
        if (in.contains("task") || in.contains("masks")) {
            p.task = in.value("task", "segmentation");
            if (in.contains("masks")) {
                p.classes.assign(in["masks"].at(0).size() + 1, "");
                for (const Json& sample : in["masks"]) {
                    p.patient.push_back(p.patient.size());
                    for (const Json& c : sample)
                        for (const double value : trainer::mask_figures(c.at(0), c.at(1), c.at(2),
                                                                        {or_nan(c.at(3)), or_nan(c.at(4))})
                                                      .all())
                            p.measured.push_back(value);
                }
            } else {
                p.classes = in.at("names").get<std::vector<std::string>>();
                for (const Json& each : in.at("truth")) p.truth.push_back(or_nan(each));
                p.probability = in.at("said").get<std::vector<float>>();
                for (std::size_t i = 0; i < p.truth.size() / p.classes.size(); ++i) p.patient.push_back(i);
            }
            trainer::EvaluateOptions options;
            options.min_stratum = 1;
            const trainer::Judge& judge = trainer::judge_of(p.task);
            const auto figures =
                judge.judged(p, trainer::all_of(p), options, {}, trainer::Ranks::averaged)->of_once();
            Json out;
            for (std::size_t i = 0; i < figures.size(); ++i)
                out[std::string(judge.figures()[i].name)] = figures[i];  // NaN becomes null
            std::cout << out.dump() << '\n';
            continue;
        }
        p.classes = in.at("classes").get<std::vector<std::string>>();
        p.label = in.at("label").get<std::vector<std::int32_t>>();
        p.patient = in.at("patient").get<std::vector<std::uint64_t>>();
        for (const auto& row : in.at("probability"))
            for (const auto& value : row) p.probability.push_back(value.get<float>());
        trainer::EvaluateOptions options;
        options.positive = in.at("positive").get<std::string>();
        std::vector<std::size_t> all(p.samples());
        std::iota(all.begin(), all.end(), std::size_t{0});
        const trainer::Measures m = trainer::Measurer(p, all, trainer::positive_class(options, p.classes),
                                                      in.at("bins").get<std::int64_t>(), trainer::Ranks::all)
                                        .once();
        const auto number = [](std::optional<double> value) { return value ? Json(*value) : Json(); };
        Json out = {{"samples", m.samples},
                    {"ece", number(m.ece)},
                    {"confusion", m.confusion},
                    {"sensitivity", number(m.sensitivity)},
                    {"specificity", number(m.specificity)},
                    {"f1", number(m.f1)}};
        for (const trainer::Score& score : trainer::scores())
            out[std::string(score.name)] = number(score.of(m));
        for (const trainer::ClassMeasures& each : m.by_class)
            out["by_class"].push_back({{"sensitivity", number(each.sensitivity)},
                                       {"specificity", number(each.specificity)},
                                       {"precision", number(each.precision)},
                                       {"f1", number(each.f1)},
                                       {"auroc", number(each.auroc)},
                                       {"auprc", number(each.auprc)}});
        std::cout << out.dump() << '\n';
    }
}
