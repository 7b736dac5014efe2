#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <string>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/scratch.h"
#include "trainer/loader/raw_loader.h"

using namespace trainer;

namespace {

// Before any thread: mallinfo2 counts what is in the first arena.
const int one_arena = ::mallopt(M_ARENA_MAX, 1);

// As few files as a process may have open while this lives.
struct FewFiles {
    rlimit before{};
    explicit FewFiles(rlim_t files) {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        const rlimit few{files, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    ~FewFiles() { ::setrlimit(RLIMIT_NOFILE, &before); }
};

struct Made {
    test::Scratch folder;
    explicit Made(std::size_t shards, std::int64_t of_each = 4) {
        made::dataset(folder / "data", made::images(), std::vector<std::int64_t>(shards, of_each));
    }
    std::unique_ptr<Dataset> open() const {
        return std::make_unique<Dataset>(folder / "data", made::key(), std::vector<core::VerifyKey>{},
                                         core::Seal::optional);
    }
};

std::size_t mapped() {
    std::ifstream maps("/proc/self/maps");
    std::size_t out = 0;
    for (std::string line; std::getline(maps, line);) out += line.find("/shards/shard-") != std::string::npos;
    return out;
}

// Samples' numbers in the order of the epoch, step after step, rank after rank; `most` that were mapped at once.
std::vector<std::int64_t> read(const Dataset& dataset, Order order, int ranks, std::size_t& most) {
    LoaderOptions options;
    options.split = "";
    options.order = order;
    options.tail = Tail::keep;
    options.global_batch = 8;
    options.seed = 3;
    options.ranks = ranks;
    std::vector<std::unique_ptr<RawLoader>> loaders;
    for (options.rank = 0; options.rank < ranks; ++options.rank) {
        loaders.push_back(std::make_unique<RawLoader>(dataset, options));
        loaders.back()->begin_epoch(1);
    }
    std::vector<std::int64_t> out;
    for (bool is_over = false; !is_over;)
        for (const auto& loader : loaders) {
            const auto batch = loader->next();
            is_over = !batch;
            if (!batch) break;
            for (std::size_t i = 0; i < static_cast<std::size_t>(batch->valid); ++i) {
                const std::int64_t sample = batch->sample[i];
                const core::Bytes bytes = made::sample(dataset.schema(), sample).fields[0].bytes;
                CHECK(std::equal(bytes.begin(), bytes.end(), batch->inputs.memory.get() + i * bytes.size()));
                out.push_back(sample);
            }
            most = std::max(most, mapped());
        }
    return out;
}

}  // namespace

TEST_CASE("of more shards than a process may have files few are open, and all are read in order") {
    const Made made(90);
    std::size_t most = 0;
    auto many = made.open();
    REQUIRE(many->most_open() >= 90);
    const auto stored = read(*many, Order::stored, 1, most), shuffled = read(*many, Order::shuffled, 1, most);
    CHECK(most == 90);
    for (std::size_t i = 0; i < stored.size(); ++i) CHECK(stored[i] == static_cast<std::int64_t>(i));
    CHECK(std::set(shuffled.begin(), shuffled.end()).size() == 360);

    many.reset();
    const FewFiles few(40);
    for (const int ranks : {1, 2, 4}) {
        const auto dataset = made.open();
        CHECK(dataset->most_open() == 20);
        most = 0;
        CHECK(read(*dataset, Order::stored, ranks, most) == stored);
        CHECK(read(*dataset, Order::shuffled, ranks, most) == shuffled);
        CHECK(most <= 20 + static_cast<std::size_t>(ranks));
    }
}

TEST_CASE("how many shards are open can be said") {
    const Made made(6);
    for (const auto& [said, open] : {std::pair("3", 3), {"1", 1}, {"", 0}}) {
        ::setenv("ALOFT_OPEN_SHARDS", said, 1);
        const auto dataset = made.open();
        std::size_t most = 0;
        CHECK(read(*dataset, Order::shuffled, 2, most).size() == 24);
        if (open > 0) CHECK(dataset->most_open() == static_cast<std::size_t>(open));
        if (open > 0) CHECK(most <= static_cast<std::size_t>(open) + 2);
    }
    for (const char* said : {"0", "-1", "many", "3 "}) {
        ::setenv("ALOFT_OPEN_SHARDS", said, 1);
        CHECK_THROWS_WITH(made.open(), Catch::Contains("ALOFT_OPEN_SHARDS"));
    }
    ::unsetenv("ALOFT_OPEN_SHARDS");
}

TEST_CASE("a shard that was closed is what it was when it is opened again") {
    const Made made(12, 40);
    ::setenv("ALOFT_OPEN_SHARDS", "2", 1);
    const auto dataset = made.open();
    ::unsetenv("ALOFT_OPEN_SHARDS");
    const auto test = dataset->schema().columns[dataset->schema().column("split")].code_of("test");
    // All are for the test, but those without an age.
    std::vector<Dataset::SplitCounts> counts(dataset->shards());
    for (auto& each : counts) each[2] = 40;
    dataset->split_anew(
        [test](const OpenShard& shard) { return std::vector<std::int32_t>(shard.split.size(), test); },
        counts);
    dataset->leave_out("age");
    CHECK(dataset->samples("test") == 360);
    CHECK(dataset->left_out("test") == 120);
    for (int again = 0; again < 2; ++again) {
        const auto ages = dataset->column("age", "test").numbers;
        CHECK(ages.size() == 360);
        CHECK(std::all_of(ages.begin(), ages.end(), [](double age) { return std::isfinite(age); }));
    }
}

TEST_CASE("memory does not grow with the number of shards that were read") {
    REQUIRE(one_arena == 1);
    ::setenv("ALOFT_OPEN_SHARDS", "4", 1);
    const auto in_use = [] {
        return static_cast<std::int64_t>(::mallinfo2().uordblks + ::mallinfo2().hblkhd);
    };
    const auto held = [&](std::size_t shards) {
        const Made made(shards, 200);
        const auto dataset = made.open();
        const std::int64_t before = in_use();
        LoaderOptions options;
        options.split = "";
        options.order = Order::stored;
        options.tail = Tail::keep;
        options.batch_size = 100;
        RawLoader loader(*dataset, options);
        loader.begin_epoch(0);
        std::int64_t samples = 0;
        while (const auto batch = loader.next()) samples += batch->valid;
        CHECK(samples == static_cast<std::int64_t>(200 * shards));
        return in_use() - before;
    };
    held(12);  // what is made once
    const std::int64_t few = held(12), many = held(72);
    ::unsetenv("ALOFT_OPEN_SHARDS");
    CHECK(many - few < 60 * 1024);  // columns of a shard are 10 KB
}
