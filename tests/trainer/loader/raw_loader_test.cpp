#include "trainer/loader/raw_loader.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
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
                CHECK(std::equal(bytes.begin(), bytes.end(), batch->inputs.memory.get() + i * size));
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
    const std::vector<std::uint8_t> before(kept->inputs.memory.get(),
                                           kept->inputs.memory.get() + 4 * 128 * 128);
    std::set<const void*> places;
    std::int64_t steps = 0;
    for (int epoch = 1; epoch < 4; ++epoch) {
        loader->begin_epoch(epoch);
        for (; const auto batch = loader->next(); ++steps) {
            CHECK(batch->inputs.memory.get() != kept->inputs.memory.get());
            places.insert(batch->inputs.memory.get());
        }
    }
    CHECK(static_cast<std::int64_t>(places.size()) < steps / 2);
    loader.reset();
    CHECK(std::equal(before.begin(), before.end(), kept->inputs.memory.get()));
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
        REQUIRE(batch->inputs.shape ==
                std::vector<std::int64_t>{1, array.shape[0], array.shape[1], array.shape[2]});
        CHECK(batch->inputs.dtype == (converted ? core::DType::f32 : core::DType::i16));
        for (std::size_t i = 0; i < array.bytes.size() / 2; ++i) {
            std::int16_t value, raw;
            std::memcpy(&value, array.bytes.data() + 2 * i, 2);
            std::memcpy(&raw, batch->inputs.memory.get() + 2 * i, 2);
            if (converted)
                CHECK(reinterpret_cast<const float*>(batch->inputs.memory.get())[i] ==
                      static_cast<float>(value) * 2 + 1);
            else
                CHECK(raw == value);
        }
    }
    CHECK(seen == loader.samples());
}

