#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/reader.h"

namespace core {
namespace {

// With read(), not through the mapping: a storage error is then an error of its own, with its reason.
Digest file_digest(const std::filesystem::path& path) {
    const Fd fd = open_regular(path);
    Sha256 sha;
    Bytes buffer(1 << 20);
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(Fault::system, with_errno("cannot read " + path.filename().string(), errno));
        if (got == 0) return sha.finish();
        sha.update({buffer.data(), static_cast<std::size_t>(got)});
    }
}

std::map<std::string, std::int64_t> count(const Column& column, const std::vector<std::int32_t>& codes) {
    std::map<std::string, std::int64_t> counts;
    for (const std::int32_t code : codes)
        ++counts[code < 0 ? "" : column.names[static_cast<std::size_t>(code)]];
    return counts;
}

}  // namespace

void verify_shard(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                  const std::string& dataset, std::int64_t number, const SecretKey& dataset_key) {
    const std::string name = path.filename().string();
    const bool same = file_digest(path) == entry.sha256;
    // Also where the digest differs: that names the sample that is hurt.
    const ShardReader reader(path, entry, schema, dataset, number, dataset_key);
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
        const ColumnData data = reader.column(i);
        if (schema.columns[i].type != ColumnType::category) continue;
        const auto found = entry.counts.find(schema.columns[i].name);
        if (found == entry.counts.end() || found->second != count(schema.columns[i], data.codes))
            throw Error(Fault::data, name + ": /columns/" + schema.columns[i].name +
                                         ": the manifest's counts are not those of the shard");
    }
    Bytes sample;
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
        sample.resize(schema.fields[i].sample_bytes());
        for (std::int64_t k = 0; k < reader.samples(); ++k) {
            if (schema.fields[i].ragged()) {
                reader.array(i, k);
            } else {
                reader.read(i, k, sample);
            }
        }
    }
    if (!same)
        throw Error(Fault::data,
                    name +
                        ": SHA-256 differs from the manifest's, though every sample is whole: the "
                        "damage lies in HDF5's own structure. Restore the file from a copy.");
}

}  // namespace core
