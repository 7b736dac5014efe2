// Plays aloftd and the intake account for the cluster's tests: keys, grants, policies, the signed list, a
// sealed dataset key, with the same functions and files. Runs on a host of the cluster, as root.
#include <pwd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/files.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "core/keys/keys.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"

namespace {

namespace fs = std::filesystem;

// The policies that lie in SITE.config/enclaves, signed and named by `list`.
void publish_policies(const core::Site& site, const core::SigningKey& key, core::SignedList& list) {
    core::make_directories(site.published / "enclaves", 0755);
    list.policies.clear();
    for (const core::Enclave& enclave : core::load_enclave_sources(site)) {
        std::map<std::string, std::uint32_t> uids;
        for (const std::string& account : enclave.accounts)
            if (const passwd* entry = ::getpwnam(account.c_str())) uids[account] = entry->pw_uid;
        const std::string envelope = core::sign_enclave(enclave.source, uids, key);
        core::write_atomically(site.published / "enclaves" / (enclave.name + ".json"), envelope, 0644);
        auto& policy = list.policies[enclave.name];
        policy = {core::to_hex(core::sha256(core::view(envelope))), enclave.partition, {}};
        for (const auto& [account, uid] : uids) policy.uids.push_back(uid);
    }
}

std::optional<core::SignedList> last_list(const core::Site& site, const core::SigningKey& key) {
    try {
        return core::parse_list(core::read_text(site.published / "list.json"), {key.verify_key()});
    } catch (const core::Error&) {
        return std::nullopt;
    }
}

// Every grant that was given here, but those revoked, oldest first.
void name_grants(const core::Site& site, const std::vector<std::string>& revoked, core::SignedList& list) {
    std::vector<fs::path> files;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(site.published / "grants", none))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end(), [](const fs::path& one, const fs::path& other) {
        return fs::last_write_time(one) < fs::last_write_time(other);
    });
    list.grants.clear();
    for (const fs::path& file : files) {
        const std::string id = file.stem().string();
        if (std::find(revoked.begin(), revoked.end(), id) != revoked.end()) continue;
        const auto json = nlohmann::json::parse(core::read_text(file));
        const auto payload =
            nlohmann::json::parse(core::text(core::from_base64(json.at("payload").get<std::string>())));
        list.grants[payload.at("uid").get<std::uint32_t>()].push_back(id);
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Keys, grants and revocations for tests of the cluster.\nExample: authority grant --uid 70001 "
        "--account e-alice --seconds 3600"};
    app.require_subcommand(1);
    core::Grant grant;
    grant.id = "G-TEST";
    std::int64_t seconds = 86400, ahead = 0, used = 0;
    core::SignedList list;
    std::vector<std::string> revoked;
    bool suspended = false;
    std::string dataset, key_file;
    std::vector<std::string> enclaves{"hel"};
    app.add_option("--enclave", enclaves,
                   "Before the command: the enclaves it is for; a grant is for the first")
        ->take_all()
        ->capture_default_str();
    auto* keys = app.add_subcommand("keys", "The grant key and the enclave's key pair");
    auto* seal = app.add_subcommand("seal", "A new dataset with a key sealed for the enclave");
    seal->add_option("dataset", dataset)->required();
    seal->add_option("--key", key_file, "Seal this key instead, of a dataset that is there");
    auto* give = app.add_subcommand("grant", "Publish a grant");
    give->add_option("--uid", grant.uid)->required();
    give->add_option("--account", grant.account)->required();
    give->add_option("--seconds", seconds, "Valid for so long from now; negative: ended");
    give->add_option("--dataset", grant.datasets);
    give->add_option("--node-hours", grant.node_hours, "Its budget")
        ->needs(give->add_option("--used", used, "Seconds of nodes that are used of it"));
    give->add_option("--id", grant.id, "Its name")->capture_default_str();
    auto* revoke = app.add_subcommand(
        "revocations", "Publish the list of what counts: all grants but those named, enclaves, policies");
    revoke->add_option("grant", revoked, "Revoked grants");
    revoke->add_flag("--suspended", suspended, "Name no enclave open");
    revoke->add_option("--seconds", seconds);
    revoke->add_option(
        "--ahead", ahead,
        "Seconds that the list is from the future: to who reads it, its own clock was set back");
    grant.application = "A-TEST";
    return core::run_tool(app, argc, argv, [&] {
        const core::Site site = core::Site::load();
        const auto folder = site.config / "keys";
        const std::int64_t now = core::now_seconds();
        grant.enclave = enclaves.front();
        if (*keys) {
            const auto signing = core::SigningKey::generate();
            signing.save(folder / "test-grant.key");
            signing.verify_key().save(folder / "grant.pub");
            for (const std::string& enclave : enclaves) {
                const auto opening = core::OpeningKey::generate();
                opening.save(folder / (enclave + ".enclave.key"));
                opening.sealing_key().save(folder / (enclave + ".enclave.pub"));
            }
        } else if (*seal) {
            const auto at = dataset.find('@');
            const auto place = site.datasets / dataset.substr(0, at) / dataset.substr(at + 1);
            core::make_directories(place, 0755);
            if (key_file.empty()) core::write_atomically(place / "manifest.json", "{}\n", 0644);
            const auto key = key_file.empty() ? core::SecretKey::generate() : core::SecretKey::load(key_file);
            for (const std::string& enclave : enclaves) {
                core::make_directories(site.published / "keys" / enclave, 0755);
                const auto sealed = core::SealingKey::load(folder / (enclave + ".enclave.pub")).seal(key);
                core::write_atomically(site.published / "keys" / enclave / (dataset + ".sealed"),
                                       core::to_base64(sealed) + "\n", 0644);
            }
            std::cout << key.id() << '\n';
        } else {
            const auto signing = core::SigningKey::load(folder / "test-grant.key");
            const auto last = last_list(site, signing);
            if (*give) {
                grant.not_before = std::min(now, now + seconds) - 10;
                grant.not_after = now + seconds;
                core::make_directories(site.published / "grants", 0755);
                core::write_atomically(site.published / "grants" / (grant.id + ".json"),
                                       core::sign_grant(grant, signing), 0644);
                if (core::has_budget(grant)) {
                    core::Budgets budgets;
                    budgets.issued = budgets.complete = now;
                    budgets.grants[grant.id].used.node_seconds = used;
                    const fs::path file = site.published / core::kBudgetsFile;
                    core::make_directories(site.published / core::kBudgetsOuter, 0700);
                    core::make_directories(file.parent_path(), 0700);
                    core::write_atomically(file, core::sign_budgets(budgets, signing), 0600);
                }
                if (!last) return;
                list = *last;
                auto& ids = list.grants[grant.uid];
                std::erase(ids, grant.id);
                ids.push_back(grant.id);
            } else {
                list.issued = now + ahead;
                list.expires = list.issued + seconds;
                if (!suspended) list.open_enclaves = enclaves;
                name_grants(site, revoked, list);
            }
            list.seq = last ? last->seq + 1 : 1;
            publish_policies(site, signing, list);
            core::write_atomically(site.published / "list.json", core::sign_list(list, signing), 0644);
        }
    });
}
