#include "trainer/loader/balance.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace trainer;

namespace {

// Of each sample its site, label and split, "" missing.
struct Told {
    std::string site, label, split = "train";
};

core::Schema schema() {
    core::Schema out = made::images();
    out.columns[1].names = {"north", "south", "west", "tiny"};  // nobody is in the west
    return out;
}

// 900 for training in three shards: 600 in the north, of which a tenth is malignant; 237 in the south, half of them; 3
// in "tiny"; 60 without a site. And 100 for validation.
Told usual(std::int64_t i) {
    if (i % 10 == 9) return {"north", "benign", "validation"};
    const std::int64_t of = i - i / 10;
    if (of % 300 == 7) return {"tiny", "benign"};
    if (of % 15 == 2) return {"", of % 2 ? "benign" : "malignant"};
    if (of % 3 == 1 && of % 15 != 13) return {"south", of % 6 == 1 ? "benign" : "malignant"};
    return {"north", of % 10 == 3 ? "malignant" : "benign"};
}

struct World {
    test::Scratch folder;
    std::unique_ptr<Dataset> dataset;
    std::map<std::int64_t, Told> told;

    explicit World(const std::function<Told(std::int64_t)>& tell = usual,
                   const std::vector<std::int64_t>& shards = {450, 250, 300}) {
        core::Manifest manifest;
        manifest.dataset = "made";
        manifest.version = "1";
        const core::SecretKey key = made::key();
        manifest.key_id = key.id();
        manifest.codec = core::WriterOptions().codec;
        manifest.schema = schema();
        core::ManifestWriter pages(folder / "data", manifest, key);
        core::make_directories(folder / "data" / "shards");
        std::int64_t number = 0;
        for (std::size_t s = 0; s < shards.size(); ++s) {
            const auto shard = static_cast<std::int64_t>(s);
            core::ShardWriter writer(folder / "data" / "shards" / core::shard_file(shard), manifest.schema,
                                     "made@1", shard, key, {});
            for (std::int64_t i = 0; i < shards[s]; ++i, ++number) {
                core::Sample sample = made::sample(manifest.schema, number);
                const Told cells = told[number] = tell(number);
                const auto cell = [](const std::string& text) {
                    return text.empty() ? core::Cell() : core::Cell(text);
                };
                sample.columns[1] = cell(cells.site);
                sample.columns[3] = cell(cells.label);
                sample.columns[4] = cells.split;
                writer.append(sample);
            }
            pages.add(writer.finish());
        }
        pages.finish();
        dataset = std::make_unique<Dataset>(folder / "data", made::key(), std::vector<core::VerifyKey>{},
                                            core::Seal::optional);
    }
    // Numbers of the training samples, in stored order.
    std::vector<std::int64_t> training() const {
        std::vector<std::int64_t> out;
        for (const auto& [number, cells] : told)
            if (cells.split == "train") out.push_back(number);
        return out;
    }
};

BalanceOptions asked(const std::string& toml) {
    const core::Config table = core::Config::parse(toml, "balance");
    const BalanceOptions out = BalanceOptions::from(table);
    table.finish();
    return out;
}

LoaderOptions loading(const std::string& toml, std::int64_t global_batch = 12) {
    LoaderOptions out;
    out.seed = 5;
    out.global_batch = global_batch;
    out.balance = asked(toml);
    return out;
}

using Key = std::function<std::string(const Told&)>;
std::string site(const Told& told) {
    return told.site;
}

// How often each sample comes in an epoch, by the draws alone.
std::vector<std::int64_t> times(Draws& draws, std::int64_t samples, std::int64_t epoch) {
    draws.begin_epoch(epoch);
    std::vector<std::int64_t> out;
    for (std::int64_t i = 0; i < samples; ++i) out.push_back(draws.of(i));
    return out;
}
std::map<std::string, std::int64_t> sums(const World& world, const std::vector<std::int64_t>& times,
                                         const Key& key) {
    std::map<std::string, std::int64_t> out;
    const auto numbers = world.training();
    for (std::size_t i = 0; i < numbers.size(); ++i) out[key(world.told.at(numbers[i]))] += times[i];
    return out;
}

using Draw = std::pair<std::int64_t, std::int64_t>;  // sample, the how many-th
struct Taken {
    std::vector<std::vector<Draw>> steps;  // of all ranks, rank after rank
    std::int64_t next = 0;
};
Taken take(const World& world, LoaderOptions options, int ranks, std::int64_t epoch, std::int64_t first,
           std::int64_t steps = INT64_MAX) {
    std::vector<std::unique_ptr<RawLoader>> loaders;
    options.ranks = ranks;
    for (options.rank = 0; options.rank < ranks; ++options.rank) {
        loaders.push_back(std::make_unique<RawLoader>(*world.dataset, options));
        CHECK(loaders.back()->steps_per_epoch() == loaders.front()->steps_per_epoch());
        loaders.back()->begin_epoch(epoch, first);
    }
    Taken out{{}, first};
    while (static_cast<std::int64_t>(out.steps.size()) < steps) {
        std::vector<Draw> step;
        std::vector<std::optional<RawBatch>> batches;
        for (const auto& loader : loaders) batches.push_back(loader->next());
        for (const auto& batch : batches) {
            REQUIRE(batch.has_value() == batches[0].has_value());
            if (!batch) return out;
            CHECK(batch->next == batches[0]->next);
            for (std::size_t i = 0; i < static_cast<std::size_t>(batch->valid); ++i) {
                const core::Bytes bytes =
                    made::sample(world.dataset->schema(), batch->sample[i]).fields[0].bytes;
                CHECK(std::equal(bytes.begin(), bytes.end(), batch->inputs.memory.get() + i * bytes.size()));
                step.emplace_back(batch->sample[i], batch->which[i]);
            }
        }
        out.steps.push_back(std::move(step));
        out.next = batches[0]->next;
    }
    return out;
}

}  // namespace

