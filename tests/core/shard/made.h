#pragma once
#include <cstring>
#include <filesystem>
#include <numeric>
#include <random>
#include <string>

#include "core/base/files.h"
#include "core/shard/reader.h"
#include "core/shard/verify.h"
#include "core/shard/version.h"
#include "core/shard/writer.h"

// Small datasets made from a seed, for the tests of the format and of the loader.
namespace made {

inline core::SecretKey key(std::uint8_t byte = 7) {
    return core::SecretKey::from(core::Bytes(32, byte));
}

inline std::vector<core::Column> columns() {
    return {{"patient", core::ColumnType::id16, {}},
            {"site", core::ColumnType::category, {"north", "south"}},
            {"vendor", core::ColumnType::category, {"A", "B", "C"}},
            {"label", core::ColumnType::category, {"benign", "malignant"}},
            {"split", core::ColumnType::category, {"train", "validation", "test", "hidden"}},
            {"age", core::ColumnType::f64, {}},
            {"day", core::ColumnType::i64, {}}};
}

// What the golden versions hold: a field of each kind.
inline core::Schema everything() {
    return {{{"image", core::DType::u8, {1, 6, 5}, "arbitrary"},
             {"volume", core::DType::i16, {}, "Hounsfield units"},
             {"features", core::DType::f32, {7}, ""}},
            columns()};
}

inline core::Schema images(std::vector<std::int64_t> shape = {1, 6, 5}, core::DType dtype = core::DType::u8) {
    return {{{"image", dtype, std::move(shape), "arbitrary"}}, columns()};
}

// Sample `number` of a dataset: every value is a function of (number, seed).
inline core::Sample sample(const core::Schema& schema, std::int64_t number, unsigned seed = 1) {
    std::mt19937_64 random(static_cast<std::uint64_t>(number) * 1000003 + seed);
    core::Sample made;
    for (const core::Field& field : schema.fields) {
        core::Array array;
        std::size_t count = field.sample_bytes();
        if (field.ragged()) {
            array.shape = {1 + number % 3, 4, 2 + number % 5};
            count = core::bytes_of(field.dtype) *
                    static_cast<std::size_t>(array.shape[0] * array.shape[1] * array.shape[2]);
        }
        array.bytes.resize(count);
        if (field.dtype == core::DType::f32) {
            for (std::size_t at = 0; at < count; at += sizeof(float)) {
                const float value = static_cast<float>(random() % 1000) / 100;
                std::memcpy(array.bytes.data() + at, &value, sizeof value);
            }
        } else {
            for (auto& byte : array.bytes) byte = static_cast<std::uint8_t>(random() % 32);
        }
        made.fields.push_back(std::move(array));
    }
    for (const core::Column& column : schema.columns) {
        switch (column.type) {
            case core::ColumnType::category:
                made.columns.emplace_back(column.name == "split"
                                              ? column.names[random() % 3]
                                              : column.names[random() % column.names.size()]);
                break;
            case core::ColumnType::i64:
                made.columns.emplace_back(std::int64_t{number});
                break;
            case core::ColumnType::f64:
                made.columns.emplace_back();
                if (number % 4) made.columns.back() = static_cast<double>(number) / 2;
                break;
            case core::ColumnType::id16: {
                core::Id16 id{};
                const std::uint64_t patient = static_cast<std::uint64_t>(number) / 2 + 1;
                std::memcpy(id.data(), &patient, sizeof patient);
                made.columns.emplace_back(id);
                break;
            }
        }
    }
    return made;
}

inline core::ShardEntry shard(const std::filesystem::path& dir, const core::Schema& schema,
                              std::int64_t number, std::int64_t first, std::int64_t count,
                              core::WriterOptions options = {}, unsigned seed = 1,
                              std::uint8_t key_byte = 7) {
    core::make_directories(dir);
    core::ShardWriter writer(dir / core::shard_file(number), schema, "made@1", number, key(key_byte),
                             options);
    for (std::int64_t i = first; i < first + count; ++i) writer.append(sample(schema, i, seed));
    return writer.finish();
}

// A whole dataset in `dir`: `samples_per_shard` says how many shards there are and how long each is.
inline core::Manifest dataset(const std::filesystem::path& dir, const core::Schema& schema,
                              const std::vector<std::int64_t>& samples_per_shard,
                              core::WriterOptions options = {}) {
    core::Manifest manifest;
    manifest.dataset = "made";
    manifest.version = "1";
    manifest.key_id = key().id();
    manifest.codec = options.codec;
    manifest.schema = schema;
    const core::SecretKey dataset_key = key();
    core::ManifestWriter writer(dir, manifest, dataset_key);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < samples_per_shard.size(); ++i) {
        writer.add(shard(dir / "shards", schema, static_cast<std::int64_t>(i), first, samples_per_shard[i],
                         options));
        first += samples_per_shard[i];
    }
    return writer.finish();
}

inline void flip(const std::filesystem::path& path, std::uint64_t at, std::uint8_t mask = 1) {
    std::FILE* file = std::fopen(path.c_str(), "r+b");
    std::fseek(file, static_cast<long>(at), SEEK_SET);
    const int byte = std::fgetc(file);
    std::fseek(file, static_cast<long>(at), SEEK_SET);
    std::fputc(byte ^ mask, file);
    std::fclose(file);
}

}  // namespace made
