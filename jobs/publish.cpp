// What aloftd publishes: signed grants, the revocation list, sealed keys, the ledger's witness. All of it is
// a function of the state, so a crash between a record and its publication is healed at the next start.
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/ledger/grant.h"
#include "jobs/service.h"

namespace jobs {

using nlohmann::json;

void Service::publish() {
    for (const std::string& id : new_grants_) publish_grant(*state_.grant(id));
    if (revoked_ || revocations_at_ == 0) publish_revocations();
    for (const std::string& name : new_keys_) {
        const std::size_t slash = name.find('/');
        const std::string enclave = name.substr(0, slash), dataset = name.substr(slash + 1);
        const auto rows = state_.rows("SELECT sealed FROM sealed_keys WHERE enclave = ? AND dataset = ?",
                                      {enclave, dataset});
        core::make_directories(site_.published / "keys" / enclave, 0755);
        core::write_atomically(site_.published / "keys" / enclave / (dataset + ".sealed"),
                               rows.at(0).at("sealed").get<std::string>() + "\n", 0644);
    }
    for (const std::string& file : collected_) {
        std::error_code ignored;  // met again, it is known by its id
        std::filesystem::remove(file, ignored);
    }
    new_grants_.clear();
    new_keys_.clear();
    collected_.clear();
    revoked_ = false;
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
    const std::int64_t now = core::now_seconds();
    std::vector<std::string> revoked;  // one that has ended anyway need not be named
    for (const json& row : state_.rows("SELECT id FROM grants WHERE revoked IS NOT NULL AND not_after > ?",
                                       {core::rfc3339(now)}))
        revoked.push_back(row.at("id").get<std::string>());
    core::write_atomically(
        site_.published / "revocations.json",
        core::sign_revocations(revoked, now, now + site_.revocation_stale_seconds, grant_key_), 0644);
    revocations_at_ = now;
}

}  // namespace jobs
