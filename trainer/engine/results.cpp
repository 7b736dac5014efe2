#include "trainer/engine/results.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/shard/moments.h"
#include "trainer/engine/checkpoint.h"
#include "trainer/engine/fit.h"
#include "trainer/engine/flips.h"
#include "trainer/engine/group.h"
#include "trainer/engine/labels.h"
#include "trainer/engine/lineage.h"
#include "trainer/engine/predict.h"
#include "trainer/engine/process.h"
#include "trainer/engine/resample.h"
#include "trainer/engine/watch.h"
#include "trainer/eval/html.h"
#include "trainer/loader/strata.h"
#include "trainer/model/safetensors.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

std::string sha256_hex(std::string_view text) {
    return core::to_hex(core::sha256(core::view(text)));
}

std::string recipe_digest(const Recipe& recipe, const Model& model) {
    return sha256_hex(recipe.canonical(model.toml()));
}

// Between the names of several datasets.
constexpr const char* kBetween = "*";

// A file of before tasks says none.
bool is_first_task(const Task& task) {
    return task.options().name == TaskOptions().name;
}

void write_model(const std::filesystem::path& path, const Recipe& recipe, const Task& task,
                 const Model& model, const Dataset& dataset, const std::string& began_from) {
    TensorFile file{model.state(),
                    {{"format", "pt"},
                     {"aloft.model", model.toml()},
                     {"aloft.shape", Json(model.input().shape).dump()},
                     {"aloft.classes", Json(task.outputs()).dump()},
                     {"aloft.dataset", dataset.id(kBetween)},
                     {"aloft.recipe_sha256", recipe_digest(recipe, model)}}};
    if (!is_first_task(task)) file.metadata["aloft.task"] = task.options().name;
    if (!began_from.empty()) file.metadata[kBeganFrom] = began_from;
    write_safetensors(path, file);
}

// Throws Error(usage) if the file's model is for another task, other outputs or samples of another shape.
void check_model(const TensorFile& file, const Task& task,
                 const std::optional<std::vector<std::int64_t>>& here) {
    const auto named = file.metadata.find("aloft.task");
    if ((named == file.metadata.end() ? TaskOptions().name : named->second) != task.options().name)
        throw core::Error(core::Fault::usage, "the model was trained for another task than the recipe's");
    const Json shape = Json::parse(file.text("aloft.shape"), nullptr, false);
    const Json classes = Json::parse(file.text("aloft.classes"), nullptr, false);
    if (!shape.is_array() || !classes.is_array() || Json(task.outputs()) != classes)
        throw core::Error(
            core::Fault::usage,
            "the model was trained for other classes than this dataset has, or for another column");
    if (here && Json(*here) != shape)
        throw core::Error(core::Fault::usage, "the model was trained on samples of shape " + shape.dump() +
                                                  ", and this dataset's are " + Json(*here).dump());
}

// With [hold_out], throws Error(usage) if the file's model may have seen those who are held out: it is of no run of this
// very recipe and dataset. Flips may have been added since: they change figures alone.
void check_seen(const Recipe& recipe, const Model& model, const Dataset& dataset, const TensorFile& file) {
    if (!recipe.hold_out.is_any()) return;
    const auto says = [&](const char* key, const std::string& value) {
        const auto found = file.metadata.find(key);
        return found != file.metadata.end() && found->second == value;
    };
    Recipe without_flips = recipe;
    without_flips.evaluate.options.flips.clear();
    if (!says("aloft.dataset", dataset.id(kBetween)) ||
        !(says("aloft.recipe_sha256", recipe_digest(recipe, model)) ||
          says("aloft.recipe_sha256", recipe_digest(without_flips, model))))
        throw core::Error(
            core::Fault::usage,
            "hold_out: nothing shows that the model was trained by this recipe on this dataset, and it may "
            "have seen those who are held out: take the recipe of its run; evaluate.flips may be added to "
            "it, and nothing else be changed");
}

// Of weights that the model began with and that may be gone: its own words. Throws Error(usage) if it has none.
void settle_init(Recipe& recipe, const TensorFile& file) {
    if (recipe.init.file.empty() || !recipe.init.sha256.empty()) return;
    const auto found = file.metadata.find(kBeganFrom);
    if (found == file.metadata.end())
        throw core::Error(core::Fault::usage,
                          "init.file: there is no such file, and the model does not say what it began with");
    recipe.init.sha256 = first_digest(found->second);
}

