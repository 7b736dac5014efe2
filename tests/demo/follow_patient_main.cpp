// Finds one patient's samples in a dataset version, for the demo, which follows that patient from the
// delivery to the model. What it does nobody else can: it needs the project's pseudonym key and the dataset's
// key.
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/tool.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"
#include "staging/deid/identity.h"

namespace {

using Json = nlohmann::ordered_json;

// The column's value for sample `at` as people read it; null where it is missing.
Json value_of(const core::Column& column, const core::ColumnData& data, std::size_t at) {
    switch (column.type) {
        case core::ColumnType::i64:
            return data.integers[at] == core::kMissingInteger ? Json() : Json(data.integers[at]);
        case core::ColumnType::f64:
            return data.numbers[at];
        case core::ColumnType::category: {
            const std::int32_t code = data.codes[at];
            return code == core::kMissingCategory ? Json()
                                                  : Json(column.names.at(static_cast<std::size_t>(code)));
        }
        case core::ColumnType::id16:
            return core::to_hex(data.ids[at]);
    }
    throw core::Error(core::Fault::bug, "a column of an unknown type");
}

// The samples of `patient` in one shard, with the digest of each field.
void find_in_shard(const core::ShardReader& shard, const core::Schema& schema, const std::string& file,
                   const core::Id16& patient, Json& found) {
    std::vector<core::ColumnData> columns;
    for (std::size_t c = 0; c < schema.columns.size(); ++c) columns.push_back(shard.column(c));
    const core::ColumnData& owners = columns[schema.column("patient")];
    for (std::size_t i = 0; i < owners.ids.size(); ++i) {
        if (owners.ids[i] != patient) continue;
        Json sample{{"shard", file}, {"sample", i}};
        for (std::size_t c = 0; c < columns.size(); ++c)
            sample["columns"][schema.columns[c].name] = value_of(schema.columns[c], columns[c], i);
        for (std::size_t f = 0; f < schema.fields.size(); ++f)
            sample["sha256"][schema.fields[f].name] =
                core::to_hex(core::sha256(shard.array(f, static_cast<std::int64_t>(i)).bytes));
        found.push_back(sample);
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Prints one patient's samples in a dataset version, as JSON. The national ID comes on standard "
        "input, so that no "
        "process list shows it.\nExample: follow_patient --dataset datasets/digits/1 --key keys/digits@1.key "
        "--pseudonym-key keys/pseudonym.key < id"};
    std::string version, key_file, project_key;
    app.add_option("--dataset", version, "The dataset version's folder")->required();
    app.add_option("--key", key_file, "Its key")->required();
    app.add_option("--pseudonym-key", project_key, "The project's key for pseudonyms")->required();
    return core::run_tool(app, argc, argv, [&] {
        std::string line;
        std::getline(std::cin, line);
        const auto id = staging::national_id(core::view(line));
        if (!id) throw core::Error(core::Fault::usage, "standard input holds no national ID");
        const core::Id16 patient = staging::Pseudonyms(core::SecretKey::load(project_key))
                                       .of("national-id", core::view("TW"), core::view(*id));
        const core::SecretKey key = core::SecretKey::load(key_file);
        const core::Version open(version, {}, core::Seal::optional);
        const core::Manifest& manifest = open.manifest();
        Json found = Json::array();
        for (std::int64_t s = 0; s < open.shards(); ++s) {
            const core::ShardEntry entry = open.shard(s);
            const core::ShardReader shard(open.shard_path(s), entry, manifest.schema, manifest.id(), s, key);
            find_in_shard(shard, manifest.schema, entry.file, patient, found);
        }
        std::cout << Json{{"patient", core::to_hex(patient)}, {"samples", found}} << '\n';
    });
}
