#include "trainer/engine/results.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "core/base/event.h"
#include "core/base/files.h"
#include "trainer/engine/fit.h"
#include "trainer/engine/group.h"
#include "trainer/engine/predict.h"
#include "trainer/engine/process.h"
#include "trainer/engine/watch.h"
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

// Collective. metrics.json but for `training`; null on other ranks.
Json metrics(const Recipe& recipe, Model& model, const Dataset& dataset, const std::string& model_digest,
             const core::Comm& comm) {
    std::string split = recipe.evaluate.split;
    if (!has_samples(dataset, split) && has_samples(dataset, "validation")) {
        if (comm.is_root())
            core::Event("warning", "no_test_split").with("text", "figures are from the validation split");
        split = "validation";
    }
    const Predictions predictions = predict(
        model, dataset,
        {split, recipe.data.field, recipe.data.label, recipe.evaluate.batch, recipe.train.precision}, comm);
    Json out;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const Watch::Busy busy;
        out = {{"format", 1},
               {"dataset", dataset.manifest().id()},
               {"split", split},
               {"model", recipe.name},
               {"model_sha256", model_digest},
               {"recipe_sha256", recipe_digest(recipe, model)}};
        out.update(report(predictions, recipe.evaluate.options));
    });
    return out;
}

}  // namespace

std::string run_identity(const Recipe& recipe, const Model& model, const Dataset& dataset) {
    return sha256_hex(recipe.identity(model.toml()) + '\n' + core::to_text(dataset.manifest()));
}

void broadcast_tensors(c10d::ProcessGroup& group, const std::vector<NamedTensor>& tensors) {
    for (const NamedTensor& each : tensors) {
        std::vector<at::Tensor> one{each.tensor.detach()};
        group.broadcast(one)->wait();
    }
}

Json write_results(const Recipe& recipe, Model& model, const Dataset& dataset,
                   const std::filesystem::path& out, const Json& training, const core::Comm& comm) {
    std::string digest;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const auto path = out / "model.safetensors";
        write_safetensors(path, {model.state(),
                                 {{"format", "pt"},
                                  {"aloft.model", model.toml()},
                                  {"aloft.shape", Json(model.input().shape).dump()},
                                  {"aloft.classes", Json(category_names(dataset, recipe.data.label)).dump()},
                                  {"aloft.dataset", dataset.manifest().id()},
                                  {"aloft.recipe_sha256", recipe_digest(recipe, model)}}});
        digest = core::to_hex(core::sha256(core::read_file(path, std::uint64_t{1} << 40)));
    });
    Json json = metrics(recipe, model, dataset, digest, comm);
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        json["training"] = training;
        core::write_atomically(out / "metrics.json", json.dump(1) + '\n', 0640);
    });
    return json;
}

Json evaluate(const Recipe& recipe, const FitRequest& request, const std::filesystem::path& path,
              const core::Comm& comm) {
    prepare_process(recipe.train.reproducible, comm);
    const Watch watch(comm, recipe.train.hang_seconds);
    return or_end_job(comm, [&] {
        const auto dataset = open_dataset(request.access, comm);
        const c10::Device device = choose_device(comm, request.device);
        std::unique_ptr<Model> model;
        std::string digest;
        core::together(comm, [&] {
            const core::Bytes bytes = core::read_file(path, std::uint64_t{1} << 40);
            digest = core::to_hex(core::sha256(bytes));
            const TensorFile file = parse_safetensors(bytes, path.filename().string(), Origin::ours);
            const Json shape = Json::parse(file.text("aloft.shape"), nullptr, false);
            const Json classes = Json::parse(file.text("aloft.classes"), nullptr, false);
            if (!shape.is_array() || !classes.is_array() ||
                Json(category_names(*dataset, recipe.data.label)) != classes)
                throw core::Error(core::Fault::usage,
                                  "the model was trained for other classes than this dataset has");
            const auto& schema = dataset->schema();
            const auto field =
                recipe.data.field.empty() && schema.fields.size() == 1
                    ? schema.fields.begin()
                    : std::find_if(schema.fields.begin(), schema.fields.end(),
                                   [&](const auto& each) { return each.name == recipe.data.field; });
            if (field != schema.fields.end() && Json(field->shape) != shape)
                throw core::Error(core::Fault::usage, "the model was trained on samples of shape " +
                                                          shape.dump() + ", and this dataset's are " +
                                                          Json(field->shape).dump());
            const auto options = core::Config::parse(file.text("aloft.model"), path.filename().string());
            model = make_model(
                options, {shape.get<std::vector<std::int64_t>>(), static_cast<std::int64_t>(classes.size())},
                recipe.seed);
            copy_tensors(file, "", model->state());
            model->to(device);
        });
        Json json = metrics(recipe, *model, *dataset, digest, comm);
        core::together(comm, [&] {
            if (comm.is_root() && !request.out.empty())
                core::write_atomically(request.out, json.dump(1) + '\n', 0640);
        });
        return json;
    });
}

}  // namespace trainer
