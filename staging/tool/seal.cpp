#include "staging/tool/seal.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/keys/keys.h"
#include "core/shard/version.h"
#include "staging/build/request.h"
#include "staging/tool/report.h"

namespace staging {
namespace {

constexpr char kManifest[] = "manifest.json", kSeal[] = "manifest.sig.json";

// Gives the file its name only if there is none of that name.
void put(const std::filesystem::path& path, std::string_view text) {
    core::AtomicFile file(path, 0644);
    file.write(core::view(text));
    if (!file.commit_new())
        throw core::Error(core::Fault::usage, path.string() + ": is there already, and a seal never changes");
}

void copy_manifest(const std::filesystem::path& from, const std::filesystem::path& to) {
    core::write_atomically(to / kManifest, core::read_file(from / kManifest, std::uint64_t{1} << 30));
}

}  // namespace

nlohmann::ordered_json seal(const CheckRequest& request, const std::filesystem::path& to) {
    const core::SigningKey steward = core::SigningKey::load(request.steward);
    const core::Version version(request.dir, {}, core::Seal::optional);
    if (version.seal() != core::SealState::absent)
        throw core::Error(core::Fault::usage,
                          request.dir.string() +
                              ": this version is sealed already, and never changes. Build a new version "
                              "instead.");
    if (!request.limits.empty())
        if (const auto broken = broken_by(version.manifest(), read_report(request.dir), request.limits);
            !broken.empty())
            throw core::Error(core::Fault::refused,
                              request.dir.string() + ": breaks " + std::to_string(broken.size()) + " of " +
                                  request.limits.string() +
                                  " and was not sealed. See: aloft-stage report --limits");
    std::optional<core::SecretKey> key;
    if (!request.key.empty()) {
        key = core::SecretKey::load(request.key);
        version.authenticate(*key);
    }
    check_files(version, key ? &*key : nullptr, request.threads);
    if (to.empty()) {
        core::seal_version(version, steward, core::now_seconds());
    } else {
        const core::TemporaryFolder copy("aloft-stage");
        copy_manifest(request.dir, copy.path());
        const core::Version copied(copy.path(), {}, core::Seal::optional);
        if (copied.manifest_sha256() != version.manifest_sha256())
            throw core::Error(core::Fault::data,
                              request.dir.string() + ": the manifest has changed while it was verified");
        core::seal_version(copied, steward, core::now_seconds());
        put(std::filesystem::absolute(to), core::read_text(copy.path() / kSeal, 1 << 20));
    }
    return {{"dataset", version.manifest().id()},
            {"sealed", to.empty()},
            {"opened", key.has_value()},
            {"seal", to.empty() ? (request.dir / kSeal).string() : to.string()},
            {"steward_key_id", steward.verify_key().id()}};
}

nlohmann::ordered_json attach_seal(const std::filesystem::path& dir, const std::filesystem::path& file,
                                   const std::filesystem::path& steward) {
    const core::VerifyKey key = core::VerifyKey::load(steward);
    const core::TemporaryFolder copy("aloft-stage");
    const std::string text = core::read_text(file, 1 << 20);
    copy_manifest(dir, copy.path());
    core::write_atomically(copy.path() / kSeal, text);
    const std::string dataset = [&] {
        try {
            return core::open_manifest(copy.path(), {key}, core::Seal::required).id();
        } catch (const core::Error& e) {  // which names the copy
            if (e.fault() == core::Fault::system) throw;
            throw core::Error(e.fault(), file.string() + ": is no seal of the version in " + dir.string() +
                                             " by this steward. Give what `seal --to` wrote for it");
        }
    }();
    put(std::filesystem::absolute(dir / kSeal), text);
    return {{"dataset", dataset},
            {"sealed", true},
            {"seal", (dir / kSeal).string()},
            {"steward_key_id", key.id()}};
}

}  // namespace staging
