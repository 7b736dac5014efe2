#include "core/shard/moments.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;

namespace {

template <class T>
Bytes bytes_from(const std::vector<T>& values) {
    Bytes bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

// In long double, in two passes.
template <class T>
Moments plainly(const std::vector<T>& values) {
    long double sum = 0, squares = 0;
    for (const T value : values) sum += static_cast<long double>(value);
    const long double mean = sum / static_cast<long double>(values.size());
    for (const T value : values)
        squares += (static_cast<long double>(value) - mean) * (static_cast<long double>(value) - mean);
    return {static_cast<std::int64_t>(values.size()),
            0,
            static_cast<double>(mean),
            static_cast<double>(squares),
            static_cast<double>(*std::min_element(values.begin(), values.end())),
            static_cast<double>(*std::max_element(values.begin(), values.end()))};
}

void check_near(const Moments& found, const Moments& expected) {
    CHECK(found.count == expected.count);
    CHECK(found.mean == Approx(expected.mean).epsilon(1e-12));
    CHECK(found.squares == Approx(expected.squares).epsilon(1e-9));
    CHECK(found.least == expected.least);
    CHECK(found.greatest == expected.greatest);
}

template <class T>
void check_type(DType type, double low, double high) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform(low, high);
    std::vector<T> values(10007);
    for (T& value : values) value = static_cast<T>(uniform(random));
    check_near(moments_of(bytes_from(values), type), plainly(values));
}

}  // namespace

TEST_CASE("the moments of every type are those of its numbers") {
    check_type<std::uint8_t>(DType::u8, 0, 255);
    check_type<std::int8_t>(DType::i8, -128, 127);
    check_type<std::uint16_t>(DType::u16, 0, 65535);
    check_type<std::int16_t>(DType::i16, -32768, 32767);
    check_type<std::uint32_t>(DType::u32, 0, 4e9);
    check_type<std::int32_t>(DType::i32, -2e9, 2e9);
    check_type<std::int64_t>(DType::i64, -1e15, 1e15);
    check_type<float>(DType::f32, -1000, 3000);
    check_type<double>(DType::f64, 1e6, 1e6 + 1);  // squares would cancel
}

TEST_CASE("merged moments are those of all numbers, and the same each time") {
    std::mt19937_64 random(8);
    std::vector<std::uint16_t> all;
    Moments merged;
    for (int sample = 0; sample < 500; ++sample) {
        std::vector<std::uint16_t> values(1 + random() % 200);
        for (auto& value : values) value = static_cast<std::uint16_t>(30000 + random() % 2000);
        all.insert(all.end(), values.begin(), values.end());
        merged.merge(moments_of(bytes_from(values), DType::u16));
    }
    check_near(merged, plainly(all));
    Moments none;
    none.merge({});
    CHECK(none.count == 0);
    none.merge(merged);
    CHECK(none.mean == merged.mean);
}

TEST_CASE("what is not finite is counted, and what exceeds a double is a value, never an error") {
    const double infinity = std::numeric_limits<double>::infinity(), huge = 1.7e308;
    const Moments some =
        moments_of(bytes_from<double>({1, std::nan(""), 3, infinity, -infinity}), DType::f64);
    CHECK(some.count == 2);
    CHECK(some.missing == 3);
    CHECK(some.mean == 2);
    CHECK(some.deviation() == 1);
    CHECK(moments_of(bytes_from<float>({NAN, NAN}), DType::f32).count == 0);
    Moments large = moments_of(bytes_from<double>({huge, -huge, huge}), DType::f64);
    CHECK(large.greatest == huge);
    large.merge(large);
    const SplitMoments all{{"train", {{"image", large}, {"other", some}, {"none", {}}}}};
    const auto json = to_json(all);
    const auto text = json.dump();
    CHECK(text.find("null") != std::string::npos);
    const SplitMoments back = moments_from_json(nlohmann::ordered_json::parse(text));
    CHECK(to_json(back).dump() == text);
    CHECK(back.at("train").at("other").mean == 2);
    const Counts counts{{"split", {{"train", 100}}}};
    CHECK(published(all, counts).dump() == published(back, counts).dump());
    CHECK(published(all, counts)["train"]["image"]["deviation"].is_null());
    CHECK(published(all, counts)["train"]["none"].is_null());
}

TEST_CASE("a version with such values is built, verified and opened") {
    const test::Scratch folder;
    const Schema schema{{{"image", DType::f64, {2}, ""}}, made::columns()};
    ShardEntry entry;
    make_directories(folder / "shards");
    {
        ShardWriter writer(folder / "shards" / shard_file(0), schema, "made@1", 0, made::key(), {});
        for (int i = 0; i < 40; ++i) {
            Sample sample = made::sample(schema, i);
            sample.fields[0].bytes = bytes_from<double>({i % 2 ? 1.7e308 : -1.7e308, NAN});
            writer.append(sample);
        }
        entry = writer.finish();
    }
    entry = shard_from_json(nlohmann::ordered_json::parse(to_json(entry).dump()), 0);  // as staging keeps it
    Manifest manifest;
    manifest.dataset = "made";
    manifest.version = "1";
    manifest.key_id = made::key().id();
    manifest.schema = schema;
    const SecretKey key = made::key();
    ManifestWriter writer(folder.path(), manifest, key);
    writer.add(entry);
    writer.finish();
    const Version version(folder.path(), {}, Seal::optional);
    version.authenticate(key);
    const VerifiedPage page = verify_page(version, 0, key);
    CHECK_NOTHROW(verify_sums(version.manifest(), {page}));
    CHECK_NOTHROW(verify_shard(version.shard_path(0), page.shards[0], schema, "made@1", 0, key));
}

TEST_CASE("counts are published to the nearest ten, small ones not at all, of small splits nothing") {
    const Counts counts{{"site", {{"north", 9}, {"south", 10}, {"east", 14}, {"west", 15}, {"none", 0}}},
                        {"split", {{"train", 104}, {"test", 9}}}};
    CHECK(published(counts).dump() ==
          R"({"site":{"east":10,"north":"<10","south":10,"west":20},"split":{"test":"<10","train":100}})");
    const SplitMoments moments{{"train", {{"image", {3, 0, 1.0 / 3, 2, 0, 1}}}},
                               {"test", {{"image", {3, 0, 1, 1, 1, 1}}}}};
    CHECK(
        published(moments, counts).dump() ==
        R"({"test":null,"train":{"image":{"samples":100,"mean":0.333333,"deviation":0.816497,"least":0.0,"greatest":1.0}}})");
}
