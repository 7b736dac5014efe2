#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/site.h"
#include "core/ledger/ledger.h"
#include "core/policy/roles.h"
#include "jobs/release/desk.h"
#include "jobs/service/server.h"
#include "jobs/service/worker.h"
#include "jobs/state/state.h"
#include "jobs/wire/preflight.h"

namespace jobs {

// One request while it is being served.
struct Call {
    CallerId caller = 0;
    Peer peer;
    nlohmann::json body;
    std::vector<core::Fd> descriptors;
};

struct Request;  // releases.cpp

// What aloftd does. Every operation checks who calls, changes nothing but by a record in the ledger, and is
// answered when that record is on disk. One that is refused is recorded too. Records of one round of callers
// share one flush. The operations themselves stand in applications.cpp, catalogue.cpp,
// enclaves.cpp, grants.cpp, job_records.cpp, releases.cpp and
// release_reviews.cpp.
class Service : public Handler {
public:
    // Opens ledger and state and publishes what the state says. Throws Error; Error(system) if another aloftd
    // runs.
    Service(const core::Site& site, bool rebuild);
    // Serves until the server is told to end, then signs the ledger's end. Resumes exports that were
    // interrupted.
    void serve(Server& server);

    void on_request(CallerId caller, const Peer& peer, const std::string& line,
                    std::vector<core::Fd> descriptors) override;
    void on_second() override;
    void on_batch_end() override;

private:
    using Body = nlohmann::json;
    using Operation = std::optional<Body> (Service::*)(Call&);  // nothing: answered later
    static const std::map<std::string, Operation, std::less<>>& operations();

    // applications.cpp
    std::optional<Body> application_submit(Call&);
    std::optional<Body> application_list(Call&);
    std::optional<Body> application_show(Call&);
    std::optional<Body> application_withdraw(Call&);
    std::optional<Body> review_decide(Call&);
    // catalogue.cpp
    std::optional<Body> dataset_register(Call&);
    std::optional<Body> dataset_list(Call&);
    std::optional<Body> key_seal(Call&);
    std::optional<Body> audit_head(Call&);
    std::optional<Body> audit_copy(Call&);
    void watch_configuration();
    // enclaves.cpp
    std::optional<Body> enclave_create(Call&);
    std::optional<Body> enclave_open(Call&);
    std::optional<Body> enclave_suspend(Call&);
    std::optional<Body> enclave_close(Call&);
    std::optional<Body> enclave_change(Call&);
    std::optional<Body> enclave_list(Call&);
    std::optional<Body> enclave_show(Call&);
    std::optional<Body> preflight_reports(Call&);
    std::optional<Body> end_enclave(Call&, const std::string& kind, const std::string& end);
    std::string enclave_state(const std::string& name);  // "": not on record
    // The state that `kind` leads to. Throws Error(refused) if it may not happen now.
    std::string move_enclave(const std::string& name, const std::string& kind, const std::string& doing);
    static Body with_login(const Call& call, Body details);
    std::vector<Report> reports();
    void adopt_enclave(const std::string& name);
    // grants.cpp
    std::optional<Body> grant_issue(Call&);
    std::optional<Body> grant_revoke(Call&);
    std::optional<Body> grant_list(Call&);
    // job_records.cpp
    std::optional<Body> job_request(Call&);
    std::optional<Body> job_submitted(Call&);
    std::optional<Body> job_list(Call&);
    std::optional<Body> job_show(Call&);
    std::optional<Body> usage(Call&);
    void collect_spool();
    // releases.cpp
    std::optional<Body> release_request(Call&);
    std::optional<Body> release_list(Call&);
    std::optional<Body> release_show(Call&);
    std::optional<Body> release_withdraw(Call&);
    Body release_facts(const Body& row);
    Budget budget_of(const std::string& grant, const ReleaseRules& rules);
    void check_room(const std::string& account, std::uint64_t bytes, const ReleaseRules& rules);
    Body judged(const Request& request, Judged judged);
    // release_reviews.cpp
    std::optional<Body> release_view(Call&);
    std::optional<Body> release_review(Call&);
    std::optional<Body> release_export(Call&);
    void start_export(const std::string& id);
    void finish_export(const std::string& id);
    void answer_export(const std::string& id, const std::optional<core::Error>& failure, const std::string& hash);
    // Each second: goes on with exports that were interrupted and removes copies of releases that are over.
    void tend_releases();

    // The id that the next record's thing will have: "A-7" for record 7.
    std::string next_id(const char* prefix) const { return prefix + std::to_string(ledger_.head().seq + 1); }
    core::Record record(const std::string& actor, const std::string& kind, const std::string& subject,
                        Body details);
    void refuse(const Call& call, const std::string& operation, const std::string& subject,
                const std::string& why);
    void answer(CallerId caller, Body body, std::vector<core::Fd> descriptors = {});
    void answer_error(CallerId caller, core::Fault fault, const std::string& text);
    void commit();
    void catch_up();
    void take_back(const core::Error& why);
    void publish();
    void try_publish() noexcept;
    void publish_facts();
    void check_witnesses();
    void publish_keys();
    void publish_witness();

    const core::Roles& roles();
    bool may(const Call& call, const char* role) { return roles().has(call.peer.account, role); }
    // Throws Error(refused) unless the caller has one of the roles.
    void need_role(const Call& call, std::initializer_list<const char*> any_of);
    Body application_or_throw(const std::string& id);
    Body release_or_throw(const std::string& id);

    struct Pending {
        CallerId caller;
        Body body;
        std::vector<core::Fd> descriptors;
        bool wrote;
    };

    core::Site site_;
    Server* server_ = nullptr;
    core::Ledger ledger_;
    State state_;
    Worker worker_;
    core::Roles roles_;
    core::Head witnessed_;
    std::filesystem::file_time_type roles_time_{};
    std::vector<Pending> pending_;
    std::vector<std::string> collected_;  // to remove after the commit
    std::set<std::string> rejected_spool_, unknown_nodes_, exporting_;
    std::map<std::string, std::string> copying_;  // folder in quarantine -> account: requests being judged
    std::set<std::string> viewed_;                // "ACCOUNT R-31 NAME" since aloftd started
    std::shared_ptr<const core::SecretKey> rounding_secret_;
    std::map<CallerId, std::string> working_;
    bool in_batch_ = false, wrote_ = false, state_is_behind_ = false;
    bool facts_changed_ = true, keys_changed_ = true;  // to publish again after the commit
    std::int64_t spool_at_ = 0, signed_at_ = 0, configuration_at_ = 0;
};

// Fields of a request. Each throws Error(usage) that names the field if it is not what is expected.
std::string text_field(const nlohmann::json& body, const char* key, std::size_t least, std::size_t most);
std::string id_field(const nlohmann::json& body, const char* key, const char* prefix);
std::int64_t integer_field(const nlohmann::json& body, const char* key, std::int64_t least,
                           std::int64_t most);
std::vector<std::string> list_field(const nlohmann::json& body, const char* key, std::size_t least,
                                    std::size_t most);

}  // namespace jobs
