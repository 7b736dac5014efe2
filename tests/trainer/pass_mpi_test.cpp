#include "trainer/engine/pass.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "trainer/engine/agreement.h"
#include "trainer/engine/standardise.h"
#include "trainer/made_world.h"

using namespace trainer;

namespace {

struct World : MadeWorld {
    std::optional<Loader> loader;
    explicit World(std::int64_t channels = 1) : MadeWorld(made::images({channels, 6, 5}), {40, 24}) {
        LoaderOptions options;
        options.split = "train";
        options.label = "label";
        options.batch_size = 1;
        options.rank = comm.rank();
        options.ranks = comm.size();
        options.order = Order::stored;
        options.tail = Tail::keep;
        loader.emplace(*dataset, options);
        loader->begin_epoch(0);
    }
    std::int64_t sum(std::int64_t mine) const {
        std::int64_t all = 0;
        core::check_mpi(MPI_Allreduce(&mine, &all, 1, MPI_INT64_T, MPI_SUM, comm.get()), "add up");
        return all;
    }
    bool is_last() const { return comm.rank() == comm.size() - 1; }
};

}  // namespace

TEST_CASE("a pass sees every sample once, and no more steps than it is given") {
    World world;
    std::int64_t seen = 0;
    CHECK(pass(*world.loader, INT64_MAX, world.comm, {}, [&](const Batch& batch) { seen += batch.valid; }));
    CHECK(world.sum(seen) == world.dataset->samples("train"));
    world.loader->begin_epoch(0);
    int batches = 0;
    CHECK(pass(*world.loader, 2, world.comm, {}, [&](const Batch&) { ++batches; }));
    CHECK(batches == 2);
}

TEST_CASE("a pass that one rank is asked to leave ends on all after the same batch") {
    World world;
    Agreement agreement(world.comm);
    int batches = 0;
    const bool is_whole = pass(
        *world.loader, INT64_MAX, world.comm,
        [&](bool) {
            return !agreement.reach(world.is_last() && batches == 3 ? unsigned{Agreement::kStop} : 0);
        },
        [&](const Batch&) { ++batches; });
    CHECK_FALSE(is_whole);
    CHECK(batches == 3);
}

TEST_CASE("a rank that fails in a pass ends it on all, with its own words") {
    World world;
    Agreement agreement(world.comm);
    int batches = 0;
    const GoOn go_on = [&](bool failed) {
        return !agreement.reach(failed ? unsigned{Agreement::kFailed} : 0);
    };
    CHECK_THROWS_WITH(pass(*world.loader, INT64_MAX, world.comm, go_on,
                           [&](const Batch&) {
                               if (++batches == 2 && world.is_last())
                                   throw core::Error(core::Fault::data, "sample 17 is damaged");
                           }),
                      "sample 17 is damaged");
    CHECK(batches == 2);
}

TEST_CASE("standardising that is left off changes nothing, and goes to its end the next time") {
    World world(2);  // of which the manifest does not know each mean
    Agreement agreement(world.comm);
    const Recipe recipe = world.recipe("width = 8\nblocks = [1]\n[evaluate]\nbatch = 1\n");
    const auto model = make_model(recipe.model, {world.loader->input_shape(), 3}, 1);
    const auto state = [&] {
        std::vector<at::Tensor> all;
        for (const auto& each : model->state()) all.push_back(each.tensor.to(at::kDouble).flatten());
        return at::cat(all).clone();
    };
    const at::Tensor before = state();
    CHECK_FALSE(standardise(*model, *world.dataset, recipe, world.comm, [&](bool) {
        return !agreement.reach(world.is_last() ? unsigned{Agreement::kStop} : 0);
    }));
    CHECK(at::equal(state(), before));
    CHECK(standardise(*model, *world.dataset, recipe, world.comm, {}));
    CHECK_FALSE(at::equal(state(), before));
}
