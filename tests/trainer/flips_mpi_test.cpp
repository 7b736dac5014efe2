// Test-time flips, against samples that are turned over pixel by pixel here.
#include "trainer/engine/flips.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <catch2/catch.hpp>

#include "trainer/engine/predict.h"
#include "trainer/engine/windows.h"
#include "trainer/eval/masks.h"
#include "trainer/made_world.h"

using namespace trainer;

namespace {

// [..., H, W] with its columns or its rows, or both, in the opposite order.
at::Tensor turned(const at::Tensor& of, bool columns, bool rows) {
    const at::Tensor from = of.contiguous().view({-1, of.size(-2), of.size(-1)}), out = at::empty_like(from);
    const std::int64_t height = from.size(1), width = from.size(2);
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
            out.select(1, rows ? height - 1 - y : y)
                .select(1, columns ? width - 1 - x : x)
                .copy_(from.select(1, y).select(1, x));
    return out.view(of.sizes());
}

struct World : MadeWorld {
    std::unique_ptr<Task> task;
    std::unique_ptr<Model> model;
    PredictOptions options;

    // Of images 13 x 10, of more samples than batches of 4 hold, as many in the split on any number of ranks.
    explicit World(const core::Schema& schema, const std::string& model_toml, const ModelInput& input,
                   TaskOptions of)
        : MadeWorld(schema, {4}) {
        make("other", schema, 60, [](core::Sample& sample, std::int64_t) {
            if (sample.fields.size() > 1)
                for (auto& byte : sample.fields[1].bytes) byte = static_cast<std::uint8_t>(byte % 3);
        });
        task = make_task(of, schema);
        model = make_model(core::Config::parse(model_toml, "test"), input, 1);
        at::manual_seed(5);
        const at::NoGradGuard off;
        for (const auto& each : model->parameters()) each.tensor.add_(at::randn_like(each.tensor) * 0.2);
        model->set_standardisation({15}, {0.1});
        options.split = "test";
        options.field = "image";
        options.batch = 4;
    }
    Predictions predicted(std::vector<std::string> flips) {
        options.flips = std::move(flips);
        return predict(*model, *task, *dataset, options, comm).value();
    }
    // Every sample of the split, on this rank, in order.
    std::vector<Batch> samples() const {
        const core::Comm alone(MPI_COMM_SELF);
        LoaderOptions loading = each_once("test", "image", 1, alone);
        task->ask_measured(loading);
        Loader loader(*dataset, loading);
        loader.begin_epoch(0);
        std::vector<Batch> out;
        while (auto batch = loader.next()) out.push_back(std::move(*batch));
        return out;
    }
};

std::unique_ptr<World> images() {
    const core::Schema schema = made::images({1, 13, 10}, core::DType::u16);
    TaskOptions of;
    of.loss.name = "cross_entropy";
    return std::make_unique<World>(schema, "name = \"resnet2d\"\nwidth = 8\nblocks = [1, 1]",
                                   ModelInput{{1, 13, 10}, 2}, of);
}

std::unique_ptr<World> masks() {
    core::Schema schema = made::images({1, 13, 10});
    schema.fields.push_back({"mask", core::DType::u8, {13, 10}, ""});
    TaskOptions of;
    of.name = "segmentation";
    of.columns.clear();
    of.mask = "mask";
    of.classes = {"0", "1", "2"};
    of.loss.name = "dice_cross_entropy";
    return std::make_unique<World>(schema, "name = \"unet2d\"\nwidth = 8\nblocks = [1, 1]",
                                   ModelInput{{1, 13, 10}, 3, false, true}, of);
}

constexpr std::pair<bool, bool> kAll[] = {{false, false}, {true, false}, {false, true}, {true, true}};

}  // namespace

TEST_CASE("with flips a class has the mean of its probabilities over the flipped images") {
    const at::NoGradGuard off;
    const auto world = images();
    const Predictions both = world->predicted({"x", "y"}), one = world->predicted({"y"}),
                      none = world->predicted({});
    if (!world->comm.is_root()) return;
    const auto samples = world->samples();
    REQUIRE(samples.size() > 10);
    REQUIRE(both.samples() == samples.size());
    double most = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const at::Tensor image = samples[i].inputs.to(at::kFloat);
        at::Tensor of_both = at::zeros({2}, at::kDouble), of_one = at::zeros({2}, at::kDouble);
        for (const auto& [columns, rows] : kAll) {
            const at::Tensor p = at::softmax(
                world->model->forward(turned(image, columns, rows), Mode::evaluate)[0].to(at::kDouble), 0);
            of_both += p / 4;
            if (!columns) of_one += p / 2;
        }
        for (std::int64_t c = 0; c < 2; ++c) {
            const std::size_t at = 2 * i + static_cast<std::size_t>(c);
            CHECK(both.probability[at] == Approx(of_both[c].item<double>()).margin(1e-6));
            CHECK(one.probability[at] == Approx(of_one[c].item<double>()).margin(1e-6));
            most = std::max(most, std::abs(double{both.probability[at]} - double{none.probability[at]}));
        }
    }
    CHECK(most > 1e-3);  // the model tells an image from its mirror image
}

