// Enclaves: opened when their nodes pass, suspended and closed with a reason, changed on the record. The
// policies themselves are root's files; what is open stands in the signed list that every host reads.
#include "core/policy/enclave.h"

#include <algorithm>

#include "core/base/message.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "core/policy/names.h"
#include "jobs/relay/config.h"
#include "jobs/service/service.h"
#include "jobs/service/slurm_look.h"
#include "jobs/state/states.h"
#include "jobs/wire/preflight.h"

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

std::string subject_of(const std::string& name) {
    return "enclave:" + name;
}

json answer_of(const std::string& name, const std::string& state, bool changed) {
    return {{"enclave", name}, {"state", state}, {"changed", changed}};
}

// What `key` of a change lists; absent: nothing.
std::vector<std::string> optional_list(const json& change, const char* key) {
    return change.value(key, std::vector<std::string>{});
}

}  // namespace

std::string Service::enclave_state(const std::string& name) {
    const auto row = state_.enclave(name);
    return row ? row->at("state").get<std::string>() : "";
}

std::string Service::move_enclave(const std::string& name, const std::string& kind,
                                  const std::string& doing) {
    const std::string from = enclave_state(name);
    const auto to = next_state(Thing::enclave, from, kind);
    if (to) return std::string(*to);
    if (from.empty())
        throw failure(Fault::usage, "there is no enclave {}; see: aloft admin enclave list", name);
    if (doing == "opened") throw failure(Fault::refused, "enclave {} is {}: it cannot be opened", name, from);
    if (doing == "changed")
        throw failure(Fault::refused, "enclave {} is {}: it cannot be changed", name, from);
    if (doing == "suspended")
        throw failure(Fault::refused, "enclave {} is {}: it cannot be suspended", name, from);
    throw from == "open" ? failure(Fault::refused,
                                   "enclave {} is open: it cannot be closed. Suspend it first: aloft admin "
                                   "enclave suspend {}",
                                   name, name)
                         : failure(Fault::refused, "enclave {} is {}: it cannot be closed", name, from);
}

// Whoever types as root is named by the kernel's login record too, if there is one.
json Service::with_login(const Call& call, json details) {
    if (!call.peer.login.empty()) details["login"] = call.peer.login;
    return details;
}

std::vector<Report> Service::reports() {
    std::vector<Report> reports;
    for (const json& row : state_.rows("SELECT node, time, received, report_json FROM preflight"))
        reports.push_back({row.at("node").get<std::string>(),
                           core::parse_rfc3339(row.at("time").get<std::string>()),
                           core::parse_rfc3339(row.at("received").get<std::string>()), row.at("report")});
    return reports;
}

std::optional<std::vector<std::string>> Service::login_hosts(const std::string& enclave) {
    if (!roles().logins_apart()) return std::nullopt;
    if (std::error_code none; !std::filesystem::exists(site_.config / "relay.toml", none))
        return std::vector<std::string>{core::short_host_name()};
    std::vector<std::string> hosts;
    for (const auto& [host, its] : ServeRelay::load(site_).hosts)
        if (std::find(its.enclaves.begin(), its.enclaves.end(), enclave) != its.enclaves.end())
            hosts.push_back(host);
    return hosts;
}

std::optional<json> Service::enclave_create(Call& call) {
    const std::string name = call.text("id"), state = enclave_state(name);
    if (state == "closed")
        throw failure(Fault::refused,
                      "enclave {} was closed for good; give a new one another name, so that the ledger "
                      "speaks of one thing under one name",
                      name);
    if (!state.empty()) return answer_of(name, state, false);
    record(call.peer.account, "enclave.created", subject_of(name),
           with_login(call, {{"policy_sha256", call.text("policy_sha256")}}));
    return answer_of(name, "created", true);
}

// Slurm is asked beside the server's thread: its controller may be down, and then scontrol waits long.
std::optional<json> Service::enclave_open(Call& call) {
    const std::string name = call.text("id");
    const core::Enclave enclave = core::load_enclave(site_, name);
    if (enclave_state(name) == "open") return answer_of(name, "open", false);
    move_enclave(name, "enclave.opened", "opened");
    worker_.post(
        [this, enclave, caller = call.caller, peer = call.peer, body = call.body]() -> Worker::Finish {
            const std::vector<Check> slurm = look_at_slurm(enclave);
            return [this, enclave, caller, peer, body, slurm] {
                answer_with(caller, peer, "enclave.open", [&] {
                    const Call again{caller, peer, body, {}, nullptr, false};
                    need_role(again, {"admin"});  // both may have changed meanwhile
                    return open_if_it_passes(again, enclave, slurm);
                });
            };
        });
    return std::nullopt;
}

