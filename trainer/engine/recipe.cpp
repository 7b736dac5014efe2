#include "trainer/engine/recipe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "trainer/model/pretrained.h"

namespace trainer {
namespace {

constexpr std::pair<const char*, Precision> kPrecisions[] = {
    {"float32", Precision::float32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}};

const char* name_of(Precision precision) {
    return std::find_if(std::begin(kPrecisions), std::end(kPrecisions),
                        [&](const auto& each) { return each.second == precision; })
        ->first;
}

}  // namespace

Precision precision_of(const core::Config& table) {
    const std::string wanted = table.text_or("precision", "float32");
    for (const auto& [name, precision] : kPrecisions)
        if (wanted == name) return precision;
    table.refuse("precision", "expected \"float32\", \"tf32\" or \"bf16\"");
}

Recipe::Recipe(core::Config file) : model(file.table("model")), file_(std::move(file)) {
    name = file_.text("name");
    const std::int64_t number = file_.integer_or("seed", 1);
    if (number < 0) file_.refuse("seed", "expected 0 or more");
    seed = static_cast<std::uint64_t>(number);

    const auto at_least = [](const core::Config& table, const char* key, std::int64_t otherwise,
                             std::int64_t least) {
        const std::int64_t value = table.integer_or(key, otherwise);
        if (value < least) table.refuse(key, "expected " + std::to_string(least) + " or more");
        return value;
    };
    const auto data_table = file_.table("data");
    data.field = data_table.text_or("field", "");
    task = TaskOptions::from(file_.table("task"), data_table, file_.table("loss"));
    patch = PatchOptions::from(file_.table("patch"));
    if (patch.is_on() && task.mask.empty())
        file_.table("patch").refuse("size", "patches are for masks (task.name = \"segmentation\")");
    task.patch_axes = patch.size.size();
    const Judge& judge = judge_of(task.name);
    data.batch = at_least(data_table, "batch", data.batch, 1);
    const std::string missing = data_table.text_or("missing_label", "refuse");
    if (missing != "refuse" && missing != "leave_out")
        data_table.refuse("missing_label", "expected \"refuse\" or \"leave_out\"");
    data.leaves_out_unlabelled = missing == "leave_out";

    const auto init_table = file_.table("init");
    init.file = init_table.text_or("file", "");
    if (!init.file.empty()) {
        init.names = init_table.text_or("names", init.names);
        check_names(init_table, init.names);
        if (std::filesystem::is_regular_file(init.file))  // what began with it may go on without it
            init.sha256 = core::to_hex(core::file_sha256(init.file));
    }

    optimizer = OptimizerOptions::from(file_.table("optimizer"));
    schedule = Schedule::from(file_.table("schedule"));
    augment = AugmentOptions::from(file_.tables("augment"));

    const auto train_table = file_.table("train");
    train.epochs = at_least(train_table, "epochs", train.epochs, 1);
    train.reproducible = train_table.flag_or("reproducible", false);
    train.micro_batches = at_least(train_table, "micro_batches", train.reproducible ? 4 : 0, 0);
    if (train.reproducible && train.micro_batches == 0)
        train_table.refuse("micro_batches",
                           "a reproducible run needs a number, a multiple of every number of ranks");
    train.precision = precision_of(train_table);
    train.ema = train_table.number_or("ema", 0);
    if (!(train.ema >= 0 && train.ema < 1)) train_table.refuse("ema", "expected 0 to below 1");
    train.patience = at_least(train_table, "patience", 0, 0);
    train.select = train_table.text_or("select", judge.first_select());
    if (train.select != "last" && !judge.find_score(train.select))
        train_table.refuse("select", "expected \"last\", " + judge.score_names());
    train.log_steps = at_least(train_table, "log_steps", train.log_steps, 1);
    train.hang_seconds = train_table.number_or("hang_seconds", train.hang_seconds);
    if (!(train.hang_seconds >= 1)) train_table.refuse("hang_seconds", "expected 1 or more");
    train.skip_limit = at_least(train_table, "skip_limit", train.skip_limit, 1);

    const auto checkpoint_table = file_.table("checkpoint");
    checkpoint.every_epochs = at_least(checkpoint_table, "every_epochs", checkpoint.every_epochs, 0);
    checkpoint.every_steps = at_least(checkpoint_table, "every_steps", 0, 0);
    checkpoint.every_seconds = checkpoint_table.number_or("every_seconds", checkpoint.every_seconds);
    checkpoint.keep = static_cast<int>(at_least(checkpoint_table, "keep", checkpoint.keep, 2));

    const auto evaluate_table = file_.table("evaluate");
    evaluate.split = evaluate_table.text_or("split", evaluate.split);
    const std::int64_t micro_batch = data.batch / std::max<std::int64_t>(1, train.micro_batches);
    evaluate.batch =
        at_least(evaluate_table, "batch", std::clamp<std::int64_t>(micro_batch, 1, evaluate.batch), 1);
    evaluate.options = EvaluateOptions::from(evaluate_table, judge);

    hold_out = HoldOut::from(file_.table("hold_out"));
    if (hold_out.is_any() && evaluate.split != "test")
        evaluate_table.refuse("split",
                              "with [hold_out] those are judged who are held out: expected \"test\"");
    if (!hold_out.column.empty()) {
        if (evaluate_table.has("strata"))
            evaluate_table.refuse("strata",
                                  "with hold_out.column (of a study: leave_out) the only stratum is who is "
                                  "held out: leave this key out");
        evaluate.options.strata = {kHeldOut};
    }
    study = StudyOptions::from(file_.table("study"));
    task.surface_tolerance = evaluate.options.surface_tolerance;
    task.uses_spacing = evaluate.options.uses_spacing;
}

Recipe Recipe::load(const std::filesystem::path& path, const std::vector<std::string>& settings) {
    return Recipe(core::Config::load(path, settings));
}

void Recipe::finish() const {
    file_.finish();
}

std::string Recipe::canonical(const std::string& model_toml) const {
    const auto& e = evaluate.options;
    nlohmann::ordered_json json = {{"name", name},
                                   {"seed", seed},
                                   {"data",
                                    {{"field", data.field},
                                     {"label", task.columns.empty() ? "" : task.columns[0]},
                                     {"batch", data.batch}}},
                                   {"model", model_toml},
                                   {"optimizer", optimizer.told()},
                                   {"schedule", schedule.told()},
                                   {"train",
                                    {{"epochs", train.epochs},
                                     {"reproducible", train.reproducible},
                                     {"micro_batches", train.micro_batches},
                                     {"precision", name_of(train.precision)},
                                     {"patience", train.patience},
                                     {"select", train.select}}},
                                   {"evaluate",
                                    {{"split", evaluate.split},
                                     {"positive", e.positive},
                                     {"strata", e.strata},
                                     {"min_stratum", e.min_stratum},
                                     {"bootstrap", e.bootstrap},
                                     {"seed", e.seed}}}};
    // Keys that came later stand here only where they say something: a run of before is the same run.
    const EvaluateOptions otherwise;
    for (const Point& point : e.points) json["evaluate"]["points"].push_back(to_text(point));
    if (e.score != otherwise.score) json["evaluate"]["score"] = e.score;
    if (e.bins != otherwise.bins) json["evaluate"]["bins"] = e.bins;
    if (e.surface_tolerance != otherwise.surface_tolerance)
        json["evaluate"]["surface_tolerance"] = e.surface_tolerance;
    if (e.uses_spacing != otherwise.uses_spacing) json["evaluate"]["spacing"] = e.uses_spacing;
    if (e.temperature != otherwise.temperature) json["evaluate"]["temperature"] = e.temperature;
    if (train.ema > 0) json["train"]["ema"] = train.ema;
    for (const AugmentOptions& each : augment) json["augment"].push_back(each.told());
    if (!init.file.empty()) json["init"] = {{"names", init.names}, {"sha256", init.sha256}};
    if (hold_out.is_any()) json["hold_out"] = hold_out.told();
    if (data.leaves_out_unlabelled) json["data"]["missing_label"] = "leave_out";
    if (task.columns.size() > 1) json["data"]["labels"] = task.columns;
    if (task.name != TaskOptions().name) json["task"] = task.name;
    if (!task.mask.empty()) json["data"]["mask"] = task.mask;
    if (!task.classes.empty()) json["classes"] = task.classes;
    if (!task.values.empty()) json["values"] = task.values;
    if (patch.is_on()) {
        json["patch"] = patch.told();
        if (patch.overlap != PatchOptions().overlap) json["evaluate"]["overlap"] = patch.overlap;
    }
    const LossOptions& loss = task.loss;
    const LossOptions plain;
    nlohmann::ordered_json told;
    if (loss.name != "cross_entropy") told["name"] = loss.name;
    if (loss.label_smoothing != plain.label_smoothing) told["label_smoothing"] = loss.label_smoothing;
    if (loss.gamma != plain.gamma) told["gamma"] = loss.gamma;
    if (loss.delta != plain.delta) told["delta"] = loss.delta;
    if (loss.dice_weight != plain.dice_weight) told["dice_weight"] = loss.dice_weight;
    if (!loss.class_weights.empty()) told["class_weights"] = loss.class_weights;
    if (!told.is_null()) json["loss"] = told;
    return json.dump(1);
}

std::string Recipe::identity(const std::string& model_toml) const {
    auto json = nlohmann::ordered_json::parse(canonical(model_toml));
    json.erase("name");
    json.erase("evaluate");
    for (const char* key : {"epochs", "patience", "select"})
        if (std::string_view(key) != "select" || !schedule.follows_score()) json["train"].erase(key);
    return json.dump();
}

std::int64_t Recipe::micro_batches_per_rank(int ranks) const {
    const auto refuse = [&](const std::string& why) { return core::Error(core::Fault::usage, why); };
    const std::int64_t micro_batches = train.micro_batches ? train.micro_batches : ranks;
    if (micro_batches % ranks != 0)
        throw refuse(
            "train.micro_batches (" + std::to_string(micro_batches) + ") is not a multiple of the " +
            std::to_string(ranks) + " ranks: set it to one" +
            (train.reproducible ? ", the same for every run that is to be compared" : ", or leave it out"));
    if (data.batch % micro_batches != 0)
        throw refuse("data.batch (" + std::to_string(data.batch) + ") is not a multiple of " +
                     (train.micro_batches ? "train.micro_batches" : "the number of ranks") + " (" +
                     std::to_string(micro_batches) + "): take " +
                     std::to_string((data.batch / micro_batches + 1) * micro_batches));
    return micro_batches / ranks;
}

}  // namespace trainer
