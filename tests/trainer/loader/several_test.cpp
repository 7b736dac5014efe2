#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/scratch.h"
#include "trainer/loader/balance.h"

using namespace trainer;

namespace {

// Of images, all for training; sample `i` is of the site names[i % their number], and shows `first` + i.
struct Made {
    test::Scratch folder;
    std::unique_ptr<Dataset> dataset;
    std::int64_t first;

    Made(const std::string& name, core::Schema schema, std::vector<std::string> sites, std::int64_t first_of,
         const std::vector<std::int64_t>& shards)
        : first(first_of) {
        for (core::Column& column : schema.columns)
            if (column.name == "site") column.names = sites;
        core::Manifest manifest;
        manifest.dataset = name;
        manifest.version = "1";
        const core::SecretKey key = made::key();
        manifest.key_id = key.id();
        manifest.codec = core::WriterOptions().codec;
        manifest.schema = schema;
        core::ManifestWriter pages(folder / "data", manifest, key);
        core::make_directories(folder / "data" / "shards");
        std::int64_t i = 0;
        for (std::size_t s = 0; s < shards.size(); ++s) {
            const auto shard = static_cast<std::int64_t>(s);
            core::ShardWriter writer(folder / "data" / "shards" / core::shard_file(shard), schema,
                                     name + "@1", shard, key, {});
            for (std::int64_t k = 0; k < shards[s]; ++k, ++i) {
                core::Sample sample = made::sample(schema, first + i);
                sample.columns[schema.column("site")] = sites[static_cast<std::size_t>(i) % sites.size()];
                sample.columns[schema.column("split")] = std::string("train");
                writer.append(sample);
            }
            pages.add(writer.finish());
        }
        pages.finish();
        dataset = std::make_unique<Dataset>(folder / "data", made::key(), std::vector<core::VerifyKey>{},
                                            core::Seal::optional);
    }
};

using Seen = std::pair<std::int64_t, std::int64_t>;  // dataset, sample
std::vector<std::vector<Seen>> take(const std::vector<const Made*>& made, LoaderOptions options, int ranks,
                                    std::int64_t first) {
    std::vector<const Dataset*> datasets;
    for (const Made* each : made) datasets.push_back(each->dataset.get());
    std::vector<std::unique_ptr<RawLoader>> loaders;
    options.ranks = ranks;
    for (options.rank = 0; options.rank < ranks; ++options.rank) {
        loaders.push_back(std::make_unique<RawLoader>(datasets, options));
        loaders.back()->begin_epoch(2, first);
    }
    std::vector<std::vector<Seen>> out;
    for (;;) {
        std::vector<Seen> step;
        for (const auto& loader : loaders) {
            const auto batch = loader->next();
            if (!batch) return out;
            for (std::size_t i = 0; i < static_cast<std::size_t>(batch->valid); ++i) {
                const Made& of = *made.at(static_cast<std::size_t>(batch->dataset[i]));
                const auto& schema = of.dataset->schema();
                const std::int64_t number = batch->sample[i];
                const core::Bytes bytes = made::sample(schema, of.first + number).fields[0].bytes;
                CHECK(std::equal(bytes.begin(), bytes.end(), batch->inputs.memory.get() + i * bytes.size()));
                const auto& sites = schema.columns[schema.column("site")].names;
                const auto& all = loader->schema().columns[loader->schema().column("site")].names;
                const std::string& name = sites[static_cast<std::size_t>(number) % sites.size()];
                CHECK(all.at(static_cast<std::size_t>(batch->site[i])) == name);
                CHECK(all.at(static_cast<std::size_t>(batch->label[i])) == name);
                CHECK(all.at(static_cast<std::size_t>(batch->targets[i])) == name);
                step.emplace_back(batch->dataset[i], number);
            }
        }
        out.push_back(std::move(step));
    }
}

LoaderOptions loading() {
    LoaderOptions out;
    out.seed = 5;
    out.global_batch = 10;
    out.label = "site";
    out.targets = {"site"};
    return out;
}

}  // namespace

