#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/message.h"
#include "core/base/metrics.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/roles.h"
#include "jobs/release/budget.h"
#include "jobs/release/desk.h"
#include "jobs/service/ledgered.h"
#include "jobs/service/operations.h"
#include "jobs/service/worker.h"
#include "jobs/wire/preflight.h"

namespace jobs {

// One request while it is being served: its fields are as its operation's row says, its caller may ask.
struct Call {
    CallerId caller = 0;
    Peer peer;
    nlohmann::json body;
    std::vector<core::Fd> descriptors;
    nlohmann::json object;  // the row of the thing that it is about, if the operation has one
    bool beyond = false;    // the caller's right goes beyond what is its own

    std::string text(const char* key) const { return body.at(key).get<std::string>(); }
    std::int64_t integer(const char* key, std::int64_t otherwise = 0) const {
        return body.value(key, otherwise);
    }
    std::vector<std::string> list(const char* key) const {
        return body.at(key).get<std::vector<std::string>>();
    }
    std::string id() const { return object.at("id").get<std::string>(); }
};

// Why records that are or may be lost are given up; nothing: they are not. `up_to`: the last number that may have been given,
// where somebody knows it.
struct LossDecision {
    std::string reason;
    std::uint64_t up_to = 0;
};

struct Request;  // releases.cpp

// What aloftd does. Which operations there are, who may ask for them and with what, stands in operations.cpp: it
// is checked before a handler runs. A handler decides what depends on the state of things. Handlers stand in
// applications.cpp, catalogue.cpp, enclaves.cpp, grants.cpp, job_records.cpp, lists.cpp, losses.cpp, metrics.cpp, overview.cpp, releases.cpp and
// release_reviews.cpp.
// No request, report or file ends it: only a ledger of which it is unknown what the disk holds.
class Service : public Handler, private Ledgered {
public:
    // Publishes what the state says. Throws as Ledgered.
    Service(const core::Site& site, bool rebuild, const LossDecision& loss = {});
    // Serves until the server is told to end, then signs the ledger's end. Resumes exports that were
    // interrupted.
    void serve(Server& server);

    void on_request(CallerId caller, const Peer& peer, const std::string& line,
                    std::vector<core::Fd> descriptors) override;
    void on_second() override;
    void on_batch_end() override;

private:
    friend std::span<const Operation> operations();

    // applications.cpp
    std::optional<Body> application_submit(Call&);
    std::optional<Body> application_show(Call&);
    std::optional<Body> application_withdraw(Call&);
    std::optional<Body> review_decide(Call&);
    // catalogue.cpp
    std::optional<Body> dataset_register(Call&);
    std::optional<Body> key_seal(Call&);
    std::optional<Body> audit_head(Call&);
    std::optional<Body> audit_copy(Call&);
    std::optional<Body> backup_made(Call&);
    std::optional<Body> text_erase(Call&);
    void watch_configuration();
    void record_configuration(const std::string& name, const std::filesystem::path& file);
    // enclaves.cpp
    std::optional<Body> enclave_create(Call&);
    std::optional<Body> enclave_open(Call&);
    std::optional<Body> enclave_suspend(Call&);
    std::optional<Body> enclave_close(Call&);
    std::optional<Body> enclave_change(Call&);
    std::optional<Body> enclave_show(Call&);
    std::optional<Body> end_enclave(Call&, const std::string& kind, const std::string& end);
    Body open_if_it_passes(const Call& call, const core::Enclave& enclave, const std::vector<Check>& slurm);
    std::string enclave_state(const std::string& name);  // "": not on record
    // The state that `kind` leads to. Throws Error(refused) if it may not happen now.
    std::string move_enclave(const std::string& name, const std::string& kind, const std::string& doing);
    static Body with_login(const Call& call, Body details);
    std::vector<Report> reports();
    // Where accounts of the enclave log in, if they do apart from all others: as relay.toml says, or here where
    // there is none. Throws Error(usage) if it cannot be read.
    std::optional<std::vector<std::string>> login_hosts(const std::string& enclave);
    void adopt_enclave(const std::string& name);
    // grants.cpp
    std::optional<Body> grant_issue(Call&);
    std::optional<Body> grant_revoke(Call&);
    // job_records.cpp
    std::optional<Body> job_request(Call&);
    std::optional<Body> job_submitted(Call&);
    std::optional<Body> job_rejected(Call&);
    std::optional<Body> job_show(Call&);
    // Sets complete_at_ when all that lay there when a round began is entered: at once, or over several calls.
    void collect_spool();
    // Records the end of runs whose node has told none, when all is entered that was told until an hour after they must have been over:
    // as their other nodes said, or because Slurm started the job again, or by their time limit.
    void end_lost_jobs();
    // Of a grant, what its jobs have used and may use yet: those that run count at their time limit.
    core::Used used_of(const std::string& grant);
    void require_left(const core::Grant& grant, const core::Enclave& enclave, const Call& call);
    void collect_file(const std::filesystem::path& file, const std::vector<core::VerifyKey>& keys,
                      const std::string& host);
    // metrics.cpp
    void write_metrics();
    core::Metrics metrics();
    // overview.cpp
    std::optional<Body> overview(Call&);
    // The published list, as hosts read it; none is issued at 0.
    struct ListSeen {
        std::int64_t issued = 0, seq = 0;
    };
    ListSeen list_seen();
    // What waits for a decision, for the overview and for metrics: of a statement that selects "n" and the oldest's time, "since".
    struct Waiting {
        std::int64_t count = 0, oldest_seconds = 0;
    };
    Waiting waiting(const char* sql, std::int64_t now);
    static constexpr const char* kWaitingApplications =
        "SELECT count(*) AS n, min(submitted) AS since FROM applications WHERE state = 'in-review'";
    static constexpr const char* kWaitingReleases =
        "SELECT count(*) AS n, min(requested) AS since FROM releases WHERE state IN ('in-review', "
        "'half-approved')";
    Body hosts_judged(std::int64_t now);
    // losses.cpp
    void check_witnesses(const LossDecision& decision);
    bool is_given_up(std::uint64_t seq);
    std::vector<core::VerifyKey> ledger_keys();
    // Throws LedgerBroken, after a mark was set that keeps aloftd from starting, if `witness` (JSON) of a node's record saw
    // what this ledger does not hold and nobody gave up.
    void check_brought(const Body& witness);
    void finish_losses();
    // lists.cpp
    // One page of `sql`, whose column "at" counts up (or down, as it orders) and whose parameters are `values`, the
    // request's "after" and a limit.
    Body page(const Call& call, const char* name, const std::string& sql, std::vector<Body> values,
              const std::function<void(Body&)>& complete = {});
    std::optional<Body> application_list(Call&);
    std::optional<Body> dataset_list(Call&);
    std::optional<Body> enclave_list(Call&);
    std::optional<Body> preflight_reports(Call&);
    std::optional<Body> grant_list(Call&);
    std::optional<Body> job_list(Call&);
    std::optional<Body> usage(Call&);
    std::optional<Body> usage_months(Call&);
    std::optional<Body> release_page(Call&);
    // releases.cpp
    std::optional<Body> release_request(Call&);
    std::optional<Body> release_show(Call&);
    std::optional<Body> release_withdraw(Call&);
    Body release_facts(const Body& row);
    Body release_or_throw(const std::string& id);
    std::optional<core::ToldError> revocation_of(const Body& release);
    Budget budget_of(const std::string& grant, const ReleaseRules& rules);
    void check_room(const std::string& account, std::uint64_t bytes, const ReleaseRules& rules);
    Body judged(const Request& request, Judged judged);
    // Each second: goes on with exports that were interrupted and removes copies of releases that are over.
    void tend_releases();
    // release_reviews.cpp
    std::optional<Body> release_view(Call&);
    LeavingFile file_to_view(const Call& call, const Body& row);
    void look_at_picture(const Call& call, const std::filesystem::path& canonical);
    std::optional<Body> release_review(Call&);
    std::optional<Body> release_export(Call&);
    void start_export(const std::string& id);
    void finish_export(const std::string& id);
    void answer_export(const std::string& id, const std::optional<core::ToldError>& failure,
                       const std::string& hash);

