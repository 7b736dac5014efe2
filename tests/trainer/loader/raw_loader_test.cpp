#include "trainer/loader/raw_loader.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace trainer;

namespace {

// Samples of an epoch from `first` on, in the order in which `ranks` ranks take them, step after step; at most
// `steps` of them. `next` is where the last step said that the one after it begins.
struct Taken {
    std::vector<std::int64_t> order;
    std::int64_t next = 0;
};
Taken take(const Dataset& dataset, LoaderOptions options, int ranks, std::int64_t first,
           std::int64_t steps = INT64_MAX) {
    std::vector<std::unique_ptr<RawLoader>> loaders;
    options.ranks = ranks;
    for (options.rank = 0; options.rank < ranks; ++options.rank) {
        loaders.push_back(std::make_unique<RawLoader>(dataset, options));
        loaders.back()->begin_epoch(3, first);
    }
    Taken taken{{}, first};
    for (std::int64_t step = 0; step < steps; ++step) {
        std::vector<std::optional<RawBatch>> batches;
        for (const auto& loader : loaders) batches.push_back(loader->next());
        for (const auto& batch : batches) {
            REQUIRE(batch.has_value() == batches[0].has_value());  // every rank has the same number of steps
            if (!batch) return taken;
            CHECK(batch->next == batches[0]->next);
            CHECK(batch->step == batches[0]->step);
            CHECK(batch->valid == static_cast<std::int64_t>(batch->sample.size()));
            for (std::int64_t i = 0; i < batch->valid; ++i) {
                const std::int64_t number = batch->sample[static_cast<std::size_t>(i)];
                const core::Bytes bytes = made::sample(dataset.schema(), number).fields[0].bytes;
                const auto size = static_cast<std::int64_t>(bytes.size());
                CHECK(std::equal(bytes.begin(), bytes.end(), batch->inputs.get() + i * size));
                taken.order.push_back(number);
            }
        }
        taken.next = batches[0]->next;
    }
    return taken;
}

struct Made {
    test::Scratch folder;
    core::Manifest manifest = made::dataset(folder.path(), made::images({1, 128, 128}), {150, 90, 40});
    Dataset dataset{folder.path(), made::key(), {}, core::Seal::optional};
};

}  // namespace

TEST_CASE("an epoch that is left after any step goes on where it was, on any number of ranks") {
    const Made made;
    LoaderOptions options;
    options.seed = 5;
    options.global_batch = 12;  // which 5 and 7 do not divide
    const Taken whole = take(made.dataset, options, 1, 0);
    for (const std::int64_t stop : {1, 2, 5}) {
        Taken parts = take(made.dataset, options, 4, 0, stop);
        CHECK(parts.next == stop * 12);
        for (const int ranks : {5, 2, 7}) {  // lost and requeued, twice within the epoch
            const Taken more = take(made.dataset, options, ranks, parts.next, ranks == 7 ? INT64_MAX : 1);
            parts.order.insert(parts.order.end(), more.order.begin(), more.order.end());
            parts.next = more.next;
        }
        CHECK(parts.order == whole.order);
        CHECK(parts.next == whole.next);
    }
}

TEST_CASE("an epoch goes on at any sample with another batch: each sample once, the order the same") {
    const Made made;
    LoaderOptions options;
    options.seed = 5;
    options.tail = Tail::keep;
    options.global_batch = 12;
    const Taken whole = take(made.dataset, options, 1, 0);
    CHECK(static_cast<std::int64_t>(whole.order.size()) == made.dataset.samples("train"));
    CHECK(whole.next == made.dataset.samples("train"));
    for (const int batch : {7, 31, 1000}) {
        Taken parts = take(made.dataset, options, 2, 0, 3);
        LoaderOptions other = options;
        other.global_batch = batch;
        const Taken more = take(made.dataset, other, 3, parts.next);
        parts.order.insert(parts.order.end(), more.order.begin(), more.order.end());
        CHECK(parts.order == whole.order);
        CHECK(more.next == whole.next);
    }
    CHECK(take(made.dataset, options, 2, whole.next).order.empty());
}

TEST_CASE("a training epoch that goes on with another batch leaves out only what fills no step") {
    const Made made;
    LoaderOptions options;
    options.seed = 5;
    options.global_batch = 12;
    const Taken head = take(made.dataset, options, 2, 0, 2);
    options.global_batch = 7;
    const Taken rest = take(made.dataset, options, 2, head.next);
    CHECK(static_cast<std::int64_t>(rest.order.size()) == (made.dataset.samples("train") - 24) / 7 * 7);
    CHECK(take(made.dataset, options, 2, made.dataset.samples("train") - 6).order.empty());
}

TEST_CASE("an epoch is not entered outside its samples") {
    const Made made;
    RawLoader loader(made.dataset, {});
    CHECK_THROWS_WITH(loader.begin_epoch(0, -1), Catch::Contains("cannot start at sample -1"));
    CHECK_THROWS_AS(loader.begin_epoch(-1, 0), core::Error);
    CHECK_THROWS_AS(loader.begin_epoch(0, made.dataset.samples("train") + 1), core::Error);
}

TEST_CASE("a batch outlives its loader, and its memory is used again when it is let go") {
    const Made made;
    LoaderOptions options;
    options.batch_size = 4;
    auto loader = std::make_unique<RawLoader>(made.dataset, options);
    loader->begin_epoch(0);
    const std::optional<RawBatch> kept = loader->next();
    const std::vector<std::uint8_t> before(kept->inputs.get(), kept->inputs.get() + 4 * 128 * 128);
    std::set<const void*> places;
    std::int64_t steps = 0;
    for (int epoch = 1; epoch < 4; ++epoch) {
        loader->begin_epoch(epoch);
        for (; const auto batch = loader->next(); ++steps) {
            CHECK(batch->inputs.get() != kept->inputs.get());
            places.insert(batch->inputs.get());
        }
    }
    CHECK(static_cast<std::int64_t>(places.size()) < steps / 2);
    loader.reset();
    CHECK(std::equal(before.begin(), before.end(), kept->inputs.get()));
}

TEST_CASE("a ragged sample comes with its own shape, converted if asked") {
    const test::Scratch folder;
    made::dataset(folder.path(), made::everything(), {40});
    const Dataset dataset(folder.path(), made::key(), {}, core::Seal::optional);
    LoaderOptions options;
    options.field = "volume";
    options.batch_size = 1;
    options.tail = Tail::keep;
    const bool converted = GENERATE(false, true);
    if (converted) options.normalise = Normalise{{2.0F}, {1.0F}};
    RawLoader loader(dataset, options);
    loader.begin_epoch(0);
    std::int64_t seen = 0;
    for (; const auto batch = loader.next(); ++seen) {
        const core::Array array = made::sample(dataset.schema(), batch->sample[0]).fields[1];
        REQUIRE(batch->shape == std::vector<std::int64_t>{1, array.shape[0], array.shape[1], array.shape[2]});
        CHECK(batch->dtype == (converted ? core::DType::f32 : core::DType::i16));
        for (std::size_t i = 0; i < array.bytes.size() / 2; ++i) {
            std::int16_t value, raw;
            std::memcpy(&value, array.bytes.data() + 2 * i, 2);
            std::memcpy(&raw, batch->inputs.get() + 2 * i, 2);
            if (converted)
                CHECK(reinterpret_cast<const float*>(batch->inputs.get())[i] ==
                      static_cast<float>(value) * 2 + 1);
            else
                CHECK(raw == value);
        }
    }
    CHECK(seen == loader.samples());
}
