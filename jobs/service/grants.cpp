// Grants: issued when the contract is signed, with an end; revoked with a reason.
#include <pwd.h>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::int64_t kYearSeconds = 366 * 86400;  // the longest; the default is 365 days

uid_t uid_of(const std::string& account) {
    std::array<char, 16 << 10> buffer;
    struct passwd entry {
    }, *found = nullptr;
    if (::getpwnam_r(account.c_str(), &entry, buffer.data(), buffer.size(), &found) || !found)
        throw Error(Fault::usage, "account " + account + " does not exist on this host; make it first");
    return found->pw_uid;
}

}  // namespace

std::optional<json> Service::grant_issue(Call& call) {
    need_role(call, {"admin"});
    const json row = application_or_throw(id_field(call.body, "id", "A-"));
    const std::string application = row.at("id").get<std::string>(),
                      account = row.at("account").get<std::string>();
    const std::string contract = text_field(call.body, "contract", 1, 200);
    const std::int64_t seconds = integer_field(call.body, "seconds", 1, kYearSeconds);
    if (!next_state(Thing::application, row.at("state").get<std::string>(), "grant.issued"))
        throw Error(Fault::refused,
                    "application " + application + " is " + row.at("state").get<std::string>() +
                        ": a grant needs the approval of all four groups. See: aloft apply show " +
                        application);
    if (roles().same_person(call.peer.account, account))
        throw Error(Fault::refused, "nobody issues a grant to themself");
    const auto enclave = core::source_of_account(site_, account);
    if (!enclave || enclave->name != row.at("enclave"))
        throw Error(Fault::refused, "account " + account + " is not in enclave " +
                                        row.at("enclave").get<std::string>() + " any more");
    const std::int64_t begin = core::now_seconds();
    const std::string id = next_id("G-");
    const std::string not_before = core::rfc3339(begin), not_after = core::rfc3339(begin + seconds);
    record(call.peer.account, "grant.issued", id,
           {{"application", application},
            {"account", account},
            {"uid", uid_of(account)},
            {"enclave", enclave->name},
            {"datasets", row.at("datasets")},
            {"purpose", row.at("purpose")},
            {"contract", contract},
            {"not_before", not_before},
            {"not_after", not_after}});
    return json{{"grant", id},
                {"application", application},
                {"account", account},
                {"enclave", enclave->name},
                {"not_before", not_before},
                {"not_after", not_after}};
}

std::optional<json> Service::grant_revoke(Call& call) {
    need_role(call, {"admin"});
    const std::string id = id_field(call.body, "id", "G-");
    const std::string reason = text_field(call.body, "reason", 3, 4000);
    const auto row = state_.grant(id);
    if (!row) throw Error(Fault::usage, "there is no grant " + id + "; see: aloft grant list");
    if (!row->at("revoked").is_null()) throw Error(Fault::refused, "grant " + id + " is revoked already");
    record(call.peer.account, "grant.revoked", id, {{"reason", reason}});
    return json{
        {"grant", id}, {"state", "revoked"}, {"effective_within_seconds", site_.revocation_stale_seconds}};
}

std::optional<json> Service::grant_list(Call& call) {
    const bool all = !roles().of(call.peer.account).empty();
    const std::string columns =
        "SELECT id AS \"grant\", application, account, uid, enclave, datasets_json, purpose_json, contract, "
        "not_before, "
        "not_after, revoked, reason, EXISTS(SELECT 1 FROM grants AS newer WHERE newer.application = "
        "grants.application AND newer.uid = grants.uid AND newer.rowid > grants.rowid) AS replaced FROM "
        "grants ";
    auto rows = all ? state_.rows(columns + "ORDER BY rowid")
                    : state_.rows(columns + "WHERE account = ? ORDER BY rowid", {call.peer.account});
    const std::string now = core::rfc3339(core::now_seconds());
    for (json& row : rows) {
        row["state"] = !row.at("revoked").is_null()                    ? "revoked"
                       : row.at("replaced") == 1                       ? "replaced"
                       : row.at("not_after").get<std::string>() <= now ? "ended"
                                                                       : "valid";
        row.erase("replaced");
    }
    return json{{"grants", rows}};
}

}  // namespace jobs