namespace {

std::vector<std::int16_t> values_of(const core::Bytes& bytes) {
    std::vector<std::int16_t> values(bytes.size() / 2);
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

// What a crop of [C, H, W] in its last two dimensions is, element by element.
std::vector<std::int16_t> cropped(const core::Array& array, const std::int64_t* origin,
                                  const std::vector<std::int64_t>& extent, std::int16_t fill) {
    const std::vector<std::int16_t> values = values_of(array.bytes);
    std::vector<std::int16_t> out;
    for (std::int64_t c = 0; c < array.shape[0]; ++c)
        for (std::int64_t y = origin[0]; y < origin[0] + extent[0]; ++y)
            for (std::int64_t x = origin[1]; x < origin[1] + extent[1]; ++x) {
                const bool is_inside = y >= 0 && y < array.shape[1] && x >= 0 && x < array.shape[2];
                out.push_back(
                    is_inside
                        ? values[static_cast<std::size_t>((c * array.shape[1] + y) * array.shape[2] + x)]
                        : fill);
            }
    return out;
}

// Volumes of one channel, 4 x (2 to 6), with a mask of the same shape.
struct Volumes {
    test::Scratch folder;
    core::Schema schema{{{"volume", core::DType::i16, {}, ""}, {"mask", core::DType::i16, {}, ""}},
                        made::columns()};
    static core::Sample sample(const core::Schema& schema, std::int64_t number) {
        core::Sample made = made::sample(schema, number);
        for (core::Array& array : made.fields) {
            array.shape[0] = 1;
            array.bytes.resize(static_cast<std::size_t>(array.shape[1] * array.shape[2]) * 2);
        }
        return made;
    }
    explicit Volumes(std::int64_t odd_sample = -1) {
        core::Manifest manifest;
        manifest.dataset = "made", manifest.version = "1", manifest.key_id = made::key().id();
        manifest.schema = schema;
        const core::SecretKey key = made::key();
        core::ManifestWriter writer(folder.path(), manifest, key);
        core::make_directories(folder.path() / "shards");
        core::ShardWriter shard(folder.path() / "shards" / core::shard_file(0), schema, "made@1", 0, key, {});
        for (std::int64_t i = 0; i < 40; ++i) {
            core::Sample made = sample(schema, i);
            if (i == odd_sample) made.fields[1].shape = {1, made.fields[1].shape[2], 4};
            shard.append(made);
        }
        writer.add(shard.finish());
        writer.finish();
    }
    Dataset dataset() const { return {folder.path(), made::key(), {}, core::Seal::optional}; }
};

LoaderOptions cropping(Crop crop) {
    LoaderOptions options;
    options.field = "volume";
    options.split = "";
    options.batch_size = 6;
    options.tail = Tail::keep;
    options.crop = std::move(crop);
    return options;
}

}  // namespace

TEST_CASE("samples of different shapes come in one batch, cropped and filled, a mask at the same place") {
    const Volumes volumes;
    const Dataset dataset = volumes.dataset();
    const auto place = GENERATE(Crop::Place::centre, Crop::Place::random);
    const Crop crop{{3, 4}, place, -7};
    LoaderOptions options = cropping(crop);
    options.beside = {"mask"};
    RawLoader loader(dataset, options);
    std::set<std::vector<std::int64_t>> places;
    std::int64_t seen = 0, filled = 0;
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
        loader.begin_epoch(epoch);
        while (const auto batch = loader.next()) {
            REQUIRE(batch->inputs.shape == std::vector<std::int64_t>{batch->valid, 1, 3, 4});
            REQUIRE(batch->beside[0].shape == batch->inputs.shape);
            for (std::int64_t i = 0; i < batch->valid; ++i, ++seen) {
                const core::Sample whole =
                    Volumes::sample(dataset.schema(), batch->sample[static_cast<std::size_t>(i)]);
                const std::int64_t* const origin = batch->origin.data() + 2 * i;
                const std::int64_t room = whole.fields[0].shape[2] - 4;
                if (place == Crop::Place::centre || room <= 0)
                    CHECK(origin[1] == (room < 0 ? -(-room / 2) : room / 2));
                else
                    CHECK((origin[1] >= 0 && origin[1] <= room));
                filled += origin[1] < 0;
                if (whole.fields[0].shape[2] == 6) places.insert({origin[0], origin[1]});
                const auto* const got = reinterpret_cast<const std::int16_t*>(batch->inputs.memory.get());
                const auto* const mask = reinterpret_cast<const std::int16_t*>(batch->beside[0].memory.get());
                CHECK(std::vector<std::int16_t>(got + 12 * i, got + 12 * (i + 1)) ==
                      cropped(whole.fields[0], origin, {3, 4}, -7));
                CHECK(std::vector<std::int16_t>(mask + 12 * i, mask + 12 * (i + 1)) ==
                      cropped(whole.fields[1], origin, {3, 4}, 0));
            }
        }
    }
    CHECK(seen == 3 * 40);
    CHECK(filled > 0);
    CHECK(places.size() == (place == Crop::Place::centre ? 1 : 6));  // 2 x 3 there are
}

TEST_CASE("a random crop is a function of seed, epoch and sample, on any number of ranks and threads") {
    const Volumes volumes;
    const Dataset dataset = volumes.dataset();
    const auto origins = [&](int ranks, int threads, std::uint64_t seed, std::int64_t epoch) {
        std::map<std::int64_t, std::vector<std::int64_t>> found;
        for (int rank = 0; rank < ranks; ++rank) {
            LoaderOptions options = cropping({{3, 2}, Crop::Place::random, 0});
            options.ranks = ranks, options.rank = rank, options.threads = threads, options.seed = seed;
            RawLoader loader(dataset, options);
            loader.begin_epoch(epoch);
            while (const auto batch = loader.next())
                for (std::int64_t i = 0; i < batch->valid; ++i)
                    found[batch->sample[static_cast<std::size_t>(i)]] = {
                        batch->origin[static_cast<std::size_t>(2 * i)],
                        batch->origin[static_cast<std::size_t>(2 * i + 1)]};
        }
        return found;
    };
    const auto once = origins(1, 1, 5, 2);
    CHECK(once.size() == 40);
    for (const int ranks : {1, 2, 4, 3}) CHECK(origins(ranks, 2, 5, 2) == once);
    CHECK(origins(1, 1, 5, 3) != once);
    CHECK(origins(1, 1, 6, 2) != once);
}

