// Applications for data, and the four groups that decide on them.
#include <algorithm>

#include "core/base/config.h"
#include "core/base/message.h"
#include "core/policy/enclave.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t kGroups = 4;          // technical, legal, platform, research
constexpr std::int64_t kWaitingLimit = 20;  // applications of one account in review

bool is_duo_term(const std::string& term) {
    return term.size() == 11 && term.starts_with("DUO:") &&
           term.find_first_not_of("0123456789", 4) == std::string::npos;
}

std::string state_of(const json& row) {
    return row.at("state").get<std::string>();
}

// The state that `kind` leads to, or a refusal that says what the thing's state is.
std::string move_or_refuse(const json& row, const std::string& kind) {
    const std::string id = row.at("id").get<std::string>(), state = state_of(row);
    const auto to = next_state(Thing::application, state, kind);
    if (!to)
        throw kind == "application.withdrawn"
            ? failure(Fault::refused, "application {} is {}: it cannot be withdrawn", id, state)
            : failure(Fault::refused, "application {} is {}: it cannot be decided on", id, state);
    return std::string(*to);
}

}  // namespace

std::optional<json> Service::application_submit(Call& call) {
    const auto enclave = core::source_of_account(site_, call.peer.account);
    if (!enclave) throw failure(Fault::refused, "account {} is in no enclave any more", call.peer.account);
    if (call.body.value("enclave", enclave->name) != enclave->name)
        throw failure(Fault::refused, "account {} is in enclave {}, not in the one applied for",
                      call.peer.account, enclave->name);
    const auto waiting =
        state_.rows("SELECT count(*) AS n FROM applications WHERE account = ? AND state = 'in-review'",
                    {call.peer.account});
    if (waiting.at(0).at("n").get<std::int64_t>() >= kWaitingLimit)
        throw failure(Fault::refused,
                      "{} of your applications are in review; withdraw one, or wait for a decision",
                      kWaitingLimit);
    const auto datasets = call.list("datasets"), purpose = call.list("purpose");
    std::vector<std::string> known;
    for (const json& row : state_.rows("SELECT id FROM datasets"))
        known.push_back(row.at("id").get<std::string>());
    for (const std::string& dataset : datasets)
        if (std::find(known.begin(), known.end(), dataset) == known.end()) {
            const auto near = core::nearest(dataset, known);
            throw near
                ? failure(Fault::usage, "datasets: one is not in the catalogue; did you mean \"{}\"?", *near)
                : failure(Fault::usage, "datasets: one is not in the catalogue; see: aloft catalogue list");
        }
    if (!std::all_of(purpose.begin(), purpose.end(), is_duo_term))
        throw failure(Fault::usage,
                      "purpose: expected terms of the Data Use Ontology, for example DUO:0000006");
    json statement;
    for (const char* part : {"rationale", "necessity", "reciprocity", "social_impact"})
        statement[part] = call.text(part);
    const std::string id = next_id("A-");
    record(call.peer.account, "application.submitted", id,
           {{"title", call.text("title")},
            {"enclave", enclave->name},
            {"datasets", datasets},
            {"purpose", purpose},
            {"statement", statement}});
    return json{{"application", id}, {"state", "in-review"}, {"enclave", enclave->name}};
}

std::optional<json> Service::application_show(Call& call) {
    json row = call.object;
    row["reviews"] = state_.rows(
        "SELECT team AS \"group\", account, decision, reason, time FROM reviews WHERE application = ?",
        {row.at("id")});
    row["application"] = row.at("id");  // its one name, as in lists
    row.erase("id");
    return json{{"application", row}};
}

std::optional<json> Service::application_withdraw(Call& call) {
    const std::string to = move_or_refuse(call.object, "application.withdrawn");
    record(call.peer.account, "application.withdrawn", call.id(), json::object());
    return json{{"application", call.id()}, {"state", to}};
}

// Four groups, four persons: nobody decides for two.
std::optional<json> Service::review_decide(Call& call) {
    const std::string id = call.id(), group = call.text("group"), decision = call.text("decision");
    need_role(call, {("reviewer-" + group).c_str()});
    const auto reviews = state_.rows("SELECT team, account FROM reviews WHERE application = ?", {id});
    for (const json& review : reviews) {
        if (review.at("team") == group)
            throw failure(Fault::refused, "the {} group has decided on {} already", group, id);
        if (roles().same_person(call.peer.account, review.at("account").get<std::string>()))
            throw failure(
                Fault::refused,
                "you have decided on {} for the {} group; another person must decide for the {} group", id,
                review.at("team").get<std::string>(), group);
    }
    const bool last = reviews.size() + 1 == kGroups;
    const std::string kind = decision == "reject" ? "application.rejected"
                             : last               ? "application.approved"
                                                  : "application.group-approved";
    const std::string to = move_or_refuse(call.object, kind);
    record(call.peer.account, kind, id,
           {{"group", group}, {"decision", decision}, {"reason", call.text("reason")}});
    return json{{"application", id}, {"group", group}, {"decision", decision}, {"state", to}};
}

}  // namespace jobs