TEST_CASE("balanced by site, each site has the same share of an epoch that is as long as without") {
    const World world;
    Source source(*world.dataset, "train", "", {});
    REQUIRE(source.samples() == 900);
    const auto size = sums(world, std::vector<std::int64_t>(900, 1), site);
    REQUIRE(size ==
            std::map<std::string, std::int64_t>{{"", 60}, {"north", 600}, {"south", 237}, {"tiny", 3}});
    Draws draws(source, asked("columns = 'site'\nmost_repeats = 100"), 1, 7);
    CHECK(draws.samples() == 900);
    CHECK(draws.most() == 94);  // 280 of 3
    std::map<std::string, std::set<std::int64_t>> of;
    std::vector<std::int64_t> sum(900, 0);
    constexpr std::int64_t kEpochs = 1000;
    const auto numbers = world.training();
    for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
        const auto drawn = times(draws, 900, epoch);
        // Those without a site come as without balance; the west, where nobody is, has no share.
        CHECK(sums(world, drawn, site) ==
              std::map<std::string, std::int64_t>{{"", 60}, {"north", 280}, {"south", 280}, {"tiny", 280}});
        for (std::size_t i = 0; i < 900; ++i) {
            sum[i] += drawn[i];
            if (epoch < 5) of[world.told.at(numbers[i]).site].insert(drawn[i]);
        }
    }
    CHECK(of[""] == std::set<std::int64_t>{1});
    CHECK(of["north"] == std::set<std::int64_t>{0, 1});
    CHECK(of["south"] == std::set<std::int64_t>{1, 2});
    CHECK(of["tiny"] == std::set<std::int64_t>{93, 94});
    // Every sample of a site equally often: 5 standard deviations of a draw of `share` in each epoch.
    const std::map<std::string, double> mean{
        {"", 1}, {"north", 280.0 / 600}, {"south", 280.0 / 237}, {"tiny", 280.0 / 3}};
    for (std::size_t i = 0; i < 900; ++i) {
        const double expected = mean.at(world.told.at(numbers[i]).site);
        const double share = expected - std::floor(expected),
                     deviation = std::sqrt(share * (1 - share) / kEpochs);
        CHECK(std::abs(static_cast<double>(sum[i]) / kEpochs - expected) <= 5 * deviation);
    }
}

TEST_CASE("who comes once more is drawn anew and independently of who lies beside") {
    const World world;
    Source source(*world.dataset, "train", "", {});
    Draws draws(source, asked("weights = {site = {north = 0.5}}"), 1, 7),
        other(source, asked("weights = {site = {north = 0.5}}"), 1, 8);
    CHECK(times(draws, 900, 1) == times(draws, 900, 1));
    CHECK(times(draws, 900, 1) != times(draws, 900, 2));
    CHECK(times(draws, 900, 1) != times(other, 900, 1));
    // Two neighbours of the north together: (300 / 600) (299 / 599) of the epochs, were it at random.
    std::vector<std::size_t> north;
    const auto numbers = world.training();
    for (std::size_t i = 0; i < 900; ++i)
        if (world.told.at(numbers[i]).site == "north") north.push_back(i);
    std::int64_t together = 0;
    constexpr std::int64_t kEpochs = 200;
    for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
        const auto drawn = times(draws, 900, epoch);
        for (std::size_t i = 1; i < north.size(); i += 2) together += drawn[north[i]] * drawn[north[i - 1]];
    }
    CHECK(static_cast<double>(together) / (kEpochs * 300) == Approx(0.2496).margin(0.01));
}

