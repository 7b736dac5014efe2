// Jobs: what researchers submit, and what the nodes' signed records say became of it.
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "core/policy/names.h"
#include "jobs/service/folder.h"
#include "jobs/service/node_entry.h"
#include "jobs/service/service.h"
#include "jobs/state/attempts.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr int kPerRound = 500;                  // records of nodes; callers are waiting
constexpr std::size_t kFoldersPerRound = 1000;  // they lie on a shared file system
constexpr int kLostPerRound = 500;
constexpr std::int64_t kLostSeconds = 3600;  // a node's record may be that late, of a file system that hangs
constexpr std::int64_t kWaitingLimit = 200, kWaitingSeconds = 3600;

void need_open_request(const Call& call) {
    if (call.object.at("state") != "requested")
        throw failure(Fault::refused, "what became of job request {} is on record already", call.id());
}

}  // namespace

std::optional<json> Service::job_request(Call& call) {
    const auto enclave = core::source_of_account(site_, call.peer.account);
    if (!enclave) throw failure(Fault::refused, "account {} is in no enclave any more", call.peer.account);
    const core::Grant grant = core::open_grant(site_, call.peer.uid, core::now_seconds(),
                                               {call.body.value("grant", std::string()), {}});
    if (grant.enclave != enclave->name)
        throw failure(Fault::refused, "grant {} is for another enclave than this account's", grant.id);
    if (call.integer("nodes") > static_cast<std::int64_t>(enclave->nodes.size()))
        throw failure(Fault::refused, "enclave {} has {} nodes; ask for no more with --nodes", enclave->name,
                      enclave->nodes.size());
    require_left(grant, *enclave, call);
    const auto waiting = state_.rows(
        "SELECT count(*) AS n FROM requests WHERE account = ? AND state = 'requested' AND requested > ?",
        {call.peer.account, core::rfc3339(core::now_seconds() - kWaitingSeconds)});
    if (waiting.at(0).at("n").get<std::int64_t>() >= kWaitingLimit)
        throw failure(Fault::refused, "too many jobs were asked for and never submitted; wait an hour");
    const std::string id = next_id("J-");
    record(call.peer.account, "job.requested", id,
           {{"grant", grant.id},
            {"enclave", enclave->name},
            {"nodes", call.integer("nodes")},
            {"script_sha256", call.text("script_sha256")}});
    return json{{"request", id},
                {"grant", grant.id},
                {"enclave", enclave->name},
                {"partition", enclave->partition},
                {"not_after", core::rfc3339(grant.not_after)}};
}

core::Used Service::used_of(const std::string& grant) {
    const auto sum = [&](const char* sql) {
        const json row = state_.rows(sql, {grant}).at(0);
        return core::Used{row.at("node_seconds").get<std::int64_t>(),
                          row.at("gpu_seconds").get<std::int64_t>()};
    };
    const core::Used ended =
        sum("SELECT coalesce(sum(node_seconds), 0) AS node_seconds, coalesce(sum(gpu_seconds), 0) AS "
            "gpu_seconds FROM usage WHERE "
            "grant_id = ?");
    const core::Used running =
        sum("SELECT coalesce(sum(most), 0) AS node_seconds, coalesce(sum(most * runs.gpus), 0) AS "
            "gpu_seconds FROM runs CROSS JOIN jobs ON "
            "jobs.id = runs.job WHERE counted IS NULL AND grant_id = ?");
    return {ended.node_seconds + running.node_seconds, ended.gpu_seconds + running.gpu_seconds};
}

// Early and in words. Whoever submits without `aloft submit` is refused by Prolog, which knows the time limit and the GPUs from Slurm.
void Service::require_left(const core::Grant& grant, const core::Enclave& enclave, const Call& call) {
    if (!core::has_budget(grant)) return;
    const std::int64_t seconds = std::min({call.integer("minutes", enclave.max_minutes) * 60,
                                           enclave.max_minutes * 60, grant.not_after - core::now_seconds()});
    core::require_budget(grant, used_of(grant.id),
                         {call.integer("nodes") * seconds, call.integer("gpus") * seconds});
}

// Said once, by the account that asked. It only ties the request to a number: whose a job is, what it may and what
// became of it, its nodes' records say.
std::optional<json> Service::job_submitted(Call& call) {
    need_open_request(call);
    record(call.peer.account, "job.submitted", "job:" + std::to_string(call.integer("job")),
           {{"job", call.integer("job")}, {"request", call.id()}});
    return json{{"job", call.integer("job")}};
}

// Why is between Slurm and the researcher: what sbatch prints may hold what the researcher typed.
std::optional<json> Service::job_rejected(Call& call) {
    need_open_request(call);
    record(call.peer.account, "job.rejected", call.id(), {{"by", "slurm"}});
    return json{{"request", call.id()}};
}