TEST_CASE("an epoch has each sample so many times, each cropped anew, or around the pixel that it is told") {
    const Volumes volumes;
    const Dataset dataset = volumes.dataset();
    const auto origins = [&](int ranks, const Crop& crop) {
        std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>> found;
        for (int rank = 0; rank < ranks; ++rank) {
            LoaderOptions options = cropping(crop);
            options.per_sample = 3, options.ranks = ranks, options.rank = rank;
            RawLoader loader(dataset, options);
            loader.begin_epoch(2);
            while (const auto batch = loader.next())
                for (std::size_t i = 0; i < static_cast<std::size_t>(batch->valid); ++i)
                    found[{batch->sample[i], batch->which[i]}] = {batch->origin[2 * i],
                                                                  batch->origin[2 * i + 1]};
        }
        return found;
    };
    Crop crop{{3, 2}, Crop::Place::random, 0};
    const auto once = origins(1, crop);
    CHECK(once.size() == 120);
    for (const int ranks : {2, 3}) CHECK(origins(ranks, crop) == once);
    crop.around = [](std::int64_t draw, std::int64_t) {  // but for the third of epoch 2
        return draw == 8 ? std::vector<std::int64_t>() : std::vector<std::int64_t>{0, 100};
    };
    for (const auto& [of, origin] : origins(2, crop)) {
        const auto shape = Volumes::sample(dataset.schema(), of.first).fields[0].shape;
        const std::vector<std::int64_t> last{std::min<std::int64_t>(0, (shape[1] - 3) / 2), shape[2] - 2};
        CHECK(origin == (of.second == 2 ? once.at(of) : last));
    }
}

TEST_CASE("a crop is float32 if asked, its fill too, and of a fixed shape it is the same part") {
    const Volumes volumes;
    const Dataset dataset = volumes.dataset();
    LoaderOptions options = cropping({{3, 9}, Crop::Place::centre, -7});
    options.normalise = Normalise{{0.5F}, {1.0F}};
    RawLoader loader(dataset, options);
    loader.begin_epoch(0);
    while (const auto batch = loader.next()) {
        REQUIRE(batch->inputs.dtype == core::DType::f32);
        const auto* const got = reinterpret_cast<const float*>(batch->inputs.memory.get());
        for (std::int64_t i = 0; i < batch->valid; ++i) {
            const core::Sample whole =
                Volumes::sample(dataset.schema(), batch->sample[static_cast<std::size_t>(i)]);
            std::vector<float> expected;
            for (const std::int16_t value :
                 cropped(whole.fields[0], batch->origin.data() + 2 * i, {3, 9}, -7))
                expected.push_back(static_cast<float>(value) * 0.5F + 1);
            CHECK(std::vector<float>(got + 27 * i, got + 27 * (i + 1)) == expected);
        }
    }
    const Made images;
    LoaderOptions whole_images, parts;
    whole_images.seed = parts.seed = 4;
    parts.crop = Crop{{100, 20}, Crop::Place::random, 0};
    RawLoader all(images.dataset, whole_images), some(images.dataset, parts);
    all.begin_epoch(1), some.begin_epoch(1);
    while (const auto batch = some.next()) {
        const auto full = all.next();
        REQUIRE(batch->sample == full->sample);
        REQUIRE(batch->inputs.shape == std::vector<std::int64_t>{32, 1, 100, 20});
        for (std::int64_t i = 0; i < batch->valid; ++i) {
            const std::int64_t* const origin = batch->origin.data() + 2 * i;
            for (std::int64_t y = 0; y < 100; ++y)
                REQUIRE(std::equal(batch->inputs.memory.get() + (i * 100 + y) * 20,
                                   batch->inputs.memory.get() + (i * 100 + y + 1) * 20,
                                   full->inputs.memory.get() + (i * 128 + origin[0] + y) * 128 + origin[1]));
        }
    }
}

