#include "trainer/engine/permission.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/site.h"
#include "core/base/time.h"
#include "core/policy/grant.h"

namespace trainer {
namespace {

namespace fs = std::filesystem;

// Machines without a site (a laptop, a test) have no stewards and no grants.
std::optional<core::Site> site() {
    const char* path = std::getenv("ALOFT_SITE");
    if (!path && !fs::exists("/etc/aloft/site.toml")) return std::nullopt;
    return core::Site::load();
}

void check_job_grant(const std::optional<core::Site>& here, const std::string& dataset) {
    const char* named = std::getenv("ALOFT_GRANT");
    const fs::path path = named ? named : "/aloft/grant.json";
    if (!named && !fs::exists(path)) return;
    if (!here)
        throw core::Error(
            core::Fault::refused,
            "there is a grant but no site configuration to check it against: /etc/aloft/site.toml is "
            "missing on this host; tell your administrator");
    const auto grant = core::check_grant(core::read_text(path, 1 << 20), core::publishing_keys(*here),
                                         static_cast<std::uint32_t>(getuid()), core::now_seconds());
    if (!grant.covers(dataset))
        throw core::Error(core::Fault::refused, "grant " + grant.id + " does not cover " + dataset +
                                                    ": apply for it (aloft apply --help)");
}

core::SecretKey load_key(const fs::path& path, const std::string& dataset) {
    try {
        return core::SecretKey::load(path);
    } catch (const core::Error& e) {
        throw core::Error(e.fault(), "no key for " + dataset + ": " + e.what() +
                                         ". In an enclave job it is /aloft/keys/" + dataset + ".key (--key)");
    }
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const Access& access, const core::Comm& comm) {
    std::unique_ptr<Dataset> dataset;
    core::together(comm, [&] {
        const auto here = site();
        std::vector<core::VerifyKey> stewards;
        if (!access.steward.empty())
            stewards.push_back(core::VerifyKey::load(access.steward));
        else if (here && fs::exists(here->config / "keys/steward.pub"))
            stewards.push_back(core::VerifyKey::load(here->config / "keys/steward.pub"));
        const auto seal = stewards.empty() ? core::Seal::optional : core::Seal::required;
        if (stewards.empty() && comm.is_root())
            core::Event("warning", "seal_not_checked")
                .with("text", "no steward's key on this machine; see --steward");
        const core::Manifest manifest = core::open_manifest(access.dataset, stewards, seal);
        check_job_grant(here, manifest.id());
        dataset =
            std::make_unique<Dataset>(access.dataset, load_key(access.key, manifest.id()), stewards, seal);
    });
    return dataset;
}

}  // namespace trainer
