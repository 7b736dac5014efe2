#include "staging/tool/seal.h"

#include <fcntl.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/keys/keys.h"
#include "core/shard/manifest.h"
#include "staging/build/request.h"

namespace staging {
namespace {

constexpr char kManifest[] = "manifest.json", kSeal[] = "manifest.sig.json";

// Gives the file its name only if there is none of that name.
void put(const std::filesystem::path& path, std::string_view text) {
    const std::filesystem::path temporary = path.parent_path() / (".tmp-seal-" + path.filename().string());
    core::write_atomically(temporary, text, 0644);
    const int failed = ::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
    const int why = errno;
    if (!failed) return core::sync_directory(path.parent_path());
    std::filesystem::remove(temporary);
    if (why == EEXIST)
        throw core::Error(core::Fault::usage, path.string() + ": is there already, and a seal never changes");
    throw core::Error(core::Fault::system, core::with_errno("cannot write " + path.string(), why));
}

}  // namespace

nlohmann::ordered_json seal(const std::filesystem::path& dir, const std::filesystem::path& key,
                            const std::filesystem::path& to) {
    const core::SigningKey steward = core::SigningKey::load(key);
    std::string dataset;
    if (to.empty()) {
        core::seal_manifest(dir, steward, core::now_seconds());
        dataset = core::open_manifest(dir, {steward.verify_key()}, core::Seal::required).id();
    } else {
        const TemporaryFolder copy;
        core::write_atomically(copy.path() / kManifest,
                               core::read_file(dir / kManifest, std::uint64_t{1} << 30));
        core::seal_manifest(copy.path(), steward, core::now_seconds());
        dataset = core::open_manifest(copy.path(), {steward.verify_key()}, core::Seal::required).id();
        put(std::filesystem::absolute(to), core::read_text(copy.path() / kSeal, 1 << 20));
    }
    return {{"dataset", dataset},
            {"sealed", to.empty()},
            {"seal", to.empty() ? (dir / kSeal).string() : to.string()},
            {"steward_key_id", steward.verify_key().id()}};
}

nlohmann::ordered_json attach_seal(const std::filesystem::path& dir, const std::filesystem::path& file,
                                   const std::filesystem::path& steward) {
    const core::VerifyKey key = core::VerifyKey::load(steward);
    const TemporaryFolder copy;
    const std::string text = core::read_text(file, 1 << 20);
    core::write_atomically(copy.path() / kManifest, core::read_file(dir / kManifest, std::uint64_t{1} << 30));
    core::write_atomically(copy.path() / kSeal, text);
    const std::string dataset = core::open_manifest(copy.path(), {key}, core::Seal::required).id();
    put(std::filesystem::absolute(dir / kSeal), text);
    return {{"dataset", dataset},
            {"sealed", true},
            {"seal", (dir / kSeal).string()},
            {"steward_key_id", key.id()}};
}

}  // namespace staging