    // Throws Error(refused) if this caller may not ask from where it asks (ways.cpp).
    void check_way(const Peer& peer, const Operation& operation);
    // Throws Error unless the request's fields are as the row says and its caller may ask for it; finds the
    // object.
    void admit(Call& call, const Operation& operation);
    void find_object(Call& call, const Operation& operation);
    void check_person(const Call& call, const Operation& operation);
    Who kinds_of(const Peer& peer, Who wanted);
    // Runs `work` and answers what it returns, or what it throws. Throws LedgerBroken only.
    void answer_with(CallerId caller, const Peer& peer, std::string_view operation,
                     const std::function<std::optional<Body>()>& work);
    // For the record of refusals and for metrics.
    void count_refusal(const std::string& account, const std::string& operation);
    // Part of what happens each second; nothing that it meets ends aloftd but LedgerBroken.
    void attempt(const char* doing, const std::function<void()>& work);

    void on_record(const core::Record& record) override;
    void on_commit() override;
    void on_take_back() override;

    // publish.cpp
    void publish();
    void try_publish() noexcept;
    void publish_facts();
    void publish_budgets();
    void publish_keys();
    void publish_witness();

    // As roles.toml says it now; a change is on record before it counts. Throws Error.
    const core::Roles& roles();
    bool has_role(const std::string& account, std::string_view role);
    // Throws Error(refused) unless the caller has one of the roles.
    void need_role(const Call& call, std::initializer_list<const char*> any_of);

    Worker worker_;
    core::Roles roles_;
    std::string roles_seen_;  // the file's identity and times
    core::Head witnessed_;
    core::Head brought_;                  // by a node, the last that this ledger holds
    std::vector<std::string> collected_;  // to remove after the commit
    std::set<std::string> rejected_spool_, unknown_nodes_, exporting_;
    std::string next_host_;  // where the round over the spool goes on
    struct Round {
        std::int64_t began = 0;
        std::size_t folders = 0;  // done
        bool is_whole = true;     // all could be read
    } round_;
    std::int64_t complete_at_ =
        0;  // all that nodes had told by then is entered; 0: not since this was started
    std::int64_t budgets_complete_ = 0;  // as published
    std::map<CallerId, std::string> working_;
    bool packages_wait_ = true;                   // half packages may lie in site.released
    std::map<std::string, std::string> copying_;  // folder in quarantine -> account: requests being judged
    std::set<std::string> viewed_;  // "ACCOUNT R-31 NAME" since aloftd started; a picture as one
    std::shared_ptr<const core::SecretKey> rounding_secret_;
    std::map<Pace, TokenBuckets> rates_;
    bool facts_changed_ = true, keys_changed_ = true,
         budgets_changed_ = true;  // to publish again after the commit
    std::int64_t spool_at_ = 0, signed_at_ = 0, configuration_at_ = 0, refusals_at_ = 0, metrics_at_ = 0,
                 lost_at_ = 0;
    std::map<std::string, std::uint64_t> refused_since_start_;  // by operation
};

}  // namespace jobs
