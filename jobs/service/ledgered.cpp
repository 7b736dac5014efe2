#include "jobs/service/ledgered.h"

#include "core/base/event.h"
#include "core/base/time.h"

namespace jobs {

using core::Error;
using core::Event;
using core::Fault;
using nlohmann::json;

Ledgered::Ledgered(const core::Site& site, bool rebuild)
    : site_(site),
      ledger_(site.state / "ledger.jsonl", core::SigningKey::load(site.state / "keys" / "ledger.key"), 1000,
              rebuild ? std::nullopt : State::position_in(site.state / "state.db")),
      texts_(site.state / "texts.db"),
      state_(site.state / "state.db", &texts_),
      reserve_(site.state) {
    if (ledger_.cut_bytes())
        Event("warning", "ledger_torn_line_cut").with("bytes", ledger_.cut_bytes());  // nobody was told of it
    const std::uint64_t folded = state_.catch_up(site.state / "ledger.jsonl", rebuild);
    Event("info", "state_ready").with("records", ledger_.head().seq).with("folded", folded);
}

core::Record Ledgered::record(const std::string& actor, const std::string& kind, const std::string& subject,
                              Body details) {
    if (!reserve_.admits(kind))
        throw Error(Fault::system,
                    "the disk of site.state is full, so nothing was done. Make room and try again");
    try {
        details = texts_.keep(kind, subject, std::move(details));
    } catch (const Error& e) {
        if (!Reserve::is_vital(kind)) throw;
        details.erase("reason");  // the record matters more than why
        Event("error", "text_not_kept").with("kind", kind).with("text", e.what());
    }
    // As it will be read back: what is folded now is what is folded when the state is made again.
    details = json::parse(details.dump(-1, ' ', true, json::error_handler_t::replace));
    core::Record made = ledger_.add(actor, kind, subject, std::move(details));
    try {
        if (!in_batch_) state_.begin();
        in_batch_ = true;
        state_.fold(made);
    } catch (const Error& e) {  // the database fails: ledger and state must not part
        take_back(e);
        throw;
    }
    wrote_ = true;
    batch_is_vital_ = batch_is_vital_ || Reserve::is_vital(kind);
    on_record(made);
    return made;
}

void Ledgered::answer(CallerId caller, Body body, std::vector<core::Fd> descriptors) {
    pending_.push_back({caller, std::move(body), std::move(descriptors), wrote_});
}

// Durable first; whatever the outside sees of a record comes after.
void Ledgered::commit() {
    if (!ledger_.has_batch()) return;
    try {
        try {
            texts_.commit();
        } catch (const Error& e) {
            if (!batch_is_vital_) throw;
            Event("error", "texts_not_kept").with("text", e.what());
        }
        ledger_.commit();
    } catch (const Error& e) {
        if (e.fault() != Fault::system) throw LedgerBroken(e.what());
        take_back(e);
        throw;
    }
    for (Pending& one : pending_) one.wrote = false;
    batch_is_vital_ = false;
    if (in_batch_) {
        in_batch_ = false;
        try {
            state_.commit(ledger_.head(), ledger_.last_line_offset());
        } catch (const Error& e) {  // on a full disk: the ledger has the records, so they count
            state_.abandon();
            state_is_behind_ = true;
            Event("error", "state_not_written").with("text", e.what());
        }
    }
    on_commit();
}

void Ledgered::catch_up() {
    if (!state_is_behind_) return;
    try {
        state_.catch_up(site_.state / "ledger.jsonl", false);
    } catch (const Error&) {  // what the ledger says must be seen, or nothing can be revoked
        reserve_.release();
        state_.catch_up(site_.state / "ledger.jsonl", false);
    }
    state_is_behind_ = false;
}

// The ledger took nothing of the round: nor does the state, and everybody who was waiting for it is told so.
void Ledgered::take_back(const Error& why) {
    ledger_.roll_back();
    texts_.roll_back();
    if (in_batch_) state_.abandon();
    in_batch_ = batch_is_vital_ = false;
    on_take_back();
    Event("error", "ledger_not_written").with("text", why.what());
    for (Pending& one : pending_) {
        if (!one.wrote) continue;
        one.wrote = false;
        one.body = {{"ok", false}, {"fault", static_cast<int>(Fault::system)}, {"error", why.what()}};
        one.descriptors.clear();
    }
}

void Ledgered::end_round() {
    if (pending_.empty() && !ledger_.has_batch()) return;
    try {
        commit();
    } catch (const LedgerBroken&) {
        throw;
    } catch (const Error&) {  // they are told
    }
    for (Pending& one : pending_) server_->answer(one.caller, one.body, std::move(one.descriptors));
    pending_.clear();
}

void Ledgered::record_refusals() {
    if (refusals_.is_empty() || !reserve_.admits("refused")) return;
    for (const auto& [account, counts] : refusals_.take())
        record("aloftd", "refused", account, {{"counts", counts}});
}

}  // namespace jobs
