#include "trainer/data/loader.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <numeric>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace trainer;

namespace {

// Numbers of the samples of one rank's epoch, step by step; checks every batch against what was written.
std::vector<std::vector<std::int64_t>> read_epoch(const Dataset& dataset, LoaderOptions options,
                                                  std::int64_t epoch, std::int64_t first_step = 0) {
    const core::Schema& schema = dataset.schema();
    Loader loader(dataset, options);
    loader.begin_epoch(epoch, first_step);
    std::vector<std::vector<std::int64_t>> steps;
    while (const auto batch = loader.next()) {
        CHECK(batch->step == first_step + static_cast<std::int64_t>(steps.size()));
        REQUIRE(batch->inputs.size(0) == batch->valid);
        auto& step = steps.emplace_back();
        for (std::int64_t i = 0; i < batch->valid; ++i) {
            const std::int64_t number = batch->sample[i].item<std::int64_t>();
            step.push_back(number);
            const core::Sample made = made::sample(schema, number);
            const auto name = [&](const char* column) {
                return std::get<std::string>(made.columns[schema.column(column)]);
            };
            const auto code = [&](const char* column) {
                return schema.columns[schema.column(column)].code_of(name(column));
            };
            CHECK(name("split") == options.split);
            CHECK(batch->labels[i].item<std::int64_t>() == code("label"));
            CHECK(batch->site[i].item<std::int64_t>() == code("site"));
            CHECK(batch->vendor[i].item<std::int64_t>() == code("vendor"));
            const core::Id16 patient = std::get<core::Id16>(made.columns[schema.column("patient")]);
            CHECK(std::memcmp(batch->patient[i].data_ptr(), patient.data(), patient.size()) == 0);
            const core::Bytes& bytes = made.fields[0].bytes;
            const at::Tensor input = batch->inputs[i].contiguous();
            if (!options.normalise) {
                REQUIRE(static_cast<std::size_t>(input.nbytes()) == bytes.size());
                CHECK(std::memcmp(input.data_ptr(), bytes.data(), bytes.size()) == 0);
            }
        }
    }
    CHECK(first_step + static_cast<std::int64_t>(steps.size()) == loader.steps_per_epoch());
    return steps;
}

std::vector<std::int64_t> in_order(const Dataset& dataset, LoaderOptions options, int ranks,
                                   std::int64_t global, std::int64_t epoch) {
    std::vector<std::vector<std::vector<std::int64_t>>> all;
    for (int rank = 0; rank < ranks; ++rank) {
        options.rank = rank;
        options.ranks = ranks;
        options.batch_size = global / ranks;
        all.push_back(read_epoch(dataset, options, epoch));
        CHECK(all.back().size() == all.front().size());  // every rank has the same number of steps
    }
    std::vector<std::int64_t> order;
    for (std::size_t step = 0; step < all[0].size(); ++step)
        for (const auto& rank : all) order.insert(order.end(), rank[step].begin(), rank[step].end());
    return order;
}

std::vector<std::int64_t> members(const core::Manifest& manifest, const std::string& split) {
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 0; i < manifest.samples(); ++i) {
        const auto sample = made::sample(manifest.schema, i);
        if (std::get<std::string>(sample.columns[manifest.schema.column("split")]) == split)
            numbers.push_back(i);
    }
    return numbers;
}

Dataset open(const std::filesystem::path& dir) {
    return Dataset(dir, made::key(), {}, core::Seal::optional);
}

// Large enough for several windows: a block holds 1 MB / 64 KB = 16 samples.
core::Schema large_images() {
    return made::images({1, 256, 256});
}

}  // namespace

TEST_CASE("training has the same global order on 1, 2 and 4 ranks, each sample at most once") {
    const test::Scratch folder;
    const auto manifest = made::dataset(folder.path(), large_images(), {300, 170, 40});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.seed = 11;
    const auto one = in_order(dataset, options, 1, 12, 3);
    CHECK(one == in_order(dataset, options, 2, 12, 3));
    CHECK(one == in_order(dataset, options, 4, 12, 3));
    CHECK(one != in_order(dataset, options, 1, 12, 4));
    auto sorted = one;
    std::sort(sorted.begin(), sorted.end());
    CHECK(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end());
    const auto train = members(manifest, "train");
    CHECK(std::includes(train.begin(), train.end(), sorted.begin(), sorted.end()));
    CHECK(sorted.size() == train.size() / 12 * 12);
}

