#include "staging/tool/verify.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/base/progress.h"
#include "core/keys/keys.h"
#include "core/mpi/share.h"
#include "core/shard/manifest.h"
#include "core/shard/reader.h"

namespace staging {
namespace {

void refuse_strangers(const std::filesystem::path& dir, const core::Manifest& manifest) {
    std::set<std::string> known;
    for (const core::ShardEntry& shard : manifest.shards) known.insert(shard.file);
    std::int64_t strangers = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir / "shards"))
        strangers += !known.contains(entry.path().filename().string());
    if (strangers)
        throw core::Error(core::Fault::data, (dir / "shards").string() + " holds " +
                                                 std::to_string(strangers) +
                                                 " files that the manifest does not name. Remove them");
}

}  // namespace

nlohmann::ordered_json verify(const std::filesystem::path& dir, const std::filesystem::path& key_file,
                              const std::filesystem::path& steward, const core::Comm* comm) {
    std::vector<core::VerifyKey> stewards;
    if (!steward.empty()) stewards.push_back(core::VerifyKey::load(steward));
    const core::Manifest manifest =
        core::open_manifest(dir, stewards, stewards.empty() ? core::Seal::optional : core::Seal::required);
    const core::SecretKey key = core::SecretKey::load(key_file);
    if (key.id() != manifest.key_id)
        throw core::Error(core::Fault::refused,
                          "this is not the key of " + manifest.id() + " (its id is " + manifest.key_id + ")");
    refuse_strangers(dir, manifest);
    const auto check = [&](std::size_t i) {
        core::verify_shard(core::shard_path(dir, manifest.shards[i]), manifest.shards[i], manifest.schema,
                           manifest.id(), static_cast<std::int64_t>(i), key);
    };
    const std::size_t count = manifest.shards.size();
    core::Progress progress("verify", static_cast<std::int64_t>(count));
    if (comm) {
        core::share(*comm, static_cast<std::int64_t>(count), [&](core::Shared& work) {
            while (const auto i = work.next()) {
                check(static_cast<std::size_t>(*i));
                if (comm->is_root()) progress.advance(comm->size());
            }
        });
    } else {
        for (std::size_t i = 0; i < count; ++i) {
            check(i);
            progress.advance();
        }
    }
    return {{"dataset", manifest.id()},
            {"verified", true},
            {"seal", stewards.empty() ? "not looked at: give --steward" : "valid"},
            {"shards", count},
            {"samples", manifest.samples()}};
}

}  // namespace staging
