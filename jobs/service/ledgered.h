#pragma once
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/site.h"
#include "core/ledger/ledger.h"
#include "jobs/service/limits.h"
#include "jobs/service/reserve.h"
#include "jobs/service/server.h"
#include "jobs/state/state.h"

namespace jobs {

// What the disk holds of the ledger is unknown: the one failure that ends aloftd.
class LedgerBroken : public core::Error {
public:
    explicit LedgerBroken(const std::string& text) : Error(core::Fault::bug, text) {}
};

// What every operation is built on: nothing changes but by a record, a record counts when it is on disk, and a
// caller is answered after that. Records of one round of callers share one flush.
class Ledgered {
public:
    // Opens ledger, texts and state and folds what is new. Throws Error; Error(system) if another aloftd runs.
    Ledgered(const core::Site& site, bool rebuild);
    Ledgered(const Ledgered&) = delete;
    Ledgered& operator=(const Ledgered&) = delete;
    virtual ~Ledgered() = default;

protected:
    using Body = nlohmann::json;

    // Adds a record to the round and folds it into the state. Texts in people's own words (state/texts.h) go
    // beside the ledger. Throws Error(system) if there is no room: then nothing of the round is done.
    core::Record record(const std::string& actor, const std::string& kind, const std::string& subject,
                        Body details);
    // The id that the next record's thing will have: "A-7" for record 7.
    std::string next_id(const char* prefix) const { return prefix + std::to_string(ledger_.head().seq + 1); }
    void answer(CallerId caller, Body body, std::vector<core::Fd> descriptors = {});

    // Makes the round durable. Throws Error(system) if that fails: then nothing of it is done, and everybody who
    // waits for it is told so; LedgerBroken.
    void commit();
    // Answers everybody whose round is over. Throws LedgerBroken.
    void end_round();
    // Nothing is decided on a state that lacks records. Throws Error(system) while it cannot be written.
    void catch_up();
    // Records what was refused since the last time, one record per account.
    void record_refusals();

    virtual void on_record(const core::Record& record) = 0;  // it is in the round
    virtual void on_commit() = 0;                            // the round is on disk
    virtual void on_take_back() = 0;                         // the round never was

    core::Site site_;
    core::Ledger ledger_;
    Texts texts_;
    State state_;
    Reserve reserve_;
    Refusals refusals_;
    Server* server_ = nullptr;
    bool state_is_behind_ = false;
    bool wrote_ = false;  // whoever is being served

private:
    struct Pending {
        CallerId caller;
        Body body;
        std::vector<core::Fd> descriptors;
        bool wrote;
    };
    void take_back(const core::Error& why);

    std::vector<Pending> pending_;
    bool in_batch_ = false, batch_is_vital_ = false;
};

}  // namespace jobs