TEST_CASE("validation has every sample exactly once, in stored order, on any number of ranks") {
    const test::Scratch folder;
    const auto manifest = made::dataset(folder.path(), made::images(), {61, 5, 32});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.split = "validation";
    options.order = Order::stored;
    options.tail = Tail::keep;
    const auto expected = members(manifest, "validation");
    for (const int ranks : {1, 2, 4}) {
        CHECK(in_order(dataset, options, ranks, 4, 0) == expected);
        CHECK(in_order(dataset, options, ranks, 8, 0) == expected);
        CHECK(in_order(dataset, options, ranks, 64, 0) == expected);  // some ranks have none in the only step
    }
}

TEST_CASE("a dataset without site and vendor is read; both are missing everywhere") {
    const test::Scratch folder;
    core::Schema schema = made::images();
    std::erase_if(schema.columns,
                  [](const auto& column) { return column.name == "site" || column.name == "vendor"; });
    const auto manifest = made::dataset(folder.path(), schema, {9, 4});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.split = "train";
    options.batch_size = 4;
    options.order = Order::stored;
    options.tail = Tail::keep;
    Loader loader(dataset, options);
    loader.begin_epoch(0);
    std::int64_t samples = 0;
    while (const auto batch = loader.next()) {
        samples += batch->valid;
        for (std::int64_t i = 0; i < batch->valid; ++i) {
            CHECK(batch->site[i].item<std::int64_t>() == core::kMissingCategory);
            CHECK(batch->vendor[i].item<std::int64_t>() == core::kMissingCategory);
        }
    }
    CHECK(samples == static_cast<std::int64_t>(members(manifest, "train").size()));
}

TEST_CASE("resuming in the middle of an epoch equals not having stopped") {
    const test::Scratch folder;
    made::dataset(folder.path(), large_images(), {300, 170});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.batch_size = 7;
    options.ranks = 2;
    options.rank = 1;
    const auto whole = read_epoch(dataset, options, 5);
    for (const std::size_t from : {std::size_t{1}, whole.size() / 2, whole.size() - 1, whole.size()}) {
        const auto rest = read_epoch(dataset, options, 5, static_cast<std::int64_t>(from));
        CHECK(std::vector(whole.begin() + static_cast<std::ptrdiff_t>(from), whole.end()) == rest);
    }
    Loader loader(dataset, options);
    CHECK_THROWS_AS(loader.next(), core::Error);
    CHECK_THROWS_AS(loader.begin_epoch(0, loader.steps_per_epoch() + 1), core::Error);
    loader.begin_epoch(9);  // left in the middle
    loader.next();
    loader.begin_epoch(5);
    CHECK(loader.next()->sample[0].item<std::int64_t>() == whole[0][0]);
}

TEST_CASE("the number of threads changes nothing") {
    const test::Scratch folder;
    made::dataset(folder.path(), large_images(), {200, 200});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.batch_size = 10;
    const auto one = read_epoch(dataset, options, 0);
    options.threads = 4;
    CHECK(one == read_epoch(dataset, options, 0));
}

TEST_CASE("normalised batches are float32: value * scale + offset of their channel") {
    const test::Scratch folder;
    const core::Schema schema = made::images({2, 3, 4}, core::DType::u16);
    made::dataset(folder.path(), schema, {40});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.batch_size = 4;
    options.normalise = Normalise{{0.5F, 2.0F}, {1.0F}};
    Loader loader(dataset, options);
    loader.begin_epoch(0);
    while (const auto batch = loader.next()) {
        REQUIRE(batch->inputs.scalar_type() == at::kFloat);
        for (std::int64_t i = 0; i < batch->valid; ++i) {
            const auto made = made::sample(schema, batch->sample[i].item<std::int64_t>());
            for (std::size_t k = 0; k < 24; ++k) {
                std::uint16_t raw = 0;
                std::memcpy(&raw, made.fields[0].bytes.data() + 2 * k, 2);
                const float expected = static_cast<float>(raw) * (k < 12 ? 0.5F : 2.0F) + 1.0F;
                CHECK(batch->inputs[i].contiguous().data_ptr<float>()[k] == expected);
            }
        }
    }
}