// The shape of what the model sees of a sample of the recipe's field; nothing if there is no such field.
std::vector<std::int64_t> patch_of(const Dataset& dataset, const core::Field& field,
                                   const std::vector<std::int64_t>& patch) {
    std::vector<std::int64_t> shape(field.shape.begin(), field.shape.end());
    if (patch.empty()) return shape;
    if (field.ragged()) shape = dataset.shard(0)->reader.shape(dataset.schema().field(field.name), 0);
    if (patch.size() > shape.size())
        throw core::Error(core::Fault::usage, "patch.size has more extents than a sample has dimensions");
    std::copy(patch.begin(), patch.end(), shape.end() - std::ssize(patch));
    return shape;
}
std::optional<std::vector<std::int64_t>> sample_shape(const Dataset& dataset, const Recipe& recipe) {
    const auto& fields = dataset.schema().fields;
    for (const auto& each : fields)
        if (each.name == recipe.data.field || (recipe.data.field.empty() && fields.size() == 1))
            return patch_of(dataset, each, recipe.patch.size);
    return std::nullopt;
}

// Throws Error(usage) if the recipe names a split that has no samples, but for the test split in place of which the
// validation split is taken.
std::string split_to_evaluate(const Recipe& recipe, const Dataset& dataset) {
    const std::string& split = recipe.evaluate.split;
    if (has_samples(dataset, split)) return split;
    if (split == Recipe::Evaluate().split && has_samples(dataset, "validation")) return "validation";
    std::string others;
    for (const std::string_view name : core::kSplits)
        if (has_samples(dataset, std::string(name)))
            others += (others.empty() ? "" : ", ") + std::string(name);
    throw core::Error(core::Fault::usage, "evaluate.split: " + dataset.id() +
                                              " has no samples in the split " + split + "; it has some in " +
                                              (others.empty() ? "none" : others));
}

// Whether what is chosen on the validation split (EvaluateOptions) is wanted, and can be chosen there.
bool chooses_on_validation(const Recipe& recipe, const Task& task, const Dataset& dataset,
                           const std::string& split) {
    return task.judge().chooses(recipe.evaluate.options) && split != "validation" &&
           has_samples(dataset, "validation") && dataset.without(task.needed(), "validation").empty();
}

// Adds the columns of the recipe's strata. Throws Error(usage) also if a target is one of them.
void add_strata_of(const Recipe& recipe, const Task& task, const Dataset& dataset, const std::string& split,
                   Predictions& predictions) {
    if (!recipe.hold_out.column.empty()) {
        for (const std::string& column : task.options().columns)
            if (column == recipe.hold_out.column)
                throw core::Error(core::Fault::usage,
                                  "hold_out.column: " + column + " is what is to be said");
        predictions.strata.push_back(held_out_stratum(dataset, recipe.hold_out));
    }
    std::vector<std::string> columns = task.options().columns;
    if (columns.empty()) columns = {""};  // a field is no stratum
    for (const std::string& column : columns)
        add_strata(predictions, dataset, split, column, recipe.evaluate.options);
}

struct Figures {
    Json json;                  // metrics.json but for `training`; null on other ranks
    std::vector<Curve> curves;  // of report.html
};

