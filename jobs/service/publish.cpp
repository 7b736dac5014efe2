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
    for (const std::string& file : collected_) {
        std::error_code ignored;  // met again, it is known by its id
        std::filesystem::remove(file, ignored);
    }
    collected_.clear();
    facts_changed_ = keys_changed_ = false;
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
             "not_after "
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