TEST_CASE("balanced by site and label, each crossing that has samples has the same share") {
    const World world;
    Source source(*world.dataset, "train", "", {});
    Draws draws(source, asked("columns = ['site', 'label']\nmost_repeats = 100"), 1, 7);
    const auto drawn = sums(world, times(draws, 900, 2), [](const Told& told) {
        return told.site + (told.site.empty() ? "" : told.label);
    });
    CHECK(drawn == std::map<std::string, std::int64_t>{{"", 60},
                                                       {"northbenign", 168},
                                                       {"northmalignant", 168},
                                                       {"southbenign", 168},
                                                       {"southmalignant", 168},
                                                       {"tinybenign", 168}});
    CHECK(draws.groups().size() == 6);
    CHECK(draws.groups()[0].names == std::vector<std::string>{"", ""});
}

TEST_CASE("a share that is no whole number is rounded anew for each epoch, and epochs stay of one length") {
    const World world(
        [](std::int64_t i) {
            return Told{i % 10 == 0 ? "north" : i % 10 < 4 ? "south" : "west", "benign"};
        },
        {100});
    Source source(*world.dataset, "train", "", {});
    Draws draws(source, asked("columns = 'site'"), 1, 7);  // 100 in three
    std::map<std::string, double> mean;
    for (std::int64_t epoch = 0; epoch < 3000; ++epoch) {
        const auto drawn = sums(world, times(draws, 100, epoch), site);
        std::int64_t sum = 0;
        for (const auto& [name, count] : drawn) {
            CHECK((count == 33 || count == 34));
            mean[name] += static_cast<double>(count) / 3000;
            sum += count;
        }
        CHECK(sum == 100);
    }
    for (const auto& [name, draws_of] : mean) CHECK(draws_of == Approx(100.0 / 3).margin(0.05));
}

TEST_CASE("a rare category comes at most so often as was said, and the others share what it does not take") {
    const World world;
    Source source(*world.dataset, "train", "", {});
    Draws draws(source, asked("columns = 'site'"), 1, 7);
    CHECK(sums(world, times(draws, 900, 2), site) ==
          std::map<std::string, std::int64_t>{{"", 60}, {"north", 405}, {"south", 405}, {"tiny", 30}});
    for (const BalanceGroup& group : draws.groups()) CHECK(group.is_capped == (group.names[0] == "tiny"));
    CHECK(draws.most() == 10);
    const auto told = to_json(draws);
    CHECK(told.back().dump() == R"({"categories":{"site":"tiny"},"samples":3,"draws":30.0,"capped":true})");
    CHECK(told.front()["categories"]["site"].is_null());
    // Nothing is repeated: the order of before, whatever the shares.
    Draws plain(source, asked("columns = 'site'\nmost_repeats = 1"), 1, 7);
    CHECK(times(plain, 900, 2) == std::vector<std::int64_t>(900, 1));
}

TEST_CASE("weights say how often a sample of a category comes; what is not named comes once") {
    const World world;
    Source source(*world.dataset, "train", "", {});
    Draws draws(source, asked("[weights.site]\nnorth = 0.25\ntiny = 7\n[weights.label]\nmalignant = 2"), 1,
                7);
    std::map<std::string, std::int64_t> size, drawn;
    const Key both = [](const Told& told) { return told.site + ' ' + told.label; };
    size = sums(world, std::vector<std::int64_t>(900, 1), both);
    drawn = sums(world, times(draws, 900, 2), both);
    const std::map<std::string, double> weight{
        {" benign", 1},         {" malignant", 2},      {"tiny benign", 7},      {"south benign", 1},
        {"south malignant", 2}, {"north benign", 0.25}, {"north malignant", 0.5}};
    REQUIRE(size.size() == weight.size());
    for (const auto& [name, samples] : size)  // less than one draw is what makes an epoch whole
        CHECK(std::abs(static_cast<double>(drawn[name]) - weight.at(name) * static_cast<double>(samples)) <
              1);
    CHECK(drawn["tiny benign"] == 21);
    Draws without(source, asked("weights = {site = {north = 0}}"), 1, 7);
    CHECK(sums(world, times(without, 900, 2), site)["north"] == 0);
    CHECK(without.samples() == 300);
    // Without any sample of its own a category may have a weight.
    Draws empty(source, asked("weights = {site = {west = 3}}"), 1, 7);
    CHECK(times(empty, 900, 2) == std::vector<std::int64_t>(900, 1));
}