json Service::open_if_it_passes(const Call& call, const core::Enclave& enclave,
                                const std::vector<Check>& slurm) {
    const std::string name = enclave.name;
    if (enclave_state(name) == "open") return answer_of(name, "open", false);
    move_enclave(name, "enclave.opened", "opened");
    auto checks = checks_of_enclave(enclave, policy_sha256(site_, name), login_hosts(name), reports(),
                                    ALOFT_VERSION, core::now_seconds());
    checks.insert(checks.end(), slurm.begin(), slurm.end());
    json misses = json::array();
    for (const Check& check : checks)
        if (check.is_miss()) misses.push_back(core::to_json(check));
    const bool dry_run = call.body.value("dry_run", false);
    if (!misses.empty()) {
        if (!dry_run) count_refusal(call.peer.account, "enclave.open");
        json body = answer_of(name, enclave_state(name), false);
        body["misses"] = std::move(misses);
        return body;
    }
    if (dry_run) return answer_of(name, enclave_state(name), false);
    json seen = json::object();
    for (const Report& report : reports())
        if (enclave.has_node(report.node)) seen[report.node] = core::rfc3339(report.time);
    record(call.peer.account, "enclave.opened", subject_of(name),
           with_login(call, {{"reason", call.text("reason")},
                             {"policy_sha256", policy_sha256(site_, name)},
                             {"reports", seen},
                             {"slurm", "checked"}}));
    return answer_of(name, "open", true);
}

std::optional<json> Service::end_enclave(Call& call, const std::string& kind, const std::string& end) {
    const std::string name = call.text("id");
    const std::string reason = call.text("reason");
    if (enclave_state(name) == end) return answer_of(name, end, false);
    move_enclave(name, kind, end);
    record(call.peer.account, kind, subject_of(name), with_login(call, {{"reason", reason}}));
    if (end == "closed") keys_changed_ = true;
    json body = answer_of(name, end, true);
    body["effective_within_seconds"] = site_.revocation_stale_seconds;
    return body;
}
std::optional<json> Service::enclave_suspend(Call& call) {
    return end_enclave(call, "enclave.suspended", "suspended");
}
std::optional<json> Service::enclave_close(Call& call) {
    return end_enclave(call, "enclave.closed", "closed");
}

// Who and what is in an enclave. The policy file is written by the command after this is on record; keys and
// grants are taken back here, so that they are gone on every host before any policy is copied.
std::optional<json> Service::enclave_change(Call& call) {
    const std::string name = call.text("id");
    const std::string state = move_enclave(name, "enclave.changed", "changed");
    const json added = call.body.value("add", json::object()),
               removed = call.body.value("remove", json::object());
    const auto datasets = optional_list(removed, "datasets"), accounts = optional_list(removed, "accounts");
    json details = {{"policy_sha256", call.text("policy_sha256")}};
    for (const char* key : {"accounts", "nodes", "software", "images"}) {
        if (const auto list = optional_list(added, key); !list.empty()) details["add"][key] = list;
        if (const auto list = optional_list(removed, key); !list.empty()) details["remove"][key] = list;
    }
    json withdrawn = json::array(), revoked = json::array();
    if (details.size() > 1)
        record(call.peer.account, "enclave.changed", subject_of(name), with_login(call, details));
    for (const std::string& text : datasets) {
        const std::string dataset = core::parse_dataset_name(text).text();
        if (state_.rows("SELECT 1 FROM sealed_keys WHERE enclave = ? AND dataset = ?", {name, dataset})
                .empty())
            continue;
        record(call.peer.account, "key.withdrawn", dataset, with_login(call, {{"enclave", name}}));
        keys_changed_ = true;
        withdrawn.push_back(dataset);
    }
    for (const std::string& account : accounts)
        for (const json& row : state_.rows("SELECT id FROM grants WHERE account = ? AND enclave = ? AND "
                                           "revoked IS NULL AND not_after > ?",
                                           {account, name, core::rfc3339(core::now_seconds())})) {
            const auto grant = row.at("id").get<std::string>();
            record(call.peer.account, "grant.revoked", grant,
                   {{"reason", "account " + account + " was removed from enclave " + name}});
            revoked.push_back(grant);
        }
    json body = answer_of(name, state, details.size() > 1 || !withdrawn.empty());
    body["withdrawn_keys"] = withdrawn;
    body["revoked_grants"] = revoked;
    return body;
}

std::optional<json> Service::enclave_show(Call& call) {
    const std::string name = call.text("id");
    auto row = state_.enclave(name);
    if (!row) throw failure(Fault::usage, "there is no enclave {}; see: aloft admin enclave list", name);
    json datasets = json::array(), sealed_to = json::object();
    for (const json& sealed : state_.rows(
             "SELECT dataset, enclave_key FROM sealed_keys WHERE enclave = ? ORDER BY dataset", {name})) {
        datasets.push_back(sealed.at("dataset"));
        sealed_to[sealed.at("dataset").get<std::string>()] = sealed.at("enclave_key");
    }
    json body{{"enclave", name},
              {"state", row->at("state")},
              {"since", row->at("since")},
              {"by", row->at("account")},
              {"datasets", datasets}};
    if (call.beyond) body.update({{"reason", row->at("reason")}, {"sealed_to", sealed_to}});
    return body;
}

// Policies may also arrive by other means than `aloft admin enclave create`: such an enclave exists, and is
// not open.
void Service::adopt_enclave(const std::string& name) {
    if (core::is_plain_name(name) && enclave_state(name).empty())
        record("aloftd", "enclave.created", subject_of(name), {{"reason", "its policy was found"}});
}

}  // namespace jobs
