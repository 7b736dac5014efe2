// Grants: issued when the contract is signed, with an end; revoked with a reason.
#include "core/base/accounts.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::chrono::milliseconds kNamePatience{2000};  // everybody waits

uid_t uid_of(const std::string& account) {
    const auto found = core::account_named(account, kNamePatience);
    if (!found) throw failure(Fault::usage, "account {} does not exist on this host; make it first", account);
    return found->uid;
}

}  // namespace

std::optional<json> Service::grant_issue(Call& call) {
    const json& row = call.object;
    const std::string application = call.id(), account = row.at("account").get<std::string>();
    if (!next_state(Thing::application, row.at("state").get<std::string>(), "grant.issued"))
        throw failure(
            Fault::refused,
            "application {} is {}: a grant needs the approval of all four groups. See: aloft apply show {}",
            application, row.at("state").get<std::string>(), application);
    const auto enclave = core::source_of_account(site_, account);
    if (!enclave || enclave->name != row.at("enclave"))
        throw failure(Fault::refused, "account {} is not in enclave {} any more", account,
                      row.at("enclave").get<std::string>());
    const std::int64_t begin = core::now_seconds();
    const std::string id = next_id("G-");
    const std::string not_before = core::rfc3339(begin),
                      not_after = core::rfc3339(begin + call.integer("seconds"));
    json details = {{"application", application},
                    {"account", account},
                    {"uid", uid_of(account)},
                    {"enclave", enclave->name},
                    {"datasets", row.at("datasets")},
                    {"purpose", row.at("purpose")},
                    {"contract", call.text("contract")},
                    {"not_before", not_before},
                    {"not_after", not_after}};
    json answer = {{"grant", id},
                   {"application", application},
                   {"account", account},
                   {"enclave", enclave->name},
                   {"not_before", not_before},
                   {"not_after", not_after}};
    for (const char* hours : {"node_hours", "gpu_hours"})
        if (call.body.contains(hours)) details[hours] = answer[hours] = call.body.at(hours);
    record(call.peer.account, "grant.issued", id, std::move(details));
    return answer;
}

std::optional<json> Service::grant_revoke(Call& call) {
    const std::string id = call.id();
    if (!call.object.at("revoked").is_null())
        throw failure(Fault::refused, "grant {} is revoked already", id);
    record(call.peer.account, "grant.revoked", id, {{"reason", call.text("reason")}});
    return json{
        {"grant", id}, {"state", "revoked"}, {"effective_within_seconds", site_.revocation_stale_seconds}};
}

}  // namespace jobs