TEST_CASE("by weights each sample comes as often as its weight, up or down, whatever the sum of all") {
    using Weighed = std::vector<std::pair<double, int>>;  // weight and samples: of tiny, north, south
    const std::vector<std::pair<Weighed, int>> cases{{{{10, 1}, {0.5, 3}, {1, 0}}, 12},
                                                     {{{1, 0}, {0.5, 3}, {1, 100}}, 102},
                                                     {{{1, 0}, {0.3, 1}, {0, 100}}, 1},
                                                     {{{9.5, 1}, {2.7, 11}, {0.35, 9}}, 43}};
    for (const auto& [of, length] : cases) {
        const char* const names[] = {"tiny", "north", "south"};
        std::vector<std::size_t> at;  // of each sample, which of these
        std::string toml = "[weights.site]\n";
        for (std::size_t k = 0; k < 3; ++k) {
            at.insert(at.end(), static_cast<std::size_t>(of[k].second), k);
            toml += names[k] + (" = " + std::to_string(of[k].first)) + '\n';
        }
        const auto tell = [&](auto i) { return Told{names[at[static_cast<std::size_t>(i)]], "benign"}; };
        const World world(tell, {std::ssize(at)});
        Source source(*world.dataset, "train", "", {});
        Draws draws(source, asked(toml), 1, 7);
        std::int64_t wrong = 0;
        for (std::int64_t epoch = 0; epoch < 100; ++epoch) {
            const auto drawn = times(draws, std::ssize(at), epoch);
            for (std::size_t i = 0; i < at.size(); ++i)
                wrong += std::abs(static_cast<double>(drawn[i]) - of[at[i]].first) >= 1;
            wrong += std::accumulate(drawn.begin(), drawn.end(), std::int64_t{0}) != length;
        }
        CHECK(wrong == 0);
    }
}

TEST_CASE("a balanced epoch is the same on any number of ranks, and goes on where it was left") {
    const World world;
    const LoaderOptions options = loading("columns = ['site', 'label']\nmost_repeats = 20");
    const Taken whole = take(world, options, 1, 3, 0);
    REQUIRE(whole.steps.size() == 75);
    Source source(*world.dataset, "train", "", {});
    Draws draws(source, options.balance, 1, options.seed);
    std::map<std::int64_t, std::set<std::int64_t>> seen;
    for (const auto& step : whole.steps)
        for (const auto& [sample, which] : step) CHECK(seen[sample].insert(which).second);
    const auto expected = times(draws, 900, 3);
    const auto numbers = world.training();
    for (std::size_t i = 0; i < 900; ++i) {  // each as often as was drawn, numbered from 0
        CHECK(static_cast<std::int64_t>(seen[numbers[i]].size()) == expected[i]);
        if (expected[i] > 0) CHECK(*seen[numbers[i]].rbegin() == expected[i] - 1);
    }
    for (const int ranks : {2, 4, 5}) CHECK(take(world, options, ranks, 3, 0).steps == whole.steps);
    for (const std::int64_t stop : {1, 30, 74}) {
        Taken parts = take(world, options, 4, 3, 0, stop);
        CHECK(parts.next == stop * 12);
        const Taken rest = take(world, options, 2, 3, parts.next);
        parts.steps.insert(parts.steps.end(), rest.steps.begin(), rest.steps.end());
        CHECK(parts.steps == whole.steps);
    }
    CHECK(take(world, options, 1, 4, 0).steps.size() == 75);
    CHECK(take(world, options, 1, 4, 0).steps != whole.steps);
}

