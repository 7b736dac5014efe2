#include "core/shard/version.h"

#include <unistd.h>

#include <deque>
#include <mutex>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/shard/of_host.h"

namespace core {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::string_view kSealType = "application/vnd.aloft.seal+json";
constexpr std::uint64_t kMaxManifestBytes = 1 << 30, kMaxPageBytes = 1 << 28;
constexpr std::size_t kKeptPages = 4;

// The digest that a seal speaks of. Without `stewards` only what it says, not who says it.
std::string sealed_digest(const std::filesystem::path& path, const std::vector<VerifyKey>& stewards,
                          bool checked) {
    const std::string envelope = read_text(path, 1 << 20);
    try {
        std::string payload;
        if (checked) {
            payload = dsse_open(envelope, kSealType, stewards, path.string());
        } else {
            const Json json = Json::parse(envelope);
            if (json.at("payloadType") != kSealType) throw Error(Fault::data, path.string() + ": not a seal");
            payload = text(from_base64(json.at("payload").get<std::string>()));
        }
        return Json::parse(payload).at("manifest_sha256").get<std::string>();
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, path.string() + ": not a seal");
    }
}

}  // namespace

struct Version::State {
    std::filesystem::path dir;
    std::string text;
    Digest digest{};
    Manifest manifest;
    SealState seal = SealState::absent;
    mutable std::mutex mutex;
    mutable std::deque<std::pair<std::int64_t, std::vector<ShardEntry>>> kept;  // last read first

    Page read(std::int64_t number) const {
        if (number < 0 || number >= static_cast<std::int64_t>(manifest.pages.size()))
            throw Error(Fault::bug, "a page was asked for that is not there");
        const PageEntry& entry = manifest.pages[static_cast<std::size_t>(number)];
        const std::filesystem::path path = dir / "pages" / entry.file;
        const std::string bytes = of_host([&] { return read_text(path, kMaxPageBytes); });
        if (sha256(view(bytes)) != entry.sha256)
            throw Error(
                Fault::data,
                path.string() + ": its SHA-256 differs from the manifest's. Restore the file from a copy.");
        Page page = page_from_text(bytes, manifest.id(), number, path.string());
        std::int64_t samples = 0;
        std::uint64_t shard_bytes = 0;
        for (const ShardEntry& shard : page.shards) {
            samples += shard.samples <= INT64_MAX - samples ? shard.samples : 0;
            shard_bytes += shard.bytes;
        }
        if (static_cast<std::int64_t>(page.shards.size()) != entry.shards || samples != entry.samples ||
            shard_bytes != entry.bytes)
            throw Error(Fault::data, path.string() + ": lists other shards than the manifest counts");
        return page;
    }

    std::string page_path(std::int64_t number) const { return (dir / "pages" / page_file(number)).string(); }

    // Of format 1: as if the manifest had pages.
    std::vector<ShardEntry> listed(std::int64_t page) const {
        const auto first = static_cast<std::size_t>(page * kShardsPerPage),
                   end = std::min(first + static_cast<std::size_t>(kShardsPerPage), manifest.listed.size());
        if (page < 0 || first >= end) throw Error(Fault::bug, "a page was asked for that is not there");
        return {manifest.listed.begin() + static_cast<std::ptrdiff_t>(first),
                manifest.listed.begin() + static_cast<std::ptrdiff_t>(end)};
    }
};

Version::Version(std::filesystem::path dir, const std::vector<VerifyKey>& stewards, Seal seal)
    : state_(std::make_unique<State>()) {
    State& state = *state_;
    state.dir = std::move(dir);
    const std::filesystem::path path = state.dir / "manifest.json",
                                seal_path = state.dir / "manifest.sig.json";
    state.text = read_text(path, kMaxManifestBytes);
    state.digest = sha256(view(state.text));
    if (::access(seal_path.c_str(), F_OK) == 0) {
        const bool checked = seal == Seal::required || !stewards.empty();
        if (sealed_digest(seal_path, stewards, checked) != to_hex(state.digest))
            throw Error(Fault::refused, path.string() +
                                            ": was changed after a steward sealed it. Restore it from a "
                                            "copy.");
        state.seal = checked ? SealState::valid : SealState::unchecked;
    } else if (seal == Seal::required) {
        throw Error(Fault::refused, state.dir.string() +
                                        ": this dataset version is not sealed. A steward seals it with "
                                        "`aloft stage seal`.");
    }
    state.manifest = manifest_from_text(state.text, path.string());
}
Version::Version(Version&&) noexcept = default;
Version& Version::operator=(Version&&) noexcept = default;
Version::~Version() = default;

const std::filesystem::path& Version::dir() const noexcept {
    return state_->dir;
}
const Manifest& Version::manifest() const noexcept {
    return state_->manifest;
}
SealState Version::seal() const noexcept {
    return state_->seal;
}
const Digest& Version::manifest_sha256() const noexcept {
    return state_->digest;
}

void Version::authenticate(const SecretKey& dataset_key) const {
    const Manifest& manifest = this->manifest();
    if (dataset_key.id() != manifest.key_id)
        throw Error(Fault::refused, "this is not the key of " + manifest.id() + " (its id is " +
                                        manifest.key_id + "). Ask for the key of exactly this version.");
    if (!is_marked(state_->text, manifest, dataset_key).value_or(true))
        throw Error(Fault::refused,
                    (dir() / "manifest.json").string() +
                        ": was not written by somebody who had the dataset's key, or was changed "
                        "afterwards. Restore it from a copy.");
}

