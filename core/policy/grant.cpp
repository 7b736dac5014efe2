#include "core/policy/grant.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"

namespace core {
namespace {

constexpr std::string_view kGrantType = "application/vnd.aloft.grant+json";
constexpr std::string_view kRevocationsType = "application/vnd.aloft.revocations+json";
constexpr std::uint64_t kLimitBytes = 1 << 20;

[[noreturn]] void refuse(const std::string& text) {
    throw Error(Fault::refused, text);
}

Grant parse_grant(const std::string& payload) {
    Grant grant;
    try {
        const auto json = nlohmann::json::parse(payload);
        grant.id = json.at("grant").get<std::string>();
        grant.application = json.at("application").get<std::string>();
        grant.account = json.at("account").get<std::string>();
        grant.uid = json.at("uid").get<std::uint32_t>();
        grant.enclave = json.at("enclave").get<std::string>();
        grant.datasets = json.at("datasets").get<std::vector<std::string>>();
        grant.purpose = json.at("purpose").get<std::vector<std::string>>();
        grant.not_before = parse_rfc3339(json.at("not_before").get<std::string>());
        grant.not_after = parse_rfc3339(json.at("not_after").get<std::string>());
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data,
                    "the grant is signed but not of this version; ask the admin to issue it again");
    }
    return grant;
}

Revocations parse_revocations(const std::string& payload) {
    Revocations list;
    try {
        const auto json = nlohmann::json::parse(payload);
        list.issued = parse_rfc3339(json.at("issued").get<std::string>());
        list.expires = parse_rfc3339(json.at("expires").get<std::string>());
        list.grants = json.at("revoked").get<std::vector<std::string>>();
        list.open_enclaves = json.at("enclaves").get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception&) {
        refuse("the revocation list is signed but not of this version. Tell the admin");
    }
    return list;
}

// The list of now; refuses one that is missing, forged, stale or from the future.
Revocations open_revocations(const Site& site, const VerifyKey& key, std::int64_t now) {
    std::string envelope;
    try {
        envelope = read_text(site.mirror / "revocations.json", kLimitBytes);
    } catch (const Error&) {
        throw ListIsStale(0,
                          "the revocation list is missing, so no grant can be trusted. Tell the admin: are "
                          "aloftd and, on this host, aloft-mirror running?");
    }
    Revocations list = parse_revocations(dsse_open(envelope, kRevocationsType, {key}, "the revocation list"));
    if (list.issued > now + kClockSkewSeconds)
        throw ListIsStale(list.issued,
                          "the revocation list was issued in the future (" + rfc3339(list.issued) +
                              "). Tell the admin: the clocks of this host and the login host differ");
    if (now >= list.expires || now - list.issued >= site.revocation_stale_seconds)
        throw ListIsStale(list.issued,
                          "the revocation list is stale: it was signed at " + rfc3339(list.issued) +
                              ", so no grant can be trusted. Tell the admin: are aloftd and, on this host, "
                              "aloft-mirror running?");
    return list;
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

bool Grant::covers(std::string_view dataset) const {
    return contains(datasets, dataset);
}

std::int64_t last_limit(const Grant& grant, std::int64_t kill_wait_seconds) {
    return grant.not_after - (30 + kill_wait_seconds + 10);
}

Grant check_grant(std::string_view envelope, const VerifyKey& key, std::uint32_t uid, std::int64_t now) {
    Grant grant = parse_grant(dsse_open(envelope, kGrantType, {key}, "the grant"));
    if (grant.uid != uid) refuse("grant " + grant.id + " belongs to another account");
    if (now < grant.not_before)
        refuse("grant " + grant.id + " begins at " + rfc3339(grant.not_before) + "; wait until then");
    if (now >= grant.not_after)
        refuse("grant " + grant.id + " ended at " + rfc3339(grant.not_after) +
               ". Apply for a new one (aloft apply create), or ask the admin to issue it again (aloft grant "
               "issue " +
               grant.application + ")");
    return grant;
}

Grant open_grant(const Site& site, std::uint32_t uid, std::int64_t now) {
    const VerifyKey key = VerifyKey::load(site.config / "keys" / "grant.pub");
    std::string envelope;
    try {
        envelope = read_text(site.mirror / "grants" / (std::to_string(uid) + ".json"), kLimitBytes);
    } catch (const Error&) {
        refuse("this account (uid " + std::to_string(uid) +
               ") has no grant. Apply for one: aloft apply create; see where it stands: aloft apply list");
    }
    Grant grant = check_grant(envelope, key, uid, now);
    const Revocations list = open_revocations(site, key, now);
    if (contains(list.grants, grant.id))
        refuse("grant " + grant.id + " was revoked. Its reason: aloft grant show " + grant.id +
               "; ask the admin what comes next");
    if (!contains(list.open_enclaves, grant.enclave))
        refuse("enclave " + grant.enclave +
               " is not open: suspended, closed or never opened. Ask the admin (aloft admin enclave show " +
               grant.enclave + ")");
    return grant;
}

std::string sign_grant(const Grant& grant, const SigningKey& key) {
    const nlohmann::ordered_json payload = {{"grant", grant.id},
                                            {"application", grant.application},
                                            {"account", grant.account},
                                            {"uid", grant.uid},
                                            {"enclave", grant.enclave},
                                            {"datasets", grant.datasets},
                                            {"purpose", grant.purpose},
                                            {"not_before", rfc3339(grant.not_before)},
                                            {"not_after", rfc3339(grant.not_after)}};
    return dsse_sign(key, kGrantType, payload.dump());
}

std::string sign_revocations(const Revocations& list, const SigningKey& key) {
    const nlohmann::ordered_json payload = {{"issued", rfc3339(list.issued)},
                                            {"expires", rfc3339(list.expires)},
                                            {"revoked", list.grants},
                                            {"enclaves", list.open_enclaves}};
    return dsse_sign(key, kRevocationsType, payload.dump());
}

}  // namespace core