TEST_CASE("with flips the masks are turned back, of whole images and window by window") {
    const at::NoGradGuard off;
    const bool in_windows = GENERATE(false, true);
    const auto world = masks();
    if (in_windows) {
        world->options.patch.size = {8, 8};
        world->model =
            make_model(core::Config::parse(world->model->toml(), "test"), {{1, 8, 8}, 3, false, true}, 1);
        at::manual_seed(5);
        for (const auto& each : world->model->parameters())
            each.tensor.add_(at::randn_like(each.tensor) * 0.2);
        world->model->set_standardisation({15}, {0.1});
    }
    const Predictions found = world->predicted({"x", "y"}), none = world->predicted({});
    if (!world->comm.is_root()) return;
    const auto samples = world->samples();
    REQUIRE(found.samples() == samples.size());
    CHECK(found.measured != none.measured);
    for (std::size_t i = 0; i < samples.size(); ++i) {
        at::Tensor sum = at::zeros({3, 13, 10}, at::kDouble);
        for (const auto& [columns, rows] : kAll) {
            const at::Tensor image = turned(samples[i].inputs.to(at::kFloat), columns, rows);
            const at::Tensor scores =
                in_windows ? window_scores(*world->model, image, world->options.patch, 4, Precision::float32)
                           : world->model->forward(image, Mode::evaluate);
            sum += turned(at::softmax(scores[0].to(at::kDouble), 0), columns, rows);
        }
        const at::Tensor said = sum.argmax(0), are = samples[i].beside[0][0];
        for (std::int64_t c = 1; c < 3; ++c) {
            const auto count = [](const at::Tensor& is) { return is.sum().item<std::int64_t>(); };
            const auto wanted =
                mask_figures(count(are == c), count(said == c), count((are == c).logical_and(said == c)), {});
            const double* told =
                &found.measured[(2 * i + static_cast<std::size_t>(c) - 1) * MaskFigures::kCount];
            CHECK(told[0] == wanted.pixels);
            if (!std::isnan(wanted.dice)) CHECK(told[1] == wanted.dice);
        }
    }
}

TEST_CASE("what is said with flips is the same on any number of ranks") {
    for (const auto& world : {images(), masks()}) {
        const Predictions many = world->predicted({"x"});
        const core::Comm alone(MPI_COMM_SELF);
        const Predictions one =
            predict(*world->model, *world->task, *world->dataset, world->options, alone).value();
        if (!world->comm.is_root()) continue;
        CHECK(many.probability == one.probability);
        REQUIRE(many.measured.size() == one.measured.size());
        for (std::size_t i = 0; i < one.measured.size(); ++i)
            CHECK((many.measured[i] == one.measured[i] ||
                   (std::isnan(many.measured[i]) && std::isnan(one.measured[i]))));
    }
}

TEST_CASE("flips are along axes that the samples have, and belong to the evaluation alone") {
    using Axes = std::vector<std::string>;
    CHECK(flip_dimensions({"x", "y"}, {8, 9}) == std::vector<std::int64_t>{-1, -2});
    CHECK(flip_dimensions({"y"}, {3, 8, 9}) == std::vector<std::int64_t>{-2});
    CHECK(flip_dimensions({"z"}, {1, 7, 8, 9}) == std::vector<std::int64_t>{-3});
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{8, 9}, {3, 8, 9}})
        CHECK_THROWS_WITH(flip_dimensions({"z"}, shape), Catch::Contains("no axis"));
    CHECK_THROWS_WITH(flip_dimensions({"x"}, {30}), Catch::Contains("neither images"));

    const MadeWorld world(made::images(), {4});
    const auto recipe = [&](const std::string& flips) {
        return world.recipe("[evaluate]\n" + (flips.empty() ? "" : "flips = " + flips + "\n"));
    };
    const Recipe plain = recipe(""), turns = recipe("[\"y\", \"x\"]");
    CHECK(turns.evaluate.options.flips == Axes{"x", "y"});
    CHECK(turns.identity("") == plain.identity(""));
    CHECK(turns.canonical("") != plain.canonical(""));
    CHECK(turns.canonical("") == recipe("[\"x\", \"y\"]").canonical(""));
    CHECK(recipe("[]").canonical("") == plain.canonical(""));
    CHECK_THROWS_WITH(recipe("[\"x\", \"x\"]"), Catch::Contains("twice"));
    CHECK_THROWS_WITH(recipe("[\"horizontal\"]"), Catch::Contains("columns"));
}
