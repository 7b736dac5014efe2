#include "trainer/loader/permission.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "core/base/files.h"
#include "core/base/site.h"
#include "core/base/time.h"
#include "core/policy/grant.h"
#include "core/policy/names.h"

namespace trainer {
namespace {

namespace fs = std::filesystem;

// Machines without a site (a laptop, a test) have no stewards and no grants.
std::optional<core::Site> site() {
    const char* path = std::getenv("ALOFT_SITE");
    if (!path && !fs::exists("/etc/aloft/site.toml")) return std::nullopt;
    return core::Site::load();
}

// Whether there is a grant, which then covers it. Throws Error(refused).
bool check_job_grant(const std::optional<core::Site>& here, const std::string& dataset) {
    const char* named = std::getenv("ALOFT_GRANT");
    const fs::path path = named ? named : "/aloft/grant.json";
    if (!named && !fs::exists(path)) return false;
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
    return true;
}

// Of a dataset that was asked for by its name, before anything of it is opened: a job's view has no folder of what was
// not granted. Throws Error(refused).
void check_name(const std::optional<core::Site>& here, const Access& access) {
    if (check_job_grant(here, access.name) || fs::exists(access.dataset)) return;
    std::string others;
    for (const Access& each : Access::all()) others += (others.empty() ? "" : ", ") + each.name;
    throw core::Error(
        core::Fault::refused,
        "no grant covers " + access.name + "; this job has " +
            (others.empty() ? "no dataset. Outside of a job, give a folder and its key" : others));
}

core::SecretKey load_key(const fs::path& path, const std::string& dataset) {
    try {
        return core::SecretKey::load(path);
    } catch (const core::Error& e) {
        throw core::Error(e.fault(), "no key for " + dataset + ": " + e.what() +
                                         ". In an enclave job it comes with the grant");
    }
}

fs::path folder(const char* variable, const char* otherwise) {
    const char* named = std::getenv(variable);
    return named && *named ? named : otherwise;
}

}  // namespace

Access Access::of(const std::string& name) {
    core::parse_dataset_name(name);
    return {folder("ALOFT_DATA", "/aloft/data") / name,
            folder("ALOFT_KEYS", "/aloft/keys") / (name + ".key"),
            {},
            name};
}

std::vector<Access> Access::all() {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder("ALOFT_DATA", "/aloft/data"), none))
        if (entry.is_directory(none)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    std::vector<Access> found;
    for (const std::string& name : names) {
        try {
            found.push_back(of(name));
        } catch (const core::Error&) {  // something else that lies there
        }
    }
    return found;
}

Granted granted(const Access& access) {
    const auto here = site();
    if (!access.name.empty()) check_name(here, access);
    std::vector<core::VerifyKey> stewards;
    if (!access.steward.empty())
        stewards.push_back(core::VerifyKey::load(access.steward));
    else if (here && fs::exists(here->config / "keys/steward.pub"))
        stewards = core::load_verify_keys(here->config / "keys", "steward");
    core::Version version(access.dataset, stewards,
                          stewards.empty() ? core::Seal::optional : core::Seal::required);
    const std::string id = version.manifest().id();
    check_job_grant(here, id);
    core::SecretKey key = load_key(access.key, id);
    version.authenticate(key);
    return {std::move(version), std::move(key)};
}

std::unique_ptr<Dataset> open_granted(const Access& access) {
    Granted found = granted(access);
    return std::make_unique<Dataset>(std::move(found.version), std::move(found.key));
}

}  // namespace trainer