// One job with what the fence stopped of it. `complete`: every node has reported its end.
std::optional<json> Service::job_show(Call& call) {
    json body = call.object;
    const json job = body.at("id"), owner = body.at("account");
    const auto asked =
        state_.rows("SELECT nodes, requested FROM requests WHERE job = ? AND account = ?", {job, owner});
    body["job"] = job;
    body["grant"] = body.at("grant_id");
    body["nodes"] = asked.empty() ? json() : asked[0].at("nodes");
    body["submitted"] = asked.empty() ? json() : asked[0].at("requested");
    body["complete"] = body.at("records_ended").get<std::int64_t>() >=
                       (body.at("nodes").is_null() ? 1 : body.at("nodes").get<std::int64_t>());
    for (const char* key : {"id", "grant_id", "records_ended"}) body.erase(key);
    // Its author is inside; to everybody else the exact number is more than they need.
    const auto shown = [&](const json& count) {
        return owner == call.peer.account ? count : json(rounded_count(count.get<std::int64_t>()));
    };
    body["blocked"] = json::object();
    for (const json& row : state_.rows("SELECT kind, count FROM blocked WHERE job = ?", {job}))
        body["blocked"][row.at("kind").get<std::string>()] = shown(row.at("count"));
    body["attempts"] = state_.rows(
        "SELECT what, target AS \"to\", count FROM attempts WHERE job = ? ORDER BY what, target", {job});
    for (json& row : body["attempts"]) row["count"] = shown(row.at("count"));
    return body;
}

// Enters what the nodes have spooled. A file is removed when its record is on disk here; met again before
// that, its id tells that it is known. One that does not prove its node stays where it is, for the admin, and
// is reported once. A round goes on where the last one stopped, so that no node waits for another.
void Service::collect_spool() {
    if (round_.folders == 0) round_ = {core::now_seconds(), 0, true};
    const auto folders = list_folder(site_.spool, &round_.is_whole);
    const Turn turn = turn_of(folders, next_host_, kFoldersPerRound);
    int entered = 0;
    for (const auto& folder : turn.folders) {
        const std::string host = folder.filename().string();
        next_host_ = host;
        ++round_.folders;
        const auto files = core::is_plain_name(host) ? list_folder(folder, &round_.is_whole)
                                                     : std::vector<std::filesystem::path>{};
        if (files.empty()) continue;
        std::vector<core::VerifyKey> keys;
        try {
            keys = core::load_node_keys(site_, host);
        } catch (const Error&) {  // the files wait for it
            if (unknown_nodes_.insert(host).second)
                core::Event("warning", "node_without_key").with("node", host);
            continue;
        }
        for (const auto& file : files) {
            if (file.extension() != ".json" || rejected_spool_.contains(file.string())) continue;
            if (++entered > kPerRound) {
                --round_.folders;  // its turn comes again
                return;
            }
            collect_file(file, keys, host);
        }
    }
    next_host_ = turn.next;
    if (round_.folders < folders.size()) return;
    if (round_.is_whole) complete_at_ = round_.began;
    round_.folders = 0;
    // Hosts are told anew long before what they have is too old.
    const std::int64_t newer = complete_at_ - budgets_complete_;
    if (newer < 0 || newer >= std::max<std::int64_t>(site_.revocation_stale_seconds / 4, 1))
        budgets_changed_ = true;
}

// Slurm's word is no help: with PrivateData=jobs, which is required, it tells aloftd's account of no job. The run's limit, which
// slurmctld told the node before the job began, stands in the node's signed record.
void Service::end_lost_jobs() {
    for (const json& row :
         state_.rows("SELECT runs.job, node, start, account, grant_id, enclave FROM runs "
                     "CROSS JOIN jobs ON jobs.id = "
                     "runs.job WHERE counted IS NULL AND min(coalesce(max(over, coalesce(heard, 0)), "
                     "began + most), began + most) < ? "
                     "ORDER BY runs.job, node, start LIMIT ?",
                     {complete_at_ - kLostSeconds, kLostPerRound}))
        record("aloftd", "job.lost", "job:" + std::to_string(row.at("job").get<std::int64_t>()),
               {{"job", row.at("job")},
                {"node", row.at("node")},
                {"start", row.at("start")},
                {"account", row.at("account")},
                {"grant", row.at("grant_id")},
                {"enclave", row.at("enclave")}});
}

void Service::collect_file(const std::filesystem::path& file, const std::vector<core::VerifyKey>& keys,
                           const std::string& host) {
    const auto reject = [&](const char* why) {
        rejected_spool_.insert(file.string());
        core::Event("warning", "spool_rejected").with("node", host).with("text", why);
        record("aloftd", "spool.rejected", "node:" + host, {{"why", why}});
    };
    NodeEntry node;
    try {
        node = read_node_entry(core::read_text(file, 64 << 10), keys, host);
    } catch (const Error& e) {
        if (e.fault() == Fault::system) {  // not to be read at the moment: met again
            round_.is_whole = false;
            return;
        }
        return reject(e.what());
    }
    if (const auto witness = node.details.at("details").find("witness");
        witness != node.details.at("details").end())
        check_brought(*witness);
    if (!state_.has_node_record(node.id))
        record("node:" + host, "node." + node.kind, node.subject, std::move(node.details));
    collected_.push_back(file.string());
}

}  // namespace jobs