TEST_CASE("a table and ragged volumes go through the same loader") {
    const test::Scratch folder;
    core::Schema schema{{{"features", core::DType::f32, {30}, ""}, {"volume", core::DType::i16, {}, ""}},
                        made::columns()};
    made::dataset(folder.path(), schema, {90});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    CHECK_THROWS_AS(Loader(dataset, options), core::Error);  // which field?
    options.field = "features";
    options.batch_size = 8;
    read_epoch(dataset, options, 0);
    options.field = "volume";
    CHECK_THROWS_AS(Loader(dataset, options), core::Error);  // shapes differ
    options.batch_size = 1;
    Loader loader(dataset, options);
    loader.begin_epoch(0);
    const auto batch = loader.next();
    const auto made = made::sample(schema, batch->sample[0].item<std::int64_t>());
    CHECK(batch->inputs[0].sizes().vec() == made.fields[1].shape);
    CHECK(std::memcmp(batch->inputs.data_ptr(), made.fields[1].bytes.data(), made.fields[1].bytes.size()) ==
          0);
    options.label = "age";
    Loader regression(dataset, options);
    regression.begin_epoch(0);
    CHECK(regression.next()->labels.scalar_type() == at::kDouble);
}

TEST_CASE("a batch keeps its memory as long as a tensor refers to it") {
    const test::Scratch folder;
    const core::Schema schema = made::images();
    made::dataset(folder.path(), schema, {200});
    const Dataset dataset = open(folder.path());
    std::vector<Batch> kept;
    {
        LoaderOptions options;
        options.batch_size = 4;
        Loader loader(dataset, options);
        loader.begin_epoch(0);
        while (auto batch = loader.next()) kept.push_back(std::move(*batch));
    }
    for (const Batch& batch : kept)
        for (std::int64_t i = 0; i < batch.valid; ++i) {
            const auto made = made::sample(schema, batch.sample[i].item<std::int64_t>());
            CHECK(std::memcmp(batch.inputs[i].data_ptr(), made.fields[0].bytes.data(),
                              made.fields[0].bytes.size()) == 0);
        }
}

TEST_CASE("a flipped byte is named by file, dataset and sample before a batch with it is handed out") {
    const test::Scratch folder;
    const auto manifest = made::dataset(folder.path(), made::images({1, 64, 64}), {60, 60});
    const std::int64_t hurt = 17;
    {
        const core::ShardReader reader(folder / "shards/shard-000001.h5",
                                       core::Version(folder.path(), {}, core::Seal::optional).shard(1),
                                       manifest.schema, "made@1", 1, made::key());
        made::flip(folder / "shards/shard-000001.h5", reader.offset(0, hurt) + 1000);
    }
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.split = "";
    options.batch_size = 5;
    options.order = GENERATE(Order::shuffled, Order::stored);
    Loader loader(dataset, options);
    loader.begin_epoch(0);
    std::string message;
    std::int64_t before = 0;
    try {
        while (const auto batch = loader.next()) {
            ++before;
            for (std::int64_t i = 0; i < batch->valid; ++i)
                CHECK(batch->sample[i].item<std::int64_t>() != 60 + hurt);
        }
    } catch (const core::Error& e) {
        message = e.what();
        CHECK(e.fault() == core::Fault::data);
    }
    CHECK_THAT(message, Catch::Contains("shard-000001.h5: /fields/image sample 17: authentication failed"));
    CHECK_THROWS_AS(loader.next(), core::Error);  // it does not skip over it either
    // Whole batches that were read in one go with it, and were not fetched yet, are handed out all the same.
    if (options.order == Order::stored) CHECK(before == (60 + hurt) / options.batch_size);
}

TEST_CASE("a shard that is cut while it is read ends in an error, not in a signal") {
    const test::Scratch folder;
    made::dataset(folder.path(), large_images(), {200});
    const Dataset dataset = open(folder.path());
    LoaderOptions options;
    options.split = "";
    options.batch_size = 2;
    options.order = Order::stored;
    Loader loader(dataset, options);
    loader.begin_epoch(0);
    loader.next();
    std::filesystem::resize_file(folder / "shards/shard-000000.h5", 4096);
    CHECK_THROWS_AS(([&] {
                        while (loader.next()) {
                        }
                    })(),
                    core::Error);
}

TEST_CASE("another key is refused before anything is read") {
    const test::Scratch folder;
    made::dataset(folder.path(), made::images(), {10});
    try {
        Dataset dataset(folder.path(), made::key(8), {}, core::Seal::optional);
        FAIL("opened");
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::refused);
    }
}
