#include "jobs/service/service.h"

#include <sys/stat.h>

#include <algorithm>

#include "core/base/event.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
#include "core/policy/known.h"
#include "jobs/state/vocabulary.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Event;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::int64_t kRefusalSeconds = 60, kSpoolSeconds = 2, kConfigurationSeconds = 5,
                       kSigningSeconds = 60, kMetricsSeconds = 15, kLostSeconds = 10;

// What tells whether a file is still the one that was read.
std::string identity_of(const std::filesystem::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status)) return "";
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ":" +
           std::to_string(status.st_size) + ":" + std::to_string(status.st_mtim.tv_sec) + "." +
           std::to_string(status.st_mtim.tv_nsec) + ":" + std::to_string(status.st_ctim.tv_sec) + "." +
           std::to_string(status.st_ctim.tv_nsec);
}

}  // namespace

Service::Service(const core::Site& site, bool rebuild, const LossDecision& loss)
    : Ledgered(site, rebuild),
      roles_(core::Roles::load(site.config / "roles.toml")),
      rates_{{Pace::reading, TokenBuckets(50, 300)},
             {Pace::changing, TokenBuckets(20, 300)},
             {Pace::heavy, TokenBuckets(2, 60)}} {
    check_witnesses(loss);
    core::make_directories(site_.published / "keys", 0755);
    core::make_directories(site_.state / "releases", 0700);
    const auto secret = site_.state / "rounding.secret";
    if (std::error_code ignored; !std::filesystem::exists(secret, ignored))
        core::SecretKey::generate().save(secret);
    rounding_secret_ = std::make_shared<const core::SecretKey>(core::SecretKey::load(secret));
    record("aloftd", "aloftd.started", "aloftd",
           {{"version", ALOFT_VERSION}, {"vocabulary", kVocabulary}, {"site", site_.name}});
    watch_configuration();
    commit();
    facts_changed_ = keys_changed_ = budgets_changed_ = true;
    try_publish();
    tend_releases();
}

void Service::serve(Server& server) {
    server_ = &server;
    server.watch(worker_.fd(), [this] {
        for (const Worker::Finish& finish : worker_.done()) attempt("finish what was done beside", finish);
    });
    server.run(*this);
    record_refusals();
    ledger_.checkpoint();
    commit();
    try_publish();
}

const core::Roles& Service::roles() {
    const auto file = site_.config / "roles.toml";
    const std::string seen = identity_of(file);
    if (seen.empty()) throw failure(Fault::system, "roles.toml cannot be read; tell the admin");
    if (seen != roles_seen_) {
        core::Roles now = core::Roles::load(file);
        record_configuration("roles.toml", file);
        roles_ = std::move(now);
        roles_seen_ = seen;
    }
    return roles_;
}

// An account of an enclave is nobody's for anything else: a role that roles.toml gives it counts for nothing.
bool Service::has_role(const std::string& account, std::string_view role) {
    // Also where its policy cannot be read now.
    return roles().has(account, role) && !core::enclave_of_account(site_, account) &&
           !core::load_known(site_.known).accounts.contains(account);
}

void Service::need_role(const Call& call, std::initializer_list<const char*> any_of) {
    std::string names;
    for (const char* role : any_of) {
        if (has_role(call.peer.account, role)) return;
        names += (names.empty() ? "" : " or ") + std::string(role);
    }
    throw failure(Fault::refused,
                  "account {} does not have the role {}; the site's admin gives roles in roles.toml",
                  call.peer.account, names);
}

// Policies are read only where they matter: there may be hundreds.
Who Service::kinds_of(const Peer& peer, Who wanted) {
    Who kinds = who::anybody;
    for (const RoleName& one : role_names())
        if (wanted.meets(one.who) && has_role(peer.account, one.role)) kinds = kinds | one.who;
    if (wanted.meets(who::enclave) && core::enclave_of_account(site_, peer.account))
        kinds = kinds | who::enclave;
    return kinds;
}

