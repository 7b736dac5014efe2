// Prints what the C++ reader makes of a dataset version, for the comparison with the second reader
// (second_reader_test.py): each sample's values, and each array's shape and SHA-256.
//   shard_dump DIR KEY          prints
//   shard_dump make DIR         makes versions that the golden ones do not cover
#include <cmath>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "core/shard/tiles.h"

namespace {

using Json = nlohmann::ordered_json;

Json value_of(const core::Column& column, const core::ColumnData& data, std::size_t i) {
    switch (column.type) {
        case core::ColumnType::i64:
            return data.integers[i] == core::kMissingInteger ? Json() : Json(data.integers[i]);
        case core::ColumnType::f64:
            return std::isnan(data.numbers[i]) ? Json() : Json(data.numbers[i]);
        case core::ColumnType::category:
            return data.codes[i] < 0 ? Json() : Json(column.names[static_cast<std::size_t>(data.codes[i])]);
        case core::ColumnType::id16:
            return core::to_hex(data.ids[i]);
    }
    return {};
}

void print(const std::filesystem::path& dir, const core::SecretKey& key) {
    const core::Version version(dir, {}, core::Seal::optional);
    version.authenticate(key);
    const core::Manifest& manifest = version.manifest();
    const core::Schema& schema = manifest.schema;
    Json samples = Json::array(), counts = Json::array();
    for (std::int64_t page = 0; page < version.pages(); ++page)
        for (const core::ShardEntry& entry : version.page(page, key)) counts.push_back(entry.counts);
    for (std::int64_t s = 0; s < version.shards(); ++s) {
        const core::ShardReader reader(version.shard_path(s), version.shard(s), schema, manifest.id(), s,
                                       key);
        std::vector<core::ColumnData> columns;
        for (std::size_t c = 0; c < schema.columns.size(); ++c) columns.push_back(reader.column(c));
        for (std::int64_t i = 0; i < reader.samples(); ++i) {
            Json sample = Json::object();
            for (std::size_t c = 0; c < columns.size(); ++c)
                sample[schema.columns[c].name] =
                    value_of(schema.columns[c], columns[c], static_cast<std::size_t>(i));
            for (std::size_t f = 0; f < schema.fields.size(); ++f) {
                const core::Array array = reader.array(f, i);
                sample[schema.fields[f].name] = {{"shape", array.shape},
                                                 {"sha256", core::to_hex(core::sha256(array.bytes))}};
            }
            samples.push_back(std::move(sample));
        }
    }
    std::cout << Json{{"dataset", manifest.id()}, {"counts", counts}, {"samples", samples}} << '\n';
}

void make(const std::filesystem::path& dir) {
    for (const core::Codec codec : {core::Codec::none, core::Codec::lz4, core::Codec::zstd}) {
        const std::filesystem::path out = dir / std::string(core::name_of(codec));
        core::make_directories(out, 0755);
        made::dataset(out, made::everything(), {20, 7, 1}, {codec, 2, 1 << 20});
    }
    // Volumes of many tiles, of every rank.
    core::Schema schema{{{"volume", core::DType::u16, {}, ""}}, made::columns()};
    core::Manifest manifest;
    manifest.dataset = "made";
    manifest.version = "1";
    manifest.key_id = made::key().id();
    manifest.schema = schema;
    const core::SecretKey key = made::key();
    const std::filesystem::path out = dir / "tiles";
    core::make_directories(out / "shards", 0755);
    core::ManifestWriter pages(out, manifest, key);
    core::ShardWriter writer(out / "shards" / core::shard_file(0), schema, "made@1", 0, key,
                             {core::Codec::lz4, 2, 1 << 20});
    const std::vector<std::vector<std::int64_t>> shapes{
        {2, 70, 101, 90}, {61, 130, 150}, {1000, 1301}, {(1 << 20) + 77}, {1}, {1, 1, 1, 600000}};
    std::int64_t number = 0;
    for (const auto& shape : shapes) {
        core::Sample sample = made::sample(schema, number++);
        sample.fields[0].shape = shape;
        sample.fields[0].bytes.resize(static_cast<std::size_t>(core::elements_of(core::extent_of(shape))) *
                                      2);
        for (std::size_t i = 0; i < sample.fields[0].bytes.size(); ++i)
            sample.fields[0].bytes[i] = static_cast<std::uint8_t>((i * i + i / 251) % 251);
        writer.append(std::move(sample));
    }
    pages.add(writer.finish());
    pages.finish();
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 3 && std::strcmp(argv[1], "make") == 0) {
            make(argv[2]);
        } else if (argc == 3) {
            print(argv[1], core::SecretKey::load(argv[2]));
        } else {
            return 2;
        }
    } catch (const core::Error& e) {
        std::cerr << e.what() << '\n';
        return static_cast<int>(e.fault());
    }
    return 0;
}
