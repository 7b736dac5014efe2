// Applications for data, and the four groups that decide on them.
#include <algorithm>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/policy/enclave.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::array<const char*, 4> kGroups{"technical", "legal", "platform", "research"};

bool is_duo_term(const std::string& term) {
    return term.size() == 11 && term.starts_with("DUO:") &&
           term.find_first_not_of("0123456789", 4) == std::string::npos;
}

std::string state_of(const json& row) {
    return row.at("state").get<std::string>();
}

// The state that `kind` leads to, or a refusal that says what the thing's state is.
std::string move_or_refuse(const json& row, const std::string& kind, const std::string& doing) {
    const auto to = next_state(Thing::application, state_of(row), kind);
    if (!to)
        throw Error(Fault::refused, "application " + row.at("id").get<std::string>() + " is " +
                                        state_of(row) + ": it cannot be " + doing);
    return std::string(*to);
}

}  // namespace

json Service::application_or_throw(const std::string& id) {
    auto row = state_.application(id);
    if (!row) throw Error(Fault::usage, "there is no application " + id + "; see: aloft apply list");
    return *std::move(row);
}

std::optional<json> Service::application_submit(Call& call) {
    const auto enclave = core::source_of_account(site_, call.peer.account);
    if (!enclave)
        throw Error(Fault::refused,
                    "account " + call.peer.account +
                        " is in no enclave. Apply from the account that the admin made for you in one");
    if (call.body.contains("enclave") && call.body.at("enclave") != enclave->name)
        throw Error(Fault::refused, "account " + call.peer.account + " is in enclave " + enclave->name +
                                        ", not in the one applied for");
    const std::string title = text_field(call.body, "title", 5, 200);
    const auto datasets = list_field(call.body, "datasets", 1, 50);
    const auto purpose = list_field(call.body, "purpose", 1, 20);
    std::vector<std::string> known;
    for (const json& row : state_.rows("SELECT id FROM datasets"))
        known.push_back(row.at("id").get<std::string>());
    for (const std::string& dataset : datasets)
        if (std::find(known.begin(), known.end(), dataset) == known.end()) {
            const auto near = core::nearest(dataset, known);
            throw Error(Fault::usage, "datasets: one is not in the catalogue" +
                                          (near ? "; did you mean \"" + *near + "\"?"
                                                : std::string("; see: aloft catalogue list")));
        }
    if (!std::all_of(purpose.begin(), purpose.end(), is_duo_term))
        throw Error(Fault::usage,
                    "purpose: expected terms of the Data Use Ontology, for example DUO:0000006");
    json statement;
    for (const char* part : {"rationale", "necessity", "reciprocity", "social_impact"})
        statement[part] = text_field(call.body, part, 20, 20000);
    const std::string id = next_id("A-");
    record(call.peer.account, "application.submitted", id,
           {{"title", title},
            {"enclave", enclave->name},
            {"datasets", datasets},
            {"purpose", purpose},
            {"statement", statement}});
    return json{{"application", id}, {"state", "in-review"}, {"enclave", enclave->name}};
}

std::optional<json> Service::application_list(Call& call) {
    const bool all = !roles().of(call.peer.account).empty();
    const std::string columns =
        "SELECT id AS application, account, enclave, state, title, datasets_json, purpose_json, submitted "
        "FROM applications ";
    auto rows = all ? state_.rows(columns + "ORDER BY rowid")
                    : state_.rows(columns + "WHERE account = ? ORDER BY rowid", {call.peer.account});
    for (json& row : rows) {
        std::vector<std::string> waiting(kGroups.begin(), kGroups.end());
        row["reviews"] = state_.rows(
            "SELECT team AS \"group\", account, decision, reason, time FROM reviews WHERE application = ?",
            {row.at("application")});
        for (const json& review : row.at("reviews"))
            std::erase(waiting, review.at("group").get<std::string>());
        row["waiting_for"] = state_of(row) == "in-review" ? json(waiting) : json::array();
    }
    return json{{"applications", rows}};
}

std::optional<json> Service::application_show(Call& call) {
    json row = application_or_throw(id_field(call.body, "id", "A-"));
    if (row.at("account") != call.peer.account && roles().of(call.peer.account).empty())
        throw Error(Fault::refused, "only its author and the site's reviewers can see an application");
    row["reviews"] = state_.rows(
        "SELECT team AS \"group\", account, decision, reason, time FROM reviews WHERE application = ?",
        {row.at("id")});
    return json{{"application", row}};
}

std::optional<json> Service::application_withdraw(Call& call) {
    const json row = application_or_throw(id_field(call.body, "id", "A-"));
    if (row.at("account") != call.peer.account)
        throw Error(Fault::refused, "only its author can withdraw an application");
    const std::string to = move_or_refuse(row, "application.withdrawn", "withdrawn");
    record(call.peer.account, "application.withdrawn", row.at("id").get<std::string>(), json::object());
    return json{{"application", row.at("id")}, {"state", to}};
}

std::optional<json> Service::review_decide(Call& call) {
    const json row = application_or_throw(id_field(call.body, "id", "A-"));
    const std::string id = row.at("id").get<std::string>();
    const std::string group = text_field(call.body, "group", 1, 20);
    if (std::find(kGroups.begin(), kGroups.end(), group) == kGroups.end())
        throw Error(Fault::usage, "group: expected technical, legal, platform or research");
    const std::string decision = text_field(call.body, "decision", 1, 20);
    if (decision != "approve" && decision != "reject")
        throw Error(Fault::usage, "decision: expected approve or reject");
    const std::string reason = text_field(call.body, "reason", 3, 4000);
    if (roles().same_person(call.peer.account, row.at("account").get<std::string>()))
        throw Error(Fault::refused, "nobody reviews an own application; another member of the " + group +
                                        " group must decide on " + id);
    need_role(call, {("reviewer-" + group).c_str()});
    const auto reviews = state_.rows("SELECT team, account FROM reviews WHERE application = ?", {id});
    for (const json& review : reviews)
        if (review.at("team") == group)
            throw Error(Fault::refused, "the " + group + " group has decided on " + id + " already");
    const bool last = reviews.size() + 1 == kGroups.size();
    const std::string kind = decision == "reject" ? "application.rejected"
                             : last               ? "application.approved"
                                                  : "application.group-approved";
    const std::string to = move_or_refuse(row, kind, "decided on");
    record(call.peer.account, kind, id, {{"group", group}, {"decision", decision}, {"reason", reason}});
    return json{{"application", id}, {"group", group}, {"decision", decision}, {"state", to}};
}

}  // namespace jobs