std::int64_t Version::pages() const noexcept {
    return (shards() + kShardsPerPage - 1) / kShardsPerPage;
}

std::vector<ShardEntry> Version::page(std::int64_t page) const {
    return manifest().format == 1 ? state_->listed(page) : state_->read(page).shards;
}

std::vector<ShardEntry> Version::page(std::int64_t page, const SecretKey& dataset_key) const {
    if (manifest().format == 1) return state_->listed(page);
    Page read = state_->read(page);
    PageRecord record = open_record(read, manifest().id(), page, dataset_key, state_->page_path(page));
    for (std::size_t i = 0; i < read.shards.size(); ++i) read.shards[i].counts = std::move(record.counts[i]);
    return std::move(read.shards);
}

PageRecord Version::record(std::int64_t page, const SecretKey& dataset_key) const {
    if (manifest().format > 1)
        return open_record(state_->read(page), manifest().id(), page, dataset_key, state_->page_path(page));
    PageRecord record;
    for (ShardEntry& shard : state_->listed(page)) record.counts.push_back(std::move(shard.counts));
    return record;
}

ShardEntry Version::shard(std::int64_t number) const {
    const std::int64_t wanted = number / kShardsPerPage;
    const auto at = static_cast<std::size_t>(number % kShardsPerPage);
    if (number < 0 || number >= shards()) throw Error(Fault::bug, "a shard was asked for that is not there");
    if (manifest().format == 1) return manifest().listed[static_cast<std::size_t>(number)];
    const std::lock_guard lock(state_->mutex);
    auto& kept = state_->kept;
    for (const auto& [page, entries] : kept)
        if (page == wanted) return entries[at];
    kept.emplace_front(wanted, page(wanted));
    if (kept.size() > kKeptPages) kept.pop_back();
    return kept.front().second[at];
}

std::filesystem::path Version::shard_path(std::int64_t number) const {
    return dir() / "shards" / shard_file(number);
}

Manifest open_manifest(const std::filesystem::path& dir, const std::vector<VerifyKey>& stewards, Seal seal) {
    return Version(dir, stewards, seal).manifest();
}

void seal_version(const Version& version, const SigningKey& steward, std::int64_t now) {
    const std::filesystem::path path = version.dir() / "manifest.sig.json";
    const Json seal = {{"dataset", version.manifest().dataset},
                       {"version", version.manifest().version},
                       {"manifest_sha256", to_hex(version.manifest_sha256())},
                       {"sealed_at", rfc3339(now)}};
    AtomicFile file(path, 0644);
    file.write(view(dsse_sign(steward, kSealType, seal.dump())));
    if (!file.commit_new())
        throw Error(Fault::usage, path.string() +
                                      ": this version is sealed already, and never changes. "
                                      "Build a new version instead.");
}

ManifestWriter::ManifestWriter(std::filesystem::path dir, Manifest manifest, const SecretKey& dataset_key)
    : dir_(std::move(dir)), manifest_(std::move(manifest)), key_(dataset_key) {
    if (manifest_.key_id != key_.id())
        throw Error(Fault::refused,
                    "the manifest of " + manifest_.id() + " names another key than it is written with");
    manifest_.format = kFormat;
    manifest_.pages.clear();
    manifest_.listed.clear();
    make_directories(dir_ / "pages", 0755);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "pages", error))
        if (const std::string name = entry.path().filename();
            name.starts_with("page-") || name.starts_with(".tmp-"))
            std::filesystem::remove(entry.path(), error);
}

void ManifestWriter::add(ShardEntry shard) {
    const std::int64_t number = manifest_.shards() + static_cast<std::int64_t>(page_.size());
    if (shard.file != shard_file(number) || shard.format != kFormat)
        throw Error(Fault::usage, "a shard's entry comes out of turn, or is of another format");
    merge(counts_, shard.counts);
    merge(page_moments_, shard.moments);
    page_.push_back(std::move(shard));
    if (static_cast<std::int64_t>(page_.size()) == kShardsPerPage) write_page();
}

void ManifestWriter::write_page() {
    const auto number = static_cast<std::int64_t>(manifest_.pages.size());
    const std::string text = page_text(manifest_.id(), number, page_, key_);
    PageEntry entry{page_file(number), sha256(view(text)), static_cast<std::int64_t>(page_.size()), 0, 0};
    for (const ShardEntry& shard : page_) {
        entry.samples += shard.samples;
        entry.bytes += shard.bytes;
    }
    const Page again = page_from_text(text, manifest_.id(), number, "the new " + entry.file);
    open_record(again, manifest_.id(), number, key_, "the new " + entry.file);
    write_atomically(dir_ / "pages" / entry.file, text, 0644);
    manifest_.pages.push_back(std::move(entry));
    merge(moments_, page_moments_);
    page_moments_.clear();
    page_.clear();
}

const Manifest& ManifestWriter::complete() {
    if (!page_.empty()) write_page();
    manifest_.counts = published(counts_);
    manifest_.moments = published(moments_, counts_);
    return manifest_;
}

Manifest ManifestWriter::finish() {
    complete();
    const std::string text = to_text(manifest_, key_);
    manifest_from_text(text, "the new manifest");
    write_atomically(dir_ / "manifest.json", text, 0644);
    return manifest_;
}

}  // namespace core