TEST_CASE("draws of one sample are spread over the epoch and cropped each in its own way") {
    const World world;
    LoaderOptions options = loading("columns = 'site'\nmost_repeats = 40", 9);
    options.crop = Crop{{3, 2}, Crop::Place::random, 0};
    RawLoader loader(*world.dataset, options);
    std::map<std::int64_t, std::vector<std::int64_t>> steps;
    std::set<std::pair<std::int64_t, std::int64_t>> origins;
    for (const std::int64_t epoch : {0, 1}) {
        loader.begin_epoch(epoch);
        while (const auto batch = loader.next())
            for (std::size_t i = 0; i < static_cast<std::size_t>(batch->valid); ++i) {
                if (batch->site[i] != 3) continue;
                steps[batch->sample[i]].push_back(batch->step);
                if (steps.begin()->first == batch->sample[i])
                    origins.emplace(batch->origin[2 * i], batch->origin[2 * i + 1]);
            }
    }
    REQUIRE(steps.size() == 3);
    for (const auto& [sample, at] : steps) {
        CHECK(at.size() == 80);
        CHECK(std::set<std::int64_t>(at.begin(), at.end()).size() > 45);  // of 100 steps twice 40 draws
    }
    CHECK(origins.size() > 13);  // of 4 x 4
}

TEST_CASE("draws lie in blocks as without balance, and further ones of a sample in their own") {
    const World world;
    Source source(*world.dataset, "train", "", {});
    const auto sorted = [](std::vector<Block> blocks) {
        std::set<std::tuple<std::uint32_t, std::uint32_t, std::int64_t, std::int64_t>> out;
        for (const Block& each : blocks) out.emplace(each.shard, each.which, each.first, each.count);
        CHECK(out.size() == blocks.size());
        return out;
    };
    Draws twice(source, asked("[weights.site]\nnorth = 2\nsouth = 2\ntiny = 2"), 1, 7);
    std::vector<Block> expected;
    for (std::uint32_t shard = 0; shard < 3; ++shard)
        add_blocks(expected, shard, source.samples(shard), 20, 1);
    auto first = twice.blocks(source, 20);
    first.erase(std::remove_if(first.begin(), first.end(), [](const Block& each) { return each.which != 0; }),
                first.end());
    CHECK(sorted(first) == sorted(expected));
    Draws draws(source, asked("columns = 'site'\nmost_repeats = 40"), 1, 7);
    draws.begin_epoch(1);
    std::int64_t sum = 0;
    std::size_t full = 0;
    const auto blocks = draws.blocks(source, 20);
    for (const Block& block : blocks) {
        CHECK((block.count >= 1 && block.count <= 20));
        sum += block.count;
        full += block.count == 20;
    }
    CHECK(sum == draws.samples());
    CHECK(full > 25);  // of 45; each shard has one that is not for each how many-th draw
}

TEST_CASE("what cannot be balanced is refused, and says why") {
    const World world;
    const auto refused = [&](const LoaderOptions& options, const std::string& text) {
        CHECK_THROWS_WITH(RawLoader(*world.dataset, options), Catch::Contains(text));
    };
    LoaderOptions stored = loading("columns = 'site'"), judged = stored;
    stored.order = Order::stored;
    refused(stored, "in stored order each sample comes once");
    judged.split = "validation";
    refused(judged, "balance is for training");
    refused(loading("columns = 'patient'"), "holds no categories");
    refused(loading("columns = 'age'"), "holds no categories");
    refused(loading("columns = 'sit'"), "site");
    refused(loading("weights = {site = {nroth = 2}}"), "did you mean \"north\"");
    refused(loading("[weights.site]\nnorth = 4\n[weights.label]\nbenign = 4"), "over most_repeats");
    refused(loading("[weights.label]\nbenign = 0\nmalignant = 0"), "leave no sample");
    refused(loading("weights = {site = {north = 0, south = 0}}", 100), "fewer draws than one step of 100");
    const World north([](auto) { return Told{"north", "benign"}; }, {30});
    CHECK_THROWS_WITH(RawLoader(*north.dataset, loading("columns = 'site'")),
                      Catch::Contains("fewer than two"));
    for (const auto& [toml, text] : std::vector<std::pair<std::string, std::string>>{
             {"columns = ['site', 'site']", "twice"},
             {"columns = 'site'\nweights = {site = {north = 2}}", "either"},
             {"most_repeats = 3", "expected the columns"},
             {"columns = 'site'\nmost_repeats = 0", "1 to 100"},
             {"columns = 'site'\nmost_repeats = 101", "1 to 100"},
             {"", "expected the columns"},
             {"weights = {site = {}}", "expected a weight"},
             {"weights = {site = {north = -1}}", "0 to most_repeats"},
             {"weights = {site = {north = nan}}", "0 to most_repeats"},
             {"weights = {site = {north = 11}}", "0 to most_repeats"},
             {"columns = 'site'\nrepeats = 3", "repeats"}})
        CHECK_THROWS_WITH(asked(toml), Catch::Contains(text));
}
