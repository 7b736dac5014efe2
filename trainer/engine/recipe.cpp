#include "trainer/engine/recipe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/names.h"
#include "trainer/engine/recipe_keys.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

constexpr std::pair<std::string_view, Precision> kPrecisions[] = {
    {"float32", Precision::float32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}};

template <class Options, std::size_t N>
void read_all(const core::Config& table, Options& out, const Key<Options> (&keys)[N]) {
    for (const Key<Options>& key : keys) read(table, out, key);
}

template <class Options, std::size_t N>
void tell_all(nlohmann::ordered_json& out, const Options& options, const Key<Options> (&keys)[N],
              Counts least) {
    for (const Key<Options>& key : keys) tell(out, options, Options(), key, least);
}

// As many as the release desk reads in one name.
constexpr std::size_t kMostDatasets = 4;

}  // namespace

Precision precision_named(std::string_view word) {
    for (const auto& [name, precision] : kPrecisions)
        if (word == name) return precision;
    throw core::Error(core::Fault::bug, "there is no such precision");
}

Precision precision_of(const core::Config& table) {
    Recipe::Train train;
    for (const auto& key : kTrainKeys)
        if (key.name == "precision") read(table, train, key);
    return precision_named(train.precision);
}

Recipe::Recipe(core::Config file) : model(file.table("model")), file_(std::move(file)) {
    file_.text("name");  // which no recipe may miss
    read_all(file_, static_cast<RecipeHead&>(*this), kHeadKeys);

    const auto data_table = file_.table("data");
    data.datasets = data_table.words("dataset");
    if (data.datasets.size() > kMostDatasets)
        data_table.refuse("dataset", "at most " + std::to_string(kMostDatasets) +
                                         ": no model or figures of more are let out");
    for (const std::string& name : data.datasets) {
        try {
            core::parse_dataset_name(name);
        } catch (const core::Error& e) {
            data_table.refuse("dataset", e.what());
        }
    }
    read(data_table, data, kFieldKey);
    task = TaskOptions::from(file_.table("task"), data_table, file_.table("loss"));
    patch = PatchOptions::from(file_.table("patch"));
    if (patch.is_on() && task.mask.empty())
        file_.table("patch").refuse("size", "patches are for masks (task.name = \"segmentation\")");
    task.patch_axes = patch.size.size();
    if (file_.has("balance")) balance = BalanceOptions::from(file_.table("balance"));
    const Judge& judge = judge_of(task.name);
    read_all(data_table, data, kDataKeys);

    const auto init_table = file_.table("init");
    init.file = init_table.text_or("file", "");
    if (!init.file.empty()) {
        read(init_table, init, kNamesKey);
        if (std::filesystem::is_regular_file(init.file))  // what began with it may go on without it
            init.sha256 = core::to_hex(core::file_sha256(init.file));
    }

    optimizer = OptimizerOptions::from(file_.table("optimizer"));
    schedule = Schedule::from(file_.table("schedule"));
    augment = AugmentOptions::from(file_.tables("augment"));
    for (std::size_t i = 0; i < augment.size(); ++i)
        if (augment[i].foreground > 0 && task.mask.empty())
            file_.tables("augment")[i].refuse("foreground", "is of masks (task.name = \"segmentation\")");
    mixup = MixupOptions::from(file_.table("mixup"), task);

    const auto train_table = file_.table("train");
    train.select = judge.first_select();
    read_all(train_table, train, kTrainKeys);
    if (train.reproducible && !train_table.has("micro_batches")) train.micro_batches = 4;
    if (train.reproducible && train.micro_batches == 0)
        train_table.refuse("micro_batches",
                           "a reproducible run needs a number, a multiple of every number of ranks");
    if (task.loss.batch_dice && train.micro_batches == 0)
        train_table.refuse(
            "micro_batches",
            "loss.batch_dice is of a micro-batch: a number, so that it is the same on any ranks");
    if (train.select != "last" && !judge.find_score(train.select))
        train_table.refuse("select", "expected \"last\", " + judge.score_names());

    read_all(file_.table("checkpoint"), checkpoint, kCheckpointKeys);

    const auto evaluate_table = file_.table("evaluate");
    const std::int64_t micro_batch = data.batch / std::max<std::int64_t>(1, train.micro_batches);
    evaluate.batch = std::clamp<std::int64_t>(micro_batch, 1, evaluate.batch);
    read_all(evaluate_table, evaluate, kEvaluateKeys);
    evaluate.options = EvaluateOptions::from(evaluate_table, judge);
    if (data.datasets.size() > 1 && !evaluate_table.has("strata"))
        evaluate.options.strata.emplace_back(kDatasetColumn);

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
    check_known(core::Config::load(path, settings));
    return Recipe(core::Config::load(path, settings));
}

void Recipe::finish() const {
    file_.finish();
}

nlohmann::ordered_json Recipe::told(const std::string& model_toml, Counts least) const {
    nlohmann::ordered_json json;
    tell_all(json, static_cast<const RecipeHead&>(*this), kHeadKeys, least);
    auto& of_data = json["data"];
    if (!data.datasets.empty()) of_data["dataset"] = data.datasets;
    tell(of_data, data, Data(), kFieldKey, least);
    of_data["label"] = task.columns.empty() ? "" : task.columns[0];
    tell_all(of_data, data, kDataKeys, least);
    if (task.columns.size() > 1) of_data["labels"] = task.columns;
    if (!task.mask.empty()) of_data["mask"] = task.mask;
    json["model"] = model_toml;
    json["optimizer"] = optimizer.told();
    json["schedule"] = schedule.told();
    tell_all(json["train"], train, kTrainKeys, least);
    if (least >= Counts::selection) {
        tell_all(json["evaluate"], evaluate, kEvaluateKeys, least);
        tell(json["evaluate"], evaluate.options, least);
        if (patch.is_on() && patch.overlap != PatchOptions().overlap)
            json["evaluate"]["overlap"] = patch.overlap;
    }
    for (const AugmentOptions& each : augment) json["augment"].push_back(each.told());
    if (mixup.is_on()) json["mixup"] = mixup.told();
    if (!init.file.empty()) json["init"] = {{"names", init.names}, {"sha256", init.sha256}};
    if (hold_out.is_any()) json["hold_out"] = hold_out.told();
    if (task.name != TaskOptions().name) json["task"] = task.name;
    if (!task.classes.empty()) json["classes"] = task.classes;
    if (!task.values.empty()) json["values"] = task.values;
    if (patch.is_on()) json["patch"] = patch.told();
    if (balance.is_any()) json["balance"] = balance.told();
    if (auto loss = told_of(task.loss); !loss.is_null()) json["loss"] = std::move(loss);
    return json;
}

std::string Recipe::canonical(const std::string& model_toml) const {
    return told(model_toml, Counts::figures).dump(1);
}

std::string Recipe::identity(const std::string& model_toml) const {
    return told(model_toml, schedule.follows_score() ? Counts::selection : Counts::weights).dump();
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
    if (mixup.is_on() && data.batch / micro_batches % 2 != 0)
        throw refuse("mixup: samples are mixed in pairs, and data.batch (" + std::to_string(data.batch) +
                     ") by " + (train.micro_batches ? "train.micro_batches" : "the number of ranks") + " (" +
                     std::to_string(micro_batches) + ") is odd: take " +
                     std::to_string(data.batch + micro_batches));
    return micro_batches / ranks;
}

}  // namespace trainer
