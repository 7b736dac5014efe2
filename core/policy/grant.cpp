#include "core/policy/grant.h"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"

namespace core {
namespace {

constexpr std::string_view kGrantType = "application/vnd.aloft.grant+json";
constexpr std::uint64_t kLimitBytes = 1 << 20;

[[noreturn]] void refuse(const std::string& text) {
    throw Error(Fault::refused, text);
}

Grant read_grant(const std::string& payload) {
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
        grant.node_hours = json.value("node_hours", std::int64_t{0});
        grant.gpu_hours = json.value("gpu_hours", std::int64_t{0});
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data,
                    "the grant is signed but not of this version; ask the admin to issue it again");
    }
    return grant;
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

Grant parse_grant(std::string_view envelope, const std::vector<VerifyKey>& keys) {
    return read_grant(dsse_open(envelope, kGrantType, keys, "the grant"));
}

Grant check_grant(std::string_view envelope, const std::vector<VerifyKey>& keys, std::uint32_t uid,
                  std::int64_t now) {
    Grant grant = parse_grant(envelope, keys);
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

namespace {

Grant open_listed(const Site& site, const SignedList& list, const std::string& id, std::uint32_t uid,
                  std::int64_t now) {
    std::string envelope;
    try {
        envelope = read_text(site.mirror / "grants" / (id + ".json"), kLimitBytes);
    } catch (const Error&) {
        throw CannotTell(0, "grant " + id +
                                " counts, but is not on this host. Tell the admin: see what aloft-mirror "
                                "says here");
    }
    Grant grant = check_grant(envelope, publishing_keys(site), uid, now);
    if (grant.id != id) refuse("the file of grant " + id + " holds another grant. Tell the admin");
    if (!contains(list.open_enclaves, grant.enclave))
        refuse("enclave " + grant.enclave +
               " is not open: suspended, closed or never opened. Ask the admin (aloft admin enclave show " +
               grant.enclave + ")");
    return grant;
}

}  // namespace

Grant open_grant(const Site& site, std::uint32_t uid, std::int64_t now, const GrantWish& wish) {
    const SignedList list = open_list(site, now);
    const auto found = list.grants.find(uid);
    const std::vector<std::string> ids =
        found == list.grants.end() ? std::vector<std::string>() : found->second;
    if (!wish.id.empty()) {
        if (!contains(ids, wish.id))
            refuse("grant " + wish.id + " was revoked, or replaced by a newer one. See: aloft grant list");
        return open_listed(site, list, wish.id, uid, now);
    }
    if (ids.empty())
        refuse("this account (uid " + std::to_string(uid) +
               ") has no grant that counts: it was revoked, or there is none. See: aloft grant list; apply "
               "for one: "
               "aloft apply create");
    std::exception_ptr why;  // of the newest: that is the one people mean
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) try {
            Grant grant = open_listed(site, list, *id, uid, now);
            for (const std::string& dataset : wish.datasets)
                if (!grant.covers(dataset))
                    refuse("grant " + grant.id + " does not cover dataset " + dataset);
            return grant;
        } catch (const Error&) {
            if (!why) why = std::current_exception();
        }
    std::rethrow_exception(why);
}

std::string sign_grant(const Grant& grant, const SigningKey& key) {
    nlohmann::ordered_json payload = {{"grant", grant.id},
                                      {"application", grant.application},
                                      {"account", grant.account},
                                      {"uid", grant.uid},
                                      {"enclave", grant.enclave},
                                      {"datasets", grant.datasets},
                                      {"purpose", grant.purpose},
                                      {"not_before", rfc3339(grant.not_before)},
                                      {"not_after", rfc3339(grant.not_after)}};
    if (grant.node_hours > 0) payload["node_hours"] = grant.node_hours;
    if (grant.gpu_hours > 0) payload["gpu_hours"] = grant.gpu_hours;
    return dsse_sign(key, kGrantType, payload.dump());
}

}  // namespace core
