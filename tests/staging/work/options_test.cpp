#include "staging/work/options.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using staging::Options;

TEST_CASE("every number can be set by its name") {
    Options options;
    for (const std::string& name : Options::names()) options.set(name + "=5000");
    CHECK(options.files_per_batch == 5000);
    CHECK(options.segment_bytes == 5000);
    CHECK(options.segment_samples == 5000);
    CHECK(options.block_records == 5000);
    CHECK(options.exchange_bytes == 5000);
    CHECK(options.partition_records == 5000);
    CHECK(options.sync_seconds == 5000);
}

TEST_CASE("a number that makes no sense is refused by name") {
    Options options;
    CHECK_THROWS_WITH(options.set("files_per_batch=0"), Catch::Contains("1 or more"));
    CHECK_THROWS_WITH(options.set("files_per_batch"), Catch::Contains("files_per_batch"));
    CHECK_THROWS_WITH(options.set("files_per_batch=3x"), Catch::Contains("files_per_batch"));
    CHECK_THROWS_WITH(options.set("file_per_batch=3"), Catch::Contains("did you mean files_per_batch"));
}
