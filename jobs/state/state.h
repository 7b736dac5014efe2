#pragma once
#include <filesystem>
#include <optional>

#include "core/ledger/ledger.h"
#include "core/ledger/record.h"
#include "jobs/state/database.h"
#include "jobs/state/texts.h"

namespace jobs {

// Applications, grants, enclaves, jobs, releases as they stand: a fold over the ledger, kept in SQLite.
// Nothing is in it that the ledger does not say, so it can be thrown away and made again at any time.
class State {
public:
    // `texts`, which must outlive it: where rows() finds the texts that records refer to; null: they stay references.
    explicit State(const std::filesystem::path& file, Texts* texts = nullptr);

    // The last record that the database in `file` was folded up to; nothing if there is none, or none that we
    // understand. Changes nothing there: another aloftd may be at work.
    static std::optional<core::Ledger::Position> position_in(const std::filesystem::path& file);
    // Brings the state up to the ledger's end: folds what is new, or, if the database does not belong to this
    // ledger (or `rebuild`), everything from the first record. Returns how many records were folded. So many
    // are a transaction, whose size is what SQLite's log beside the database grows to; what is interrupted goes
    // on after the last one.
    static constexpr std::uint64_t kPerTransaction = 5'000;
    std::uint64_t catch_up(const std::filesystem::path& ledger, bool rebuild);

    // One batch of the ledger is one transaction here.
    void begin() { database_.run("BEGIN"); }
    void fold(const core::Record& record);
    void commit(const core::Head& head, std::uint64_t last_line_offset);
    void roll_back() { database_.run("ROLLBACK"); }
    void abandon() noexcept;  // rolls back, unless SQLite has done so itself after a failed write

    // The one row with this id, or nothing.
    std::optional<nlohmann::json> application(const std::string& id);
    std::optional<nlohmann::json> request(const std::string& id);
    std::optional<nlohmann::json> grant(const std::string& id);
    std::optional<nlohmann::json> release(const std::string& id);
    std::optional<nlohmann::json> enclave(const std::string& name);
    bool has_node_record(const std::string& id);
    std::vector<nlohmann::json> rows(const std::string& sql, const std::vector<nlohmann::json>& values = {});

private:
    void clear();
    std::uint64_t fold_from(const std::filesystem::path& ledger, std::uint64_t from, bool skip);
    void fold_kind(const core::Record& record);
    void fold_application(const core::Record& record);
    void fold_grant(const core::Record& record);
    void fold_enclave(const core::Record& record);
    void fold_key(const core::Record& record);
    void fold_release(const core::Record& record);
    void fold_job(const core::Record& record);
    void fold_node(const core::Record& record);
    // runs.cpp; `time` is the node's, as RFC 3339
    void fold_run_started(const nlohmann::json& job, const std::string& node, const nlohmann::json& time,
                          std::int64_t heard, const nlohmann::json& details);
    void fold_run_ended(const nlohmann::json& job, const std::string& node, const nlohmann::json& time,
                        std::int64_t heard, const nlohmann::json& details);
    void fold_run_lost(const nlohmann::json& job, const nlohmann::json& node, const nlohmann::json& start);
    bool count_lost_run(const nlohmann::json& job, const std::string& node,
                        const nlohmann::json& start);  // false: it is not open
    void fold_blocked(const nlohmann::json& job, const nlohmann::json& details);
    void fold_preflight(const core::Record& record);
    std::optional<nlohmann::json> one(const std::string& sql, const std::string& id);

    Database database_;
    Texts* texts_;
};

}  // namespace jobs