TEST_CASE(
    "several datasets are read as one, their categories matched by name, in an order of seed and epoch") {
    const Made one("one", made::images(), {"north", "south"}, 0, {60, 40}),
        two("two", made::images(), {"south", "east", "north"}, 1000, {50, 10});
    const auto whole = take({&one, &two}, loading(), 1, 0);
    CHECK(whole.size() == 16);
    std::set<Seen> seen;
    for (const auto& step : whole) seen.insert(step.begin(), step.end());
    CHECK(seen.size() == 160);
    CHECK(seen.rbegin()->first == 1);
    for (const int ranks : {2, 4}) CHECK(take({&one, &two}, loading(), ranks, 0) == whole);
    CHECK(take({&one, &two}, loading(), 3, 70) == std::vector(whole.begin() + 7, whole.end()));
    // A loader of one is what it was.
    CHECK(take({&one}, loading(), 1, 0).size() == 10);
    // Balance knows the names of all.
    const Dataset both({one.dataset.get(), two.dataset.get()});
    Source source(both, "train", "", {});
    BalanceOptions balance;
    balance.columns = {"site"};
    Draws draws(source, balance, 1, 5);
    std::map<std::string, std::int64_t> samples;
    for (const BalanceGroup& group : draws.groups()) {
        samples[group.names.at(0)] = group.samples;
        CHECK(group.draws == Approx(160.0 / 3).margin(1e-3));
    }
    CHECK(samples == std::map<std::string, std::int64_t>{{"east", 20}, {"north", 70}, {"south", 70}});
    LoaderOptions balanced = loading();
    balanced.balance = balance;
    CHECK(take({&one, &two}, balanced, 2, 0).size() == 16);
}

TEST_CASE("samples of one number in two datasets are cropped each in its own way") {
    const Made one("one", made::images(), {"north"}, 0, {40}), two("two", made::images(), {"north"}, 0, {40});
    LoaderOptions options = loading();
    options.crop = Crop{{3, 3}, Crop::Place::random, 0};
    RawLoader loader({one.dataset.get(), two.dataset.get()}, options);
    loader.begin_epoch(0);
    std::map<std::int64_t, std::map<std::int64_t, std::int64_t>> places;
    while (const auto batch = loader.next())
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch->valid); ++i)
            places[batch->dataset[i]][batch->sample[i]] =
                10 * batch->origin[2 * i] + batch->origin[2 * i + 1];
    CHECK(places[0].size() == 40);
    CHECK(places[0] != places[1]);
}

TEST_CASE("datasets that are not alike fit no loader, and what differs is named") {
    const Made one("one", made::images(), {"north"}, 0, {20});
    const auto refused = [&](const Made& other, const std::string& text) {
        CHECK_THROWS_WITH(RawLoader({one.dataset.get(), other.dataset.get()}, loading()),
                          Catch::Contains(text));
    };
    const auto other = [&](const std::function<void(core::Schema&)>& change) {
        core::Schema schema = made::images();
        change(schema);
        return schema;
    };
    refused(Made("two", made::images({1, 6, 6}), {"north"}, 0, {5}),
            "the field image is u8 x 1 x 6 x 5, arbitrary there");
    refused(Made("two", made::images({1, 6, 5}, core::DType::i8), {"north"}, 0, {5}), "i8 x 1 x 6 x 5");
    refused(Made("two", other([](auto& s) { s.fields[0].units = "mm"; }), {"north"}, 0, {5}), "mm here");
    refused(Made("two", other([](auto& s) { s.fields[0].name = "picture"; }), {"north"}, 0, {5}),
            "only one@1 has the field image");
    refused(Made("two", other([](auto& s) {
                     s.columns.push_back({"dose", core::ColumnType::f64, {}});
                 }),
                 {"north"}, 0, {5}),
            "only two@1 has the column dose");
    refused(Made("two", other([](auto& s) { s.columns[6].type = core::ColumnType::f64; }), {"north"}, 0, {5}),
            "the column day is i64 there, f64 here");
    refused(Made("one", made::images(), {"north"}, 0, {5}), "the same samples");
}