void Service::find_object(Call& call, const Operation& operation) {
    if (operation.object == Object::none) return;
    std::optional<json> row;
    const std::string id = operation.object == Object::job ? "" : call.text("id");
    const char* noun = "";
    switch (operation.object) {
        case Object::none:
            return;
        case Object::application:
            row = state_.application(id), noun = "application";
            break;
        case Object::release:
            row = state_.release(id), noun = "release";
            break;
        case Object::grant:
            row = state_.grant(id), noun = "grant";
            break;
        case Object::request:
            row = state_.request(id), noun = "job request";
            break;
        case Object::job: {
            // Whose a job is, its nodes say; before they have, its author's own request does.
            const json job = call.body.at("job");
            auto rows = state_.rows("SELECT * FROM jobs WHERE id = ?", {job});
            if (rows.empty())
                rows = state_.rows(
                    "SELECT job AS id, account, grant_id, enclave, state, NULL AS started, NULL AS "
                    "ended, NULL AS outcome, NULL AS exit_class, 0 AS node_seconds, 0 AS gpu_seconds, 0 AS "
                    "records_ended FROM requests WHERE job = ? AND "
                    "account = ?",
                    {job, call.peer.account});
            if (rows.empty()) throw failure(Fault::usage, "no such job that you may see; see: aloft jobs");
            row = std::move(rows.front());
            break;
        }
    }
    if (!row) throw failure(Fault::usage, "there is no {} {}", std::string(noun), id);
    call.object = *std::move(row);
}

void Service::check_person(const Call& call, const Operation& operation) {
    if (operation.person == Person::any) return;
    roles().person_of(call.peer.account);  // throws if it is not known whose the account is
    if (operation.person == Person::known) return;
    const std::string author = call.object.at("account").get<std::string>();
    if (roles().same_person(call.peer.account, author))
        throw failure(Fault::refused, "nobody decides on an own request: another person must decide on {}",
                      call.id());
}

void Service::admit(Call& call, const Operation& operation) {
    if (!rates_.at(operation.rate).take(call.peer.uid, 1, steady_ms()))
        throw failure(Fault::system, "account {} asks too much; wait a little and try again",
                      call.peer.account);
    check_way(call.peer, operation);
    check_fields(call.body, operation.fields);
    if (call.descriptors.size() < operation.descriptors_least ||
        call.descriptors.size() > operation.descriptors_most)
        throw operation.descriptors_most == 0 ? failure(Fault::usage, "this operation takes no files")
                                              : failure(Fault::usage, "another number of files was expected");
    const Who kinds = kinds_of(call.peer, operation.who | operation.others);
    if (!kinds.meets(operation.who)) {
        if (operation.who.meets(who::enclave))
            throw failure(
                Fault::refused,
                "account {} is in no enclave. Ask from the account that the admin made for you in one",
                call.peer.account);
        throw failure(Fault::refused,
                      "account {} does not have {}; the site's admin gives roles in roles.toml",
                      call.peer.account, describe(operation.who));
    }
    call.beyond = kinds.meets(operation.others);
    find_object(call, operation);
    if (operation.object != Object::none && !call.beyond && call.object.at("account") != call.peer.account) {
        if (operation.object == Object::job)
            throw failure(Fault::usage, "no such job that you may see; see: aloft jobs");
        throw operation.others.is_nobody()
            ? failure(Fault::refused, "only its author may ask this of {}", call.id())
            : failure(Fault::refused, "only its author or an account that has {} may ask this of {}",
                      describe(operation.others), call.id());
    }
    check_person(call, operation);
}

void Service::answer_with(CallerId caller, const Peer& peer, std::string_view operation,
                          const std::function<std::optional<Body>()>& work) {
    wrote_ = false;
    try {
        if (auto body = work()) {
            (*body)["ok"] = true;
            answer(caller, std::move(*body));
        }
    } catch (const LedgerBroken&) {
        throw;
    } catch (const Error& e) {
        if (e.fault() == Fault::refused) count_refusal(peer.account, std::string(operation));
        answer(caller, answer_of(e));
    } catch (const json::exception&) {
        answer(caller, answer_of(failure(Fault::usage, "a field of the request has the wrong type")));
    } catch (const std::exception& e) {
        Event("error", "request_failed").with("operation", operation).with("text", e.what());
        answer(caller,
               answer_of(failure(Fault::bug, "aloftd failed at this; its log says more. Tell the admin")));
    }
}

