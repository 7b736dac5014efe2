#pragma once
#include <algorithm>
#include <filesystem>
#include <map>
#include <string>

#include "core/base/files.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"

namespace test {

// A host whose configuration and mirror lie in `folder`.
inline core::Site host_site(const std::filesystem::path& folder) {
    core::Site site;
    site.config = folder / "etc";
    site.mirror = folder / "mirror";
    return site;
}

// What aloft-sign publishes, made by hand in SITE.mirror: policies, grants and the list that names them.
class Published {
public:
    core::SigningKey key = core::SigningKey::generate();
    core::SignedList list;

    // Lays down keys/grant.pub. Nothing is listed, and there is no list, before write().
    Published(const core::Site& site, std::int64_t issued, std::int64_t expires) : site_(site) {
        list.issued = issued;
        list.expires = expires;
        for (const auto& folder : {site.config / "keys", site.mirror / "grants", site.mirror / "enclaves"})
            core::make_directories(folder);
        key.verify_key().save(site.config / "keys" / "grant.pub");
    }
    void write() const {
        core::write_atomically(site_.mirror / "list.json", core::sign_list(list, key), 0644);
    }

    void grant(const core::Grant& grant) {
        core::write_atomically(site_.mirror / "grants" / (grant.id + ".json"), core::sign_grant(grant, key),
                               0644);
        auto& ids = list.grants[grant.uid];
        std::erase(ids, grant.id);
        ids.push_back(grant.id);
        write();
    }
    void revoke(const std::string& id) {
        for (auto& [uid, ids] : list.grants) std::erase(ids, id);
        write();
    }
    // The policy as its admin wrote it, with the numbers of its accounts.
    void policy(const core::Enclave& enclave, const std::map<std::string, std::uint32_t>& uids) {
        const std::string envelope = core::sign_enclave(core::to_toml(enclave), uids, key);
        core::write_atomically(site_.mirror / "enclaves" / (enclave.name + ".json"), envelope, 0644);
        auto& entry = list.policies[enclave.name];
        entry = {core::to_hex(core::sha256(core::view(envelope))), enclave.partition, {}};
        for (const auto& [account, uid] : uids) entry.uids.push_back(uid);
        write();
    }

private:
    core::Site site_;
};

}  // namespace test