TEST_CASE("each of several datasets has its share of an epoch, by the rules of any category") {
    const Made one("one", made::images(), {"north", "south"}, 0, {60, 30}),
        two("two", made::images(), {"south"}, 1000, {20, 10});
    LoaderOptions balanced = loading();
    balanced.balance.columns = {"dataset"};
    const auto whole = take({&one, &two}, balanced, 1, 0);
    CHECK(whole.size() == 12);
    std::map<Seen, int> times;
    std::map<std::int64_t, int> of;
    for (const auto& step : whole)
        for (const Seen& each : step) ++times[each], ++of[each.first];
    CHECK(of == std::map<std::int64_t, int>{{0, 60}, {1, 60}});
    for (const auto& [seen, count] : times) CHECK(count == (seen.first == 0 ? 1 : 2));
    for (const int ranks : {2, 4}) CHECK(take({&one, &two}, balanced, ranks, 0) == whole);
    CHECK(take({&one, &two}, balanced, 2, 50) == std::vector(whole.begin() + 5, whole.end()));

    const Dataset both({one.dataset.get(), two.dataset.get()});
    Source source(both, "train", "", {});
    const auto groups = [&](const BalanceOptions& options) {
        std::map<std::vector<std::string>, std::pair<std::int64_t, double>> out;
        const Draws draws(source, options, 1, 5);
        for (const BalanceGroup& group : draws.groups())
            out[group.names] = {group.samples, std::round(group.draws)};
        return out;
    };
    using Groups = decltype(groups({}));
    BalanceOptions crossed, weighed;
    crossed.columns = {"dataset", "site"};
    CHECK(groups(crossed) == Groups{{{"one@1", "north"}, {45, 40}},
                                    {{"one@1", "south"}, {45, 40}},
                                    {{"two@1", "south"}, {30, 40}}});
    weighed.weights = {{"dataset", {{"two@1", 0.5}}}};
    CHECK(groups(weighed) == Groups{{{"one@1"}, {90, 90}}, {{"two@1"}, {30, 15}}});
    weighed.weights = {{"dataset", {{"too@1", 0.5}}}};
    CHECK_THROWS_WITH(groups(weighed), Catch::Contains("did you mean \"two@1\""));
    CHECK_THROWS_WITH(take({&one}, balanced, 1, 0), Catch::Contains("there is one dataset"));
}

TEST_CASE("several datasets say of each sample what it is in the names of all, and of which it is") {
    const Made one("one", made::images(), {"north", "south"}, 0, {6, 4}),
        two("two", made::images(), {"east", "north"}, 1000, {3, 2});
    const Dataset both({one.dataset.get(), two.dataset.get()});
    CHECK(both.id() == "one@1, two@1");
    CHECK(both.samples("train") == 15);
    CHECK(both.first_of(1) == 10);
    const auto named = [&](const char* column) {
        std::vector<std::string> out;
        for (const std::int32_t code : both.column(column, "train").codes)
            out.push_back(
                both.schema().columns[both.schema().column(column)].names.at(static_cast<std::size_t>(code)));
        return out;
    };
    CHECK(named("dataset") == std::vector<std::string>{"one@1", "one@1", "one@1", "one@1", "one@1", "one@1",
                                                       "one@1", "one@1", "one@1", "one@1", "two@1", "two@1",
                                                       "two@1", "two@1", "two@1"});
    CHECK(named("site") == std::vector<std::string>{"north", "south", "north", "south", "north", "south",
                                                    "north", "south", "north", "south", "east", "north",
                                                    "east", "north", "east"});
    const auto numbers = both.numbers("train").integers;
    CHECK(numbers.front() == 0);
    CHECK(numbers.back() == 14);
    CHECK(both.name_of(3) == "two@1 shard-000001.h5");
    CHECK_NOTHROW(both.check_same_names("split"));
    CHECK_THROWS_WITH(both.check_same_names("site"),
                      Catch::Contains("one@1 has no category east in the column site"));
    // The mean of all is that of both together.
    auto mean = one.dataset->moments("train", "image").value();
    mean.merge(two.dataset->moments("train", "image").value());
    const auto pooled = both.moments("train", "image").value();
    CHECK(pooled.count == mean.count);
    CHECK(pooled.mean == mean.mean);
    CHECK(pooled.squares == mean.squares);
}
