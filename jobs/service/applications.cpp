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
std::string move_or_refuse(const json& row, const std::string& kind, const std::string& doing) {
    const auto to = next_state(Thing::application, state_of(row), kind);
    if (!to)
        throw Error(Fault::refused, "application " + row.at("id").get<std::string>() + " is " +
                                        state_of(row) + ": it cannot be " + doing);
    return std::string(*to);
}

}  // namespace

std::optional<json> Service::application_submit(Call& call) {
    const auto enclave = core::source_of_account(site_, call.peer.account);
    if (!enclave) throw Error(Fault::refused, "account " + call.peer.account + " is in no enclave any more");
    if (call.body.value("enclave", enclave->name) != enclave->name)
        throw Error(Fault::refused, "account " + call.peer.account + " is in enclave " + enclave->name +
                                        ", not in the one applied for");
    const auto waiting =
        state_.rows("SELECT count(*) AS n FROM applications WHERE account = ? AND state = 'in-review'",
                    {call.peer.account});
    if (waiting.at(0).at("n").get<std::int64_t>() >= kWaitingLimit)
        throw Error(Fault::refused,
                    std::to_string(kWaitingLimit) +
                        " of your applications are in review; withdraw one, or wait for a decision");
    const auto datasets = call.list("datasets"), purpose = call.list("purpose");
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
    const std::string to = move_or_refuse(call.object, "application.withdrawn", "withdrawn");
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
            throw Error(Fault::refused, "the " + group + " group has decided on " + id + " already");
        if (roles().same_person(call.peer.account, review.at("account").get<std::string>()))
            throw Error(Fault::refused, "you have decided on " + id + " for the " +
                                            review.at("team").get<std::string>() +
                                            " group; another person must decide for the " + group + " group");
    }
    const bool last = reviews.size() + 1 == kGroups;
    const std::string kind = decision == "reject" ? "application.rejected"
                             : last               ? "application.approved"
                                                  : "application.group-approved";
    const std::string to = move_or_refuse(call.object, kind, "decided on");
    record(call.peer.account, kind, id,
           {{"group", group}, {"decision", decision}, {"reason", call.text("reason")}});
    return json{{"application", id}, {"group", group}, {"decision", decision}, {"state", to}};
}

}  // namespace jobs
