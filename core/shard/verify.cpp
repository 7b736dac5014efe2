#include "core/shard/verify.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "core/base/error.h"
#include "core/base/files.h"

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

// The number in "shard-000003.h5" between `before` and `after`; -1 if there is none.
std::int64_t number_in(std::string_view name, std::string_view before, std::string_view after) {
    if (name.size() <= before.size() + after.size() || !name.starts_with(before) || !name.ends_with(after))
        return -1;
    const std::string_view digits = name.substr(before.size(), name.size() - before.size() - after.size());
    std::int64_t number = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size() ? number : -1;
}

template <class IsOurs>
std::int64_t strange_in(const std::filesystem::path& folder, IsOurs is_ours) {
    std::error_code error;
    if (!std::filesystem::exists(folder, error)) return 0;
    std::int64_t strange = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error))
        strange += !is_ours(entry.path().filename().native());
    if (error) throw Error(Fault::system, "cannot list " + folder.string() + ": " + error.message());
    return strange;
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
        if (schema.columns[i].type != ColumnType::category || entry.counts.empty()) continue;
        const auto found = entry.counts.find(schema.columns[i].name);
        if (found == entry.counts.end() || found->second != count(schema.columns[i], data.codes))
            throw Error(Fault::data, name + ": /columns/" + schema.columns[i].name +
                                         ": the manifest's counts are not those of the shard");
    }
    reader.check_tiles();
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

void verify_file(const std::filesystem::path& path, const ShardEntry& entry) {
    if (file_digest(path) != entry.sha256)
        throw Error(Fault::data, path.filename().string() +
                                     ": SHA-256 differs from the manifest's. Restore the file from a copy.");
}

VerifiedPage verify_page(const Version& version, std::int64_t page, const SecretKey& dataset_key) {
    VerifiedPage out;
    out.shards = version.page(page, dataset_key);
    out.moments = version.record(page, dataset_key).moments;
    for (const ShardEntry& shard : out.shards) merge(out.counts, shard.counts);
    return out;
}

void verify_sums(const Manifest& manifest, const std::vector<VerifiedPage>& pages) {
    if (manifest.format == 1) return;
    Counts counts;
    SplitMoments moments;
    for (const VerifiedPage& page : pages) {
        merge(counts, page.counts);
        merge(moments, page.moments);
    }
    if (published(counts) != manifest.counts || published(moments, counts) != manifest.moments)
        throw Error(Fault::data, "manifest.json: its counts or moments are not those of its pages");
}

std::int64_t strange_files(const Version& version) {
    const auto number_below = [](std::int64_t number, std::int64_t end) {
        return number >= 0 && number < end;
    };
    return strange_in(version.dir() / "shards",
                      [&](const std::string& name) {
                          const std::int64_t number = number_in(name, "shard-", ".h5");
                          return number_below(number, version.shards()) && name == shard_file(number);
                      }) +
           strange_in(version.dir() / "pages", [&](const std::string& name) {
               const std::int64_t number = number_in(name, "page-", ".json");
               return number_below(number, static_cast<std::int64_t>(version.manifest().pages.size())) &&
                      name == page_file(number);
           });
}

}  // namespace core
