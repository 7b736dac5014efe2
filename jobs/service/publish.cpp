// What aloftd publishes: signed grants, the revocation list, sealed keys, the ledger's witness. All of it is
// a function of the state, so a crash between a record and its publication is healed at the next start.
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/policy/grant.h"
#include "jobs/service/service.h"

namespace jobs {

using nlohmann::json;

void Service::publish() {
    for (const std::string& id : new_grants_) publish_grant(*state_.grant(id));
    if (list_changed_ || revocations_at_ == 0) publish_revocations();
    if (keys_changed_) publish_keys();
    for (const std::string& file : collected_) {
        std::error_code ignored;  // met again, it is known by its id
        std::filesystem::remove(file, ignored);
    }
    new_grants_.clear();
    collected_.clear();
    list_changed_ = keys_changed_ = false;
}

void Service::publish_witness() {
    if (witnessed_ == ledger_.committed()) return;
    core::write_atomically(site_.published / "witness.json", ledger_.witness().to_json() + "\n", 0644);
    witnessed_ = ledger_.committed();
}

void Service::publish_grant(const json& row) {
    core::Grant grant;
    grant.id = row.at("id").get<std::string>();
    grant.application = row.at("application").get<std::string>();
    grant.account = row.at("account").get<std::string>();
    grant.uid = row.at("uid").get<std::uint32_t>();
    grant.enclave = row.at("enclave").get<std::string>();
    grant.datasets = row.at("datasets").get<std::vector<std::string>>();
    grant.purpose = row.at("purpose").get<std::vector<std::string>>();
    grant.not_before = core::parse_rfc3339(row.at("not_before").get<std::string>());
    grant.not_after = core::parse_rfc3339(row.at("not_after").get<std::string>());
    core::write_atomically(site_.published / "grants" / (std::to_string(grant.uid) + ".json"),
                           core::sign_grant(grant, grant_key_), 0644);
}

void Service::publish_revocations() {
    core::Revocations list;
    list.issued = core::now_seconds();
    list.expires = list.issued + site_.revocation_stale_seconds;
    // One that has ended anyway need not be named.
    for (const json& row : state_.rows("SELECT id FROM grants WHERE revoked IS NOT NULL AND not_after > ?",
                                       {core::rfc3339(list.issued)}))
        list.grants.push_back(row.at("id").get<std::string>());
    for (const json& row : state_.rows("SELECT name FROM enclaves WHERE state = 'open' ORDER BY name"))
        list.open_enclaves.push_back(row.at("name").get<std::string>());
    core::write_atomically(site_.published / "revocations.json", core::sign_revocations(list, grant_key_),
                           0644);
    revocations_at_ = list.issued;
}

// Makes published/keys what the state says: a key that was withdrawn is there no more.
void Service::publish_keys() {
    namespace fs = std::filesystem;
    const fs::path folder = site_.published / "keys";
    std::set<fs::path> wanted;
    for (const json& row : state_.rows("SELECT enclave, dataset, sealed FROM sealed_keys")) {
        const fs::path path = folder / row.at("enclave").get<std::string>() /
                              (row.at("dataset").get<std::string>() + ".sealed");
        core::make_directories(path.parent_path(), 0755);
        core::write_atomically(path, row.at("sealed").get<std::string>() + "\n", 0644);
        wanted.insert(path);
    }
    std::vector<fs::path> gone;
    for (const auto& enclave : fs::directory_iterator(folder))
        if (enclave.is_directory())
            for (const auto& file : fs::directory_iterator(enclave.path()))
                if (!wanted.contains(file.path())) gone.push_back(file.path());
    for (const fs::path& path : gone) {
        fs::remove(path);
        core::sync_directory(path.parent_path());
    }
}

}  // namespace jobs
