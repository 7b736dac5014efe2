#include "core/policy/list.h"

#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/base/time.h"

namespace core {
namespace {

constexpr std::string_view kListType = "application/vnd.aloft.list+json";
constexpr std::uint64_t kLimitBytes = 16 << 20;

std::uint32_t uid_of(const std::string& text) {
    if (text.empty() || text.size() > 10 || text.find_first_not_of("0123456789") != std::string::npos)
        throw Error(Fault::refused, "the signed list names an account by something else than its number");
    return static_cast<std::uint32_t>(std::stoull(text));
}

std::string envelope_of(const Site& site) {
    try {
        return read_text(site.mirror / "list.json", kLimitBytes);
    } catch (const Error&) {
        throw ListIsStale(0,
                          "the signed list is missing: nothing that is published has reached this host, so no "
                          "grant can be trusted. Tell the admin: are aloft-sign and, on this host, "
                          "aloft-mirror running?");
    }
}

}  // namespace

std::vector<VerifyKey> publishing_keys(const Site& site) {
    return load_verify_keys(site.config / "keys", "grant");
}

SignedList parse_list(std::string_view envelope, const std::vector<VerifyKey>& keys) {
    const std::string payload = dsse_open(envelope, kListType, keys, "the signed list");
    SignedList list;
    try {
        const auto json = nlohmann::json::parse(payload);
        list.issued = parse_rfc3339(json.at("issued").get<std::string>());
        list.expires = parse_rfc3339(json.at("expires").get<std::string>());
        list.seq = json.at("seq").get<std::uint64_t>();
        list.sha256 = json.at("sha256").get<std::string>();
        for (const auto& [uid, ids] : json.at("grants").items())
            list.grants[uid_of(uid)] = ids.get<std::vector<std::string>>();
        list.open_enclaves = json.at("enclaves").get<std::vector<std::string>>();
        for (const auto& [name, policy] : json.at("policies").items())
            list.policies[name] = {policy.at("sha256").get<std::string>(),
                                   policy.at("partition").get<std::string>(),
                                   policy.at("uids").get<std::vector<std::uint32_t>>()};
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::refused, "the signed list is not of this version. Tell the admin");
    }
    return list;
}

SignedList read_list(const Site& site) {
    return parse_list(envelope_of(site), publishing_keys(site));
}

SignedList open_list(const Site& site, std::int64_t now) {
    SignedList list = read_list(site);
    if (list.issued > now + kClockSkewSeconds)
        throw ListIsStale(list.issued,
                          "the signed list was issued in the future (" + rfc3339(list.issued) +
                              "). Tell the admin: the clocks of this host and the login host differ");
    if (now >= list.expires || now - list.issued >= site.revocation_stale_seconds)
        throw ListIsStale(list.issued,
                          "the signed list is stale: it was signed at " + rfc3339(list.issued) +
                              ", so no grant can be trusted. Tell the admin: are aloft-sign and, "
                              "on this host, aloft-mirror running?");
    return list;
}

std::string sign_list(const SignedList& list, const SigningKey& key) {
    nlohmann::ordered_json grants = nlohmann::ordered_json::object(), policies = grants;
    for (const auto& [uid, ids] : list.grants) grants[std::to_string(uid)] = ids;
    for (const auto& [name, policy] : list.policies)
        policies[name] = {{"sha256", policy.sha256}, {"partition", policy.partition}, {"uids", policy.uids}};
    const nlohmann::ordered_json payload = {{"issued", rfc3339(list.issued)},
                                            {"expires", rfc3339(list.expires)},
                                            {"seq", list.seq},
                                            {"sha256", list.sha256},
                                            {"grants", grants},
                                            {"enclaves", list.open_enclaves},
                                            {"policies", policies}};
    return dsse_sign(key, kListType, payload.dump());
}

}  // namespace core
