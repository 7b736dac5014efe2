#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/manifest.h"

namespace core {

enum class Seal { required, optional };
// unchecked: there is a seal over exactly these bytes, and nobody's key to say whose it is.
enum class SealState { absent, unchecked, valid };

// A dataset version in a folder: its manifest, and the pages of its shards as they are asked for. Knows no
// shard's contents. const functions may be called from many threads at once.
class Version {
public:
    // Reads DIR/manifest.json. With Seal::required, one of `stewards` must have sealed exactly these bytes. With
    // Seal::optional a version without manifest.sig.json opens too; a seal that is there must be over these
    // bytes, and by one of `stewards` unless there are none. Throws Error(refused) where the seal is not as it
    // must be, Error(data) where seal or manifest is not one.
    Version(std::filesystem::path dir, const std::vector<VerifyKey>& stewards, Seal seal);
    Version(Version&&) noexcept;
    Version& operator=(Version&&) noexcept;
    ~Version();

    const std::filesystem::path& dir() const noexcept;
    const Manifest& manifest() const noexcept;
    SealState seal() const noexcept;
    const Digest& manifest_sha256() const noexcept;

    // That the key is this dataset's and, since format 2, that whoever wrote the manifest had it. Throws
    // Error(refused).
    void authenticate(const SecretKey& dataset_key) const;

    std::int64_t shards() const noexcept { return manifest().shards(); }
    std::int64_t pages() const noexcept;
    std::int64_t first_shard(std::int64_t page) const noexcept { return page * kShardsPerPage; }

    // The entries of a page, in order. The page is read anew each time. Without the key, counts are empty (but
    // for format 1, where everybody sees them). Throws Error(data) if the page is not what the manifest says.
    std::vector<ShardEntry> page(std::int64_t page) const;
    std::vector<ShardEntry> page(std::int64_t page, const SecretKey& dataset_key) const;
    // With its moments as well; those of a page of format 1 are empty.
    PageRecord record(std::int64_t page, const SecretKey& dataset_key) const;

    // One shard's entry, without counts. The pages that were read last are kept.
    ShardEntry shard(std::int64_t number) const;
    std::filesystem::path shard_path(std::int64_t number) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// The manifest alone.
Manifest open_manifest(const std::filesystem::path& dir, const std::vector<VerifyKey>& stewards, Seal seal);

// DIR/manifest.sig.json: a DSSE envelope of {"dataset","version","manifest_sha256","sealed_at"} (payload type
// application/vnd.aloft.seal+json) over the manifest that `version` has read. Throws Error(usage) if the version
// is sealed already, also by somebody at the same moment: a seal is never replaced.
void seal_version(const Version& version, const SigningKey& steward, std::int64_t now);

// Writes a version's pages as its shards come, and last its manifest: from then on the version exists. Holds one
// page, however many shards there are.
//   ManifestWriter writer(dir, manifest, key);
//   for (...) writer.add(shard_writer.finish());
//   writer.finish();
class ManifestWriter {
public:
    // `manifest` without what comes from the shards. Removes pages that a killed run left. Throws Error(refused) if
    // the key is not its key_id's.
    ManifestWriter(std::filesystem::path dir, Manifest manifest, const SecretKey& dataset_key);
    // In the order of their numbers. Throws Error(usage) on another shard's entry.
    void add(ShardEntry shard);
    // The manifest as it will be: all shards have come.
    const Manifest& complete();
    // DIR/manifest.json, atomically, 0644; pages before it. What could not be opened again is not written.
    Manifest finish();

private:
    void write_page();
    std::filesystem::path dir_;
    Manifest manifest_;
    const SecretKey& key_;
    std::vector<ShardEntry> page_;
    Counts counts_;
    SplitMoments moments_, page_moments_;
};

}  // namespace core