// Collective. Nothing if it was left off.
std::optional<Figures> figures_of(const Recipe& recipe, const Task& task, Model& model,
                                  const Dataset& dataset, const std::string& model_digest,
                                  const core::Comm& comm, const GoOn& go_on) {
    const std::string split = split_to_evaluate(recipe, dataset);
    if (split != recipe.evaluate.split && comm.is_root())
        core::Event("warning", "no_test_split").with("text", "figures are from the validation split");
    const auto look = [&](const std::string& at) {
        return predict(model, task, dataset,
                       {at, recipe.data.field, recipe.evaluate.batch, precision_named(recipe.train.precision),
                        recipe.patch, go_on,
                        /*has_surfaces=*/true, recipe.evaluate.options.flips},
                       comm);
    };
    std::optional<Predictions> validation;
    bool is_chosen = false;
    core::together(comm, [&] { is_chosen = chooses_on_validation(recipe, task, dataset, split); });
    if (is_chosen && !(validation = look("validation"))) return std::nullopt;
    auto predictions = look(split);
    if (!predictions) return std::nullopt;
    core::together(comm, [&] {
        const Watch::Busy busy;  // columns of all shards
        if (comm.is_root()) add_strata_of(recipe, task, dataset, split, *predictions);
    });
    const auto reported = report_by_ranks(*predictions, is_chosen ? &*validation : nullptr,
                                          recipe.evaluate.options, comm, go_on);
    if (!reported) return std::nullopt;
    Figures figures;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        Json& out = figures.json;
        out = {{"format", 1},
               {"dataset", dataset.id(kBetween)},
               {"split", recipe.hold_out.is_any() ? kHeldOut : split},
               {"model", recipe.name},
               {"model_sha256", model_digest},
               {"recipe_sha256", recipe_digest(recipe, model)}};
        if (!recipe.study.run_sha256.empty()) out["study_sha256"] = recipe.study.run_sha256;
        if (!recipe.init.file.empty())
            out["init"] = {{"names", recipe.init.names}, {"sha256", recipe.init.sha256}};
        if (recipe.hold_out.is_any()) out["held_out"] = recipe.hold_out.told();
        if (!recipe.evaluate.options.flips.empty()) out["flips"] = recipe.evaluate.options.flips;
        // A small count is nobody's to publish, and the release desk refuses words for one.
        if (const auto without = core::published(core::Counts{{"", {{"", dataset.left_out(split)}}}})[""][""];
            without.is_number() && without != 0)
            out["without_label"] = without;
        out.update(*reported);
        figures.curves = task.judge().curves(*predictions, recipe.evaluate.options, *reported);
    });
    return figures;
}

}  // namespace

std::string run_identity(const Recipe& recipe, const Model& model, const Dataset& dataset) {
    std::string text = recipe.identity(model.toml());
    for (std::size_t i = 0; i < dataset.datasets(); ++i) text += '\n' + core::to_text(dataset.manifest(i));
    return sha256_hex(text);
}

void settle_padding(Recipe& recipe, const Dataset& dataset) {
    if (!recipe.patch.is_on() || !std::isnan(recipe.patch.padding)) return;
    const auto& fields = dataset.schema().fields;
    for (const auto& each : fields) {
        if (each.name != recipe.data.field && !(recipe.data.field.empty() && fields.size() == 1)) continue;
        const bool is_unsigned =
            core::with_type(each.dtype, [](auto zero) { return std::is_unsigned_v<decltype(zero)>; });
        if (!is_unsigned)
            throw core::Error(
                core::Fault::usage,
                "patch.padding: say what stands around a sample that is smaller than the patch: "
                "values of the field may be below 0 (0 is water in Hounsfield units, and air "
                "-1000)");
    }
    recipe.patch.padding = 0;
}

void broadcast_tensors(c10d::ProcessGroup& group, const std::vector<NamedTensor>& tensors) {
    for (const NamedTensor& each : tensors) {
        std::vector<at::Tensor> one{each.tensor.detach()};
        group.broadcast(one)->wait();
    }
}

void check_evaluation(const Recipe& recipe, const Task& task, const Dataset& dataset,
                      const core::Comm& comm) {
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        task.judge().check(recipe.evaluate.options, task.outputs());
        if (const auto shape = sample_shape(dataset, recipe))
            flip_dimensions(recipe.evaluate.options.flips, *shape);
        Predictions none;
        const Watch::Busy busy;  // columns of all shards
        add_strata_of(recipe, task, dataset, split_to_evaluate(recipe, dataset), none);
    });
}

std::optional<Json> write_results(const Recipe& recipe, const Task& task, Model& model,
                                  const Dataset& dataset, const std::filesystem::path& out,
                                  const Json& training, const std::string& began_from, const core::Comm& comm,
                                  const GoOn& go_on) {
    std::string digest;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const auto path = out / "model.safetensors";
        write_model(path, recipe, task, model, dataset, began_from);
        digest = core::to_hex(core::sha256(core::read_file(path, std::uint64_t{1} << 40)));
    });
    std::optional<Figures> figures = figures_of(recipe, task, model, dataset, digest, comm, go_on);
    if (!figures) return std::nullopt;
    Json& json = figures->json;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        json["training"] = training;
        core::write_atomically(out / "report.html", html_report(json, figures->curves), 0640);
        core::write_atomically(out / "metrics.json", json.dump(1) + '\n', 0640);  // last: the run is over
    });
    return json;
}