TEST_CASE("what no crop can be is refused, and a sample that the others' crop does not fit is named") {
    const Volumes volumes(16);
    const Dataset dataset = volumes.dataset();
    for (const std::vector<std::int64_t>& extent :
         {std::vector<std::int64_t>{}, {0, 3}, {1, 1, 3, 3}, {-1}, {std::int64_t{1} << 21}})
        CHECK_THROWS_WITH(RawLoader(dataset, cropping({extent, Crop::Place::centre, 0})),
                          Catch::Contains("a crop has 1 to 4 extents"));
    for (const double fill : {0.5, 32768.0, -32769.0, std::nan("")})
        CHECK_THROWS_WITH(RawLoader(dataset, cropping({{2, 2}, Crop::Place::centre, fill})),
                          Catch::Contains("a value that the field volume can have"));
    LoaderOptions whole = cropping({});
    whole.crop.reset();
    CHECK_THROWS_WITH(RawLoader(dataset, whole), Catch::Contains("give a crop"));
    const std::int64_t huge = std::int64_t{1} << 20;
    CHECK_THROWS_WITH(RawLoader(dataset, cropping({{huge, huge, huge}, Crop::Place::centre, 0})),
                      Catch::Contains("more than any machine holds"));
    // A crop through all dimensions has no channels; two of them have one.
    LoaderOptions channels = cropping({{1, 2, 2}, Crop::Place::centre, 0});
    channels.normalise = Normalise{{1.0F, 2.0F}, {0.0F}};
    CHECK_THROWS_WITH(RawLoader(dataset, channels), Catch::Contains("1 channels"));

    LoaderOptions options = cropping({{2, 2}, Crop::Place::centre, 0});
    options.beside = {"mask"};
    options.order = Order::stored;
    RawLoader loader(dataset, options);
    loader.begin_epoch(0);
    const auto read = [&] {
        while (loader.next()) {
        }
    };
    CHECK_THROWS_WITH(read(), Catch::Contains("/fields/mask sample 16 of the dataset") &&
                                  Catch::Contains("the field it lies beside"));
    options.beside.clear();
    RawLoader without(dataset, options);
    without.begin_epoch(0);
    std::int64_t seen = 0;
    while (const auto batch = without.next()) seen += batch->valid;
    CHECK(seen == 40);
}

TEST_CASE("fields beside the first come as they are stored, with and without a batch of one shape") {
    const test::Scratch folder;
    made::dataset(folder.path(), made::everything(), {40});
    const Dataset dataset(folder.path(), made::key(), {}, core::Seal::optional);
    LoaderOptions options;
    options.field = "image", options.batch_size = 8, options.beside = {"features"};
    options.normalise = Normalise{{2.0F}, {0.0F}};
    RawLoader loader(dataset, options);
    loader.begin_epoch(0);
    while (const auto batch = loader.next()) {
        REQUIRE(batch->beside.at(0).shape == std::vector<std::int64_t>{8, 7});
        CHECK(batch->beside[0].dtype == core::DType::f32);
        for (std::size_t i = 0; i < 8; ++i) {
            const core::Bytes expected = made::sample(dataset.schema(), batch->sample[i]).fields[2].bytes;
            CHECK(std::equal(expected.begin(), expected.end(), batch->beside[0].memory.get() + i * 28));
        }
    }
    LoaderOptions huge = options;
    huge.field = "features", huge.beside.clear();
    huge.crop = Crop{{9}, Crop::Place::centre, 1e300};
    CHECK_THROWS_WITH(RawLoader(dataset, huge), Catch::Contains("a value that the field features can have"));
    options.beside = {"volume"};
    CHECK_THROWS_WITH(RawLoader(dataset, options), Catch::Contains("samples of the field volume differ"));
    options.beside = {"nothing"};
    CHECK_THROWS_AS(RawLoader(dataset, options), core::Error);
}
