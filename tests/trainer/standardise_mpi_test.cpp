#include "trainer/engine/standardise.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/files.h"
#include "core/shard/made.h"
#include "support/scratch.h"
#include "trainer/data/loader.h"

using namespace trainer;
using core::Comm;

namespace {

struct World {
    test::Scratch folder;
    Comm comm{MPI_COMM_WORLD};
    std::filesystem::path data;
    std::unique_ptr<Dataset> dataset;

    explicit World(std::int64_t channels) : data(folder / "data") {
        made::dataset(data, made::images({channels, 6, 5}), {40, 24, 9});
        open();
    }
    World() : data(std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "tests/core/shard/golden/v1") {
        open();
    }
    void open() {
        dataset = std::make_unique<Dataset>(data, made::key(), std::vector<core::VerifyKey>{},
                                            core::Seal::optional);
    }
    // Mean and 1 / deviation per channel, as they come to stand in the model.
    std::vector<double> standardised() const {
        core::write_atomically(folder / "recipe.toml",
                               "name = \"x\"\n[data]\nfield = \"image\"\n[model]\nname = \"resnet2d\"\n"
                               "width = 8\nblocks = [1]\n[evaluate]\nbatch = 4\n",
                               0600);
        const Recipe recipe = Recipe::load(folder / "recipe.toml", {});
        const auto& shape = dataset->schema().fields[0].shape;
        const auto model =
            make_model(recipe.model, {std::vector<std::int64_t>(shape.begin(), shape.end()), 2}, 1);
        CHECK(standardise(*model, *dataset, recipe, comm, {}));
        std::vector<double> out;
        for (const auto& each : model->buffers()) {
            const at::Tensor flat = each.tensor.to(at::kDouble).flatten();
            for (std::int64_t i = 0; i < flat.numel(); ++i) out.push_back(flat[i].item<double>());
        }
        return out;
    }
    // The same from the samples themselves: two passes in float64.
    std::vector<double> expected() const {
        LoaderOptions options;
        options.field = "image";
        options.label = "";
        options.batch_size = dataset->samples("train");
        options.order = Order::stored;
        Loader loader(*dataset, options);
        loader.begin_epoch(0);
        const at::Tensor x = loader.next().value().inputs.to(at::kDouble).transpose(0, 1).flatten(1);
        std::vector<double> out;
        for (std::int64_t i = 0; i < x.size(0); ++i) out.push_back(x[i].mean().item<double>());
        for (std::int64_t i = 0; i < x.size(0); ++i) {
            const at::Tensor apart = x[i] - x[i].mean();
            out.push_back(1 / std::sqrt((apart * apart).mean().item<double>()));
        }
        return out;
    }
    void check(const std::vector<double>& found, const std::vector<double>& wanted) const {
        CHECK(found.size() == wanted.size());
        for (std::size_t i = 0; i < std::min(found.size(), wanted.size()); ++i)
            CHECK(found[i] == Approx(wanted[i]).epsilon(2e-7));  // float32 in the model
        std::vector<double> roots = found;
        core::check_mpi(MPI_Bcast(roots.data(), static_cast<int>(roots.size()), MPI_DOUBLE, 0, comm.get()),
                        "x");
        CHECK(roots == found);
    }
};

}  // namespace

TEST_CASE("an image of one channel is standardised by the manifest: no shard is opened") {
    World world(1);
    const auto expected = world.expected();
    std::filesystem::remove_all(world.data / "shards");
    world.open();
    world.check(world.standardised(), expected);
}

TEST_CASE("several channels have a mean each, from a pass over the data") {
    World world(3);
    world.check(world.standardised(), world.expected());
}

TEST_CASE("a version of format 1, which has no moments, is passed over") {
    World world;
    CHECK(world.dataset->manifest().format == 1);
    CHECK_FALSE(world.dataset->moments("train", "image").has_value());
    world.check(world.standardised(), world.expected());
}
