#include "core/shard/schema.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/shard/made.h"

using namespace core;

TEST_CASE("a schema survives JSON") {
    Schema schema = made::images({3, 4, 5}, DType::u16);
    schema.fields.push_back({"volume", DType::f32, {}, "mm"});
    const auto json = to_json(schema);
    CHECK(to_json(schema_from_json(json)).dump() == json.dump());
    CHECK(schema_from_json(json).fields[1].ragged());
    CHECK(schema.fields[0].sample_bytes() == 120);
}

TEST_CASE("a schema that cannot be kept is refused") {
    const auto refused = [](auto change) {
        Schema schema = made::images();
        CHECK_NOTHROW(schema.check());
        change(schema);
        CHECK_THROWS_AS(schema.check(), Error);
        CHECK_THROWS_AS(schema_from_json(to_json(schema)), Error);
    };
    refused([](Schema& s) { s.fields.clear(); });
    refused([](Schema& s) { s.fields[0].name = "../image"; });
    refused([](Schema& s) { s.fields[0].name = ""; });
    refused([](Schema& s) { s.fields.push_back(s.fields[0]); });
    refused([](Schema& s) { s.fields[0].shape = {1, 0, 3}; });
    refused([](Schema& s) { s.fields[0].shape = {1, -2}; });
    refused([](Schema& s) { s.fields[0].shape = {1 << 20, 1 << 20}; });
    refused([](Schema& s) { s.fields[0].shape = {1, 1, 1, 1, 1}; });
    refused([](Schema& s) { s.columns.erase(s.columns.begin()); });
    refused([](Schema& s) { s.columns[0].type = ColumnType::i64; });
    refused([](Schema& s) { s.columns.erase(s.columns.begin() + 4); });
    refused([](Schema& s) { s.columns[1].names.clear(); });
    refused([](Schema& s) { s.columns[1].names = {"a", "a"}; });
    refused([](Schema& s) { s.columns[1].names = {"(missing)"}; });
    refused([](Schema& s) { s.columns[4].names = {"test", "train"}; });
    refused([](Schema& s) { s.columns[3].type = ColumnType::f64; });
    refused([](Schema& s) { s.columns[1].names.assign(1, std::string(40000, 'x')); });
}

TEST_CASE("a dataset names its own strata: only patient and split must be there") {
    Schema schema = made::images();
    std::erase_if(schema.columns, [](const Column& c) { return c.name != "patient" && c.name != "split"; });
    CHECK_NOTHROW(schema.check());
    CHECK(schema_from_json(to_json(schema)).columns.size() == 2);
}

TEST_CASE("a wrong name is answered with the nearest right one") {
    const Schema schema = made::images();
    CHECK(schema.column("site") == 1);
    CHECK_THROWS_WITH(schema.column("sites"), Catch::Contains("\"site\""));
    CHECK_THROWS_WITH(schema.field("imag"), Catch::Contains("\"image\""));
    CHECK(schema.columns[1].code_of("south") == 1);
    CHECK(schema.columns[1].code_of("west") == kMissingCategory);
}