void Service::on_request(CallerId caller, const Peer& peer, const std::string& line,
                         std::vector<core::Fd> descriptors) {
    Call call{caller, peer, nullptr, std::move(descriptors), nullptr, false};
    const Operation* operation = nullptr;
    // The name is counted as the row has it: what a caller writes is no name.
    std::string_view counted = "unknown";
    answer_with(caller, peer, "request", [&]() -> std::optional<Body> {
        catch_up();
        call.body = parse_request(line);
        operation = find_operation(text_field(call.body, "op", 1, 64));
        if (!operation) throw failure(Fault::usage, "aloftd knows no such operation");
        counted = operation->name;
        return std::nullopt;
    });
    if (operation)
        answer_with(caller, peer, counted, [&] {
            admit(call, *operation);
            return (this->*operation->handler)(call);
        });
}

void Service::count_refusal(const std::string& account, const std::string& operation) {
    ++refused_since_start_[operation];
    if (refusals_.count(account, operation))
        Event("warning", "refused").with("account", account).with("operation", operation);
}

void Service::on_record(const core::Record& record) {
    if (record.kind.starts_with("grant.") || record.kind.starts_with("enclave.")) facts_changed_ = true;
    if (record.kind.starts_with("grant.") || record.kind.starts_with("node.job-") ||
        record.kind == "job.lost")
        budgets_changed_ = true;
}

void Service::on_commit() {
    if (server_ && (!collected_.empty() || facts_changed_ || keys_changed_ || budgets_changed_))
        try_publish();
}

void Service::on_take_back() {
    collected_.clear();
    round_.folders = 0;
    complete_at_ = budgets_complete_;
    roles_seen_.clear();  // its change is to be recorded again
}

// What cannot be published now is kept and tried again each second.
void Service::try_publish() noexcept {
    if (state_is_behind_ || ledger_.has_batch()) return;  // only what is on disk is let out
    try {
        publish();
        publish_witness();
    } catch (const std::exception& e) {
        Event("error", "not_published").with("text", e.what());
    }
}

void Service::on_batch_end() {
    end_round();
}

void Service::attempt(const char* doing, const std::function<void()>& work) {
    wrote_ = false;
    try {
        work();
    } catch (const LedgerBroken&) {
        throw;
    } catch (const std::exception& e) {
        Event("error", "not_done").with("what", doing).with("text", e.what());
    }
}

void Service::on_second() {
    const std::int64_t now = core::now_seconds();
    const auto due = [now](std::int64_t& at, std::int64_t period) {
        if (now - at < period && now >= at) return false;
        at = now;
        return true;
    };
    try {
        catch_up();
    } catch (const std::exception&) {  // later: callers are told why
        if (due(metrics_at_, kMetricsSeconds)) attempt("write metrics", [&] { write_metrics(); });
        return;
    }
    if (due(spool_at_, kSpoolSeconds))
        attempt("collect records of nodes", [&] { collect_spool(); });
    else if (due(lost_at_, kLostSeconds))  // after what was spooled meanwhile
        attempt("end jobs that were lost", [&] { end_lost_jobs(); });
    if (due(configuration_at_, kConfigurationSeconds))
        attempt("watch the configuration", [&] { watch_configuration(); });
    if (due(refusals_at_, kRefusalSeconds)) attempt("record refusals", [&] { record_refusals(); });
    if (due(signed_at_, kSigningSeconds))
        attempt("sign", [&] { ledger_.checkpoint(); });  // what is quiet, too
    if (due(metrics_at_, kMetricsSeconds)) attempt("write metrics", [&] { write_metrics(); });
    reserve_.refill();
    for (auto& [rate, rates] : rates_) rates.forget(steady_ms());
    attempt("write the ledger", [&] { commit(); });
    try_publish();
    attempt("tend to releases", [&] { tend_releases(); });
}

}  // namespace jobs