Json evaluate(const Recipe& given, const FitRequest& request, const std::filesystem::path& path,
              const core::Comm& comm) {
    Recipe recipe = given;
    prepare_process(recipe.train.reproducible, precision_named(recipe.train.precision), recipe.data.threads,
                    comm);
    const Watch watch(comm, recipe.train.hang_seconds);
    return or_end_job(comm, [&] {
        const auto dataset = open_dataset(request.access, comm);
        hold_out(*dataset, recipe, comm);
        std::unique_ptr<Task> task;
        core::together(comm, [&] { task = task_of(recipe, *dataset); });
        core::together(comm, [&] { settle_padding(recipe, *dataset); });
        std::set<std::string> splits;
        core::together(comm, [&] { splits = {split_to_evaluate(recipe, *dataset)}; });
        if (recipe.hold_out.is_any())
            splits.merge(std::set<std::string>{"train", "validation"});  // as in fit
        settle_labels(*dataset, *task, recipe, splits, comm);
        check_held_out(*dataset, recipe, comm);
        check_evaluation(recipe, *task, *dataset, comm);
        const c10::Device device = choose_device(comm, request.device);
        std::unique_ptr<Model> model;
        std::string digest;
        core::together(comm, [&] {
            const core::Bytes bytes = core::read_file(path, std::uint64_t{1} << 40);
            digest = core::to_hex(core::sha256(bytes));
            const TensorFile file = parse_safetensors(bytes, path.filename().string(), Origin::ours);
            check_model(file, *task, sample_shape(*dataset, recipe));
            const auto shape = Json::parse(file.text("aloft.shape")).get<std::vector<std::int64_t>>();
            const auto options = core::Config::parse(file.text("aloft.model"), path.filename().string());
            model = make_model(options, task->input(shape), recipe.seed);
            settle_init(recipe, file);
            check_seen(recipe, *model, *dataset, file);
            copy_tensors(file, "", model->state());
            model->to(device);
        });
        const Json json = figures_of(recipe, *task, *model, *dataset, digest, comm, {}).value().json;
        core::together(comm, [&] {
            if (comm.is_root() && !request.out.empty())
                core::write_atomically(request.out, json.dump(1) + '\n', 0640);
        });
        return json;
    });
}

Json export_model(const Recipe& given, const FitRequest& request, const std::filesystem::path& run, bool last,
                  const core::Comm& comm) {
    Recipe recipe = given;
    prepare_process(recipe.train.reproducible, precision_named(recipe.train.precision), recipe.data.threads,
                    comm);
    const auto dataset = open_dataset(request.access, comm);
    Json told;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const auto file = Checkpoints::look(run / "checkpoints");
        if (!file)
            throw core::Error(core::Fault::usage,
                              "there is no whole checkpoint in --run: take the folder that was fit's --out");
        const auto shape = sample_shape(*dataset, recipe);
        if (!shape) throw core::Error(core::Fault::usage, "data.field is not one of the dataset's fields");
        const auto task = task_of(recipe, *dataset);
        const auto model = make_model(recipe.model, task->input(*shape), recipe.seed);
        const Json state = Json::parse(file->text("aloft.run"));
        const Json init = state.value("init", Json::object());
        if (recipe.init.sha256.empty()) recipe.init.sha256 = init.value("sha256", "");
        if (state.at("run") != run_identity(recipe, *model, *dataset))
            throw core::Error(core::Fault::usage,
                              "the checkpoints in --run belong to another recipe or another dataset");
        const bool best = !last && recipe.train.select != "last" && !state.at("best_score").is_null() &&
                          state.at("best_step") != state.at("step");
        copy_tensors(*file, best ? "best." : "model.", model->state());
        if (!best && recipe.train.ema > 0) copy_tensors(*file, "average.", model->parameters());
        write_model(request.out, recipe, *task, *model, *dataset, init.value("began_from", ""));
        told = {{"step", state.at(best ? "best_step" : "step")}, {"steps", state.at("step")}};
    });
    return told;
}

}  // namespace trainer
