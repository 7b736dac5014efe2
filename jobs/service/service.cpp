#include "jobs/service/service.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"

namespace jobs {

using core::Error;
using core::Event;
using core::Fault;
using nlohmann::json;

namespace {

// A hostile nesting of brackets must not become a deep recursion.
json parse_request(const std::string& line) {
    const auto callback = [](int depth, json::parse_event_t, json&) {
        if (depth > 16) throw Error(Fault::usage, "a request is nested too deeply");
        return true;
    };
    try {
        json body = json::parse(line, callback);
        if (!body.is_object()) throw Error(Fault::usage, "a request is one JSON object");
        return body;
    } catch (const json::exception&) {
        throw Error(Fault::usage, "a request is one line of JSON");
    }
}

}  // namespace

std::string text_field(const json& body, const char* key, std::size_t least, std::size_t most) {
    const auto found = body.find(key);
    if (found == body.end() || !found->is_string())
        throw Error(Fault::usage, std::string(key) + ": missing; expected a text");
    std::string text = found->get<std::string>();
    if (text.size() < least || text.size() > most)
        throw Error(Fault::usage, std::string(key) + ": must have " + std::to_string(least) + " to " +
                                      std::to_string(most) + " bytes");
    return text;
}

std::string id_field(const json& body, const char* key, const char* prefix) {
    std::string id = text_field(body, key, 3, 24);
    if (!id.starts_with(prefix) || id.find_first_not_of("0123456789", 2) != std::string::npos)
        throw Error(Fault::usage, std::string(key) + ": expected an id of the form " + prefix + "17");
    return id;
}

std::int64_t integer_field(const json& body, const char* key, std::int64_t least, std::int64_t most) {
    const auto found = body.find(key);
    if (found == body.end() || !found->is_number_integer())
        throw Error(Fault::usage, std::string(key) + ": missing; expected an integer");
    const std::int64_t value = found->get<std::int64_t>();
    if (value < least || value > most)
        throw Error(Fault::usage, std::string(key) + ": must be from " + std::to_string(least) + " to " +
                                      std::to_string(most));
    return value;
}

std::vector<std::string> list_field(const json& body, const char* key, std::size_t least, std::size_t most) {
    const auto found = body.find(key);
    const bool good = found != body.end() && found->is_array() && found->size() >= least &&
                      found->size() <= most &&
                      std::all_of(found->begin(), found->end(), [](const json& entry) {
                          return entry.is_string() && entry.get_ref<const std::string&>().size() <= 256;
                      });
    if (!good)
        throw Error(Fault::usage, std::string(key) + ": expected a list of " + std::to_string(least) +
                                      " to " + std::to_string(most) + " texts");
    return found->get<std::vector<std::string>>();
}

const std::map<std::string, Service::Operation, std::less<>>& Service::operations() {
    static const std::map<std::string, Operation, std::less<>> table{
        {"application.submit", &Service::application_submit},
        {"application.list", &Service::application_list},
        {"application.show", &Service::application_show},
        {"application.withdraw", &Service::application_withdraw},
        {"review.decide", &Service::review_decide},
        {"dataset.register", &Service::dataset_register},
        {"dataset.list", &Service::dataset_list},
        {"key.seal", &Service::key_seal},
        {"audit.head", &Service::audit_head},
        {"audit.copy", &Service::audit_copy},
        {"enclave.create", &Service::enclave_create},
        {"enclave.open", &Service::enclave_open},
        {"enclave.suspend", &Service::enclave_suspend},
        {"enclave.close", &Service::enclave_close},
        {"enclave.change", &Service::enclave_change},
        {"enclave.list", &Service::enclave_list},
        {"enclave.show", &Service::enclave_show},
        {"preflight.reports", &Service::preflight_reports},
        {"grant.issue", &Service::grant_issue},
        {"grant.revoke", &Service::grant_revoke},
        {"grant.list", &Service::grant_list},
        {"job.request", &Service::job_request},
        {"job.submitted", &Service::job_submitted},
        {"job.list", &Service::job_list},
        {"job.show", &Service::job_show},
        {"usage", &Service::usage},
        {"release.request", &Service::release_request},
        {"release.list", &Service::release_list},
        {"release.show", &Service::release_show},
        {"release.view", &Service::release_view},
        {"release.review", &Service::release_review},
        {"release.withdraw", &Service::release_withdraw},
        {"release.export", &Service::release_export},
    };
    return table;
}

Service::Service(const core::Site& site, bool rebuild)
    : site_(site),
      ledger_(site.state / "ledger.jsonl", core::SigningKey::load(site.state / "keys" / "ledger.key"), 1000,
              rebuild ? std::nullopt : State::position_in(site.state / "state.db")),
      state_(site.state / "state.db"),
      roles_(core::Roles::load(site.config / "roles.toml")) {
    if (ledger_.cut_bytes())
        Event("warning", "ledger_torn_line_cut").with("bytes", ledger_.cut_bytes());  // nobody was told of it
    const std::uint64_t folded = state_.catch_up(site.state / "ledger.jsonl", rebuild);
    check_witnesses();
    Event("info", "state_ready").with("records", ledger_.head().seq).with("folded", folded);
    core::make_directories(site_.published / "keys", 0755);
    core::make_directories(site_.state / "releases", 0700);
    const auto secret = site_.state / "rounding.secret";
    if (std::error_code ignored; !std::filesystem::exists(secret, ignored))
        core::SecretKey::generate().save(secret);
    rounding_secret_ = std::make_shared<const core::SecretKey>(core::SecretKey::load(secret));
    record("aloftd", "aloftd.started", "aloftd", {{"version", ALOFT_VERSION}, {"site", site_.name}});
    watch_configuration();
    commit();
    facts_changed_ = keys_changed_ = true;
    try_publish();
    tend_releases();
}

void Service::serve(Server& server) {
    server_ = &server;
    server.watch(worker_.fd(), [this] { worker_.finish_done(); });
    server.run(*this);
    ledger_.checkpoint();
    commit();
    try_publish();
}

const core::Roles& Service::roles() {
    const auto file = site_.config / "roles.toml";
    std::error_code error;
    if (const auto time = std::filesystem::last_write_time(file, error); !error && time != roles_time_) {
        roles_ = core::Roles::load(file);
        roles_time_ = time;
    }
    if (error) throw Error(Fault::system, "roles.toml cannot be read; tell the admin");
    return roles_;
}

void Service::need_role(const Call& call, std::initializer_list<const char*> any_of) {
    std::string names;
    for (const char* role : any_of) {
        if (may(call, role)) return;
        names += (names.empty() ? "" : " or ") + std::string(role);
    }
    throw Error(Fault::refused, "account " + call.peer.account + " does not have the role " + names +
                                    "; the site's admin gives roles in roles.toml");
}

void Service::on_request(CallerId caller, const Peer& peer, const std::string& line,
                         std::vector<core::Fd> descriptors) {
    Call call{caller, peer, nullptr, std::move(descriptors)};
    std::string name;
    wrote_ = false;
    try {
        catch_up();
        call.body = parse_request(line);
        name = text_field(call.body, "op", 1, 64);
        const auto operation = operations().find(name);
        if (operation == operations().end()) throw Error(Fault::usage, "aloftd knows no such operation");
        if (auto body = (this->*operation->second)(call)) {
            (*body)["ok"] = true;
            answer(caller, std::move(*body));
        }
    } catch (const Error& e) {
        if (e.fault() == Fault::bug) throw;
        if (e.fault() == Fault::refused) {
            const json subject = call.body.value("id", json());
            refuse(call, name, subject.is_string() ? subject.get<std::string>().substr(0, 64) : "", e.what());
        }
        answer_error(caller, e.fault(), e.what());
    } catch (const json::exception&) {
        answer_error(caller, Fault::usage, "a field of the request has the wrong type");
    }
}

core::Record Service::record(const std::string& actor, const std::string& kind, const std::string& subject,
                             Body details) {
    core::Record made = ledger_.add(actor, kind, subject, std::move(details));
    if (!in_batch_) {
        state_.begin();
        in_batch_ = true;
    }
    try {
        state_.fold(made);
    } catch (
        const std::exception& e) {  // ledger and state must not part: end, and fold again at the next start
        throw Error(Fault::bug, std::string("a record cannot be folded into the state: ") + e.what());
    }
    wrote_ = true;
    if (kind.starts_with("grant.") || kind.starts_with("enclave.")) facts_changed_ = true;
    return made;
}

void Service::refuse(const Call& call, const std::string& operation, const std::string& subject,
                     const std::string& why) {
    record(call.peer.account, "refused", subject.empty() ? operation : subject,
           {{"operation", operation}, {"why", why}});
    Event("warning", "refused").with("account", call.peer.account).with("operation", operation);
}

void Service::answer(CallerId caller, Body body, std::vector<core::Fd> descriptors) {
    pending_.push_back({caller, std::move(body), std::move(descriptors), wrote_});
}

void Service::answer_error(CallerId caller, Fault fault, const std::string& text) {
    answer(caller, {{"ok", false}, {"fault", static_cast<int>(fault)}, {"error", text}});
}

// Durable first; whatever the outside sees of a record comes after.
void Service::commit() {
    if (!ledger_.has_batch()) return;
    try {
        ledger_.commit();
    } catch (const Error& e) {
        if (e.fault() == Fault::system) take_back(e);
        throw;
    }
    for (Pending& one : pending_) one.wrote = false;
    if (!in_batch_) return;
    in_batch_ = false;
    try {
        state_.commit(ledger_.head(), ledger_.last_line_offset());
    } catch (const Error& e) {  // on a full disk: the ledger has the records, so they count
        state_.abandon();
        state_is_behind_ = true;
        Event("error", "state_not_written").with("text", e.what());
    }
}

// Nothing is decided on a state that lacks records. Throws Error(system) while it cannot be written.
void Service::catch_up() {
    if (!state_is_behind_) return;
    state_.catch_up(site_.state / "ledger.jsonl", false);
    state_is_behind_ = false;
}

// The ledger took nothing of the batch: nor does the state, and everybody who was waiting for it is told so.
void Service::take_back(const Error& why) {
    if (in_batch_) state_.roll_back();
    in_batch_ = false;
    collected_.clear();
    Event("error", "ledger_not_written").with("text", why.what());
    for (Pending& one : pending_) {
        if (!one.wrote) continue;
        one.body = {{"ok", false}, {"fault", static_cast<int>(Fault::system)}, {"error", why.what()}};
        one.descriptors.clear();
    }
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
    if (pending_.empty() && !ledger_.has_batch()) return;
    try {
        const bool something = ledger_.has_batch();
        commit();
        if (something && (!collected_.empty() || facts_changed_ || keys_changed_)) try_publish();
    } catch (const Error& e) {
        if (e.fault() != Fault::system) throw;  // end, and see at the next start what is on disk
    }
    for (Pending& one : pending_) server_->answer(one.caller, one.body, std::move(one.descriptors));
    pending_.clear();
}

void Service::on_second() {
    const std::int64_t now = core::now_seconds();
    wrote_ = false;
    try {
        catch_up();
    } catch (const Error&) {  // later: callers are told why
        return;
    }
    if (now - spool_at_ >= 2) {
        spool_at_ = now;
        collect_spool();
    }
    if (now - configuration_at_ >= 5) {
        configuration_at_ = now;
        watch_configuration();
    }
    if (now - signed_at_ >= 60) {  // what is quiet gets signed
        signed_at_ = now;
        ledger_.checkpoint();
    }
    try_publish();
    tend_releases();
}

}  // namespace jobs
