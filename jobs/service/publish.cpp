// What aloftd lets out: the facts that aloft-sign signs, sealed keys, the ledger's witness. All of it is a
// function of the state, so a crash between a record and its publication is healed at the next start.
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "jobs/service/service.h"

namespace jobs {

using nlohmann::json;

namespace {

// One that ended is named for a while, so that people are told that it ended.
constexpr std::int64_t kRememberSeconds = 30 * 86400;

}  // namespace

void Service::publish() {
    if (facts_changed_) publish_facts();
    if (keys_changed_) publish_keys();
    if (budgets_changed_) publish_budgets();
    for (const std::string& file : collected_) {
        std::error_code ignored;  // met again, it is known by its id
        std::filesystem::remove(file, ignored);
    }
    collected_.clear();
    facts_changed_ = keys_changed_ = budgets_changed_ = false;
}

void Service::publish_witness() {
    if (witnessed_ == ledger_.committed()) return;
    core::write_atomically(site_.published / "witness.json", ledger_.witness().to_json() + "\n", 0644);
    witnessed_ = ledger_.committed();
}

// SITE.state/facts.json, for aloft-sign (jobs/signer/facts.h): which grants are current and where each
// enclave stands. Of one application's grants the newest replaces the others.
void Service::publish_facts() {
    json grants = json::array();
    for (json& row : state_.rows(
             "SELECT id, application, account, uid, enclave, datasets_json, purpose_json, not_before, "
             "not_after, node_hours, gpu_hours "
             "FROM grants AS one WHERE revoked IS NULL AND not_after > ? AND rowid = (SELECT max(rowid) FROM "
             "grants WHERE application = one.application AND uid = one.uid) ORDER BY rowid",
             {core::rfc3339(core::now_seconds() - kRememberSeconds)}))
        grants.push_back(std::move(row));
    json enclaves = json::object();
    for (const json& row : state_.rows("SELECT name, state FROM enclaves"))
        enclaves[row.at("name").get<std::string>()] = row.at("state");
    json losses = json::array();
    for (const json& row : state_.rows("SELECT first, last FROM losses WHERE done = 1 ORDER BY last"))
        losses.push_back({row.at("first"), row.at("last")});
    const json facts = {{"losses", losses},
                        {"seq", ledger_.committed().seq},
                        {"sha256", core::to_hex(ledger_.committed().sha256)},
                        {"grants", grants},
                        {"enclaves", enclaves}};
    core::write_atomically(site_.state / "facts.json", facts.dump() + "\n", 0600);
}

// SITE.state/budgets.json, for aloft-sign: what is used of each grant that has a budget, and counts. Apart from the facts, whose
// every change is published for all to see.
void Service::publish_budgets() {
    if (complete_at_ == 0) return;  // what nodes told meanwhile comes first
    json grants = json::array();
    for (const json& row : state_.rows("SELECT id FROM grants WHERE coalesce(node_hours, gpu_hours) IS NOT "
                                       "NULL AND revoked IS NULL AND not_after > ?",
                                       {core::rfc3339(core::now_seconds())})) {
        const core::Used used = used_of(row.at("id").get<std::string>());
        grants.push_back(
            {{"grant", row.at("id")},
             {"node_seconds", used.node_seconds},
             {"gpu_seconds", used.gpu_seconds},
             {"running",
              state_.rows(
                  "SELECT job, sum(most) AS node_seconds, sum(most * runs.gpus) AS gpu_seconds FROM runs "
                  "CROSS JOIN jobs ON jobs.id = runs.job WHERE counted IS NULL AND grant_id = ? GROUP BY job",
                  {row.at("id")})}});
    }
    const json facts = {{"complete", core::rfc3339(complete_at_)}, {"grants", grants}};
    core::write_atomically(site_.state / "budgets.json", facts.dump() + "\n", 0600);
    budgets_complete_ = complete_at_;
}

// Makes published/keys what the state says: a key that was withdrawn is there no more.
void Service::publish_keys() {
    namespace fs = std::filesystem;
    const fs::path folder = site_.published / "keys";
    std::set<fs::path> wanted;
    for (const json& row : state_.rows("SELECT enclave, dataset, sealed FROM sealed_keys")) {
        const fs::path path = folder / row.at("enclave").get<std::string>() /
                              (row.at("dataset").get<std::string>() + ".sealed");
        core::make_directories(path.parent_path(), 0755);
        core::write_atomically(path, row.at("sealed").get<std::string>() + "\n", 0644);
        wanted.insert(path);
    }
    std::vector<fs::path> gone;
    for (const auto& enclave : fs::directory_iterator(folder))
        if (enclave.is_directory())
            for (const auto& file : fs::directory_iterator(enclave.path()))
                if (!wanted.contains(file.path())) gone.push_back(file.path());
    for (const fs::path& path : gone) {
        fs::remove(path);
        core::sync_directory(path.parent_path());
    }
}

}  // namespace jobs
