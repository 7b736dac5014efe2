// A ledger that lacks records which somebody saw: aloftd does not start from it, unless the admin decides that they are lost
// for good. That is on record, and nothing that could have ended in what is lost goes on.
#include <algorithm>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/message.h"
#include "core/ledger/loss.h"
#include "core/policy/list.h"
#include "jobs/service/service.h"
#include "jobs/state/mark.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::uint64_t kPerCommit = 1000;
constexpr std::uint64_t kSkipped = 10'000;       // numbers, where nothing says how many were given
constexpr std::uint64_t kFillMost = 10'000'000;  // each is a record

// What was published last is signed by the other key, and says the same.
std::optional<core::SignedList> published_list(const core::Site& site) {
    try {
        return core::parse_list(core::read_text(site.published / "list.json"), core::publishing_keys(site));
    } catch (const Error&) {
        return std::nullopt;
    }
}

core::Witness published_witness(const core::Site& site) {
    return core::Witness::parse(core::read_text(site.published / "witness.json", 4096));
}

// Whether what this site published last was published from this ledger as it ends.
bool is_vouched_for(const core::Site& site, const core::Head& head,
                    const std::vector<core::VerifyKey>& keys) {
    try {
        const core::Witness witness = published_witness(site);
        return witness.head == head && std::any_of(keys.begin(), keys.end(), [&](const core::VerifyKey& key) {
                   return witness.is_signed_by(key);
               });
    } catch (const Error&) {
        return false;
    }
}

}  // namespace

bool Service::is_given_up(std::uint64_t seq) {
    return !state_.rows("SELECT 1 FROM losses WHERE first <= ? AND last >= ? LIMIT 1", {seq, seq}).empty();
}

std::vector<core::VerifyKey> Service::ledger_keys() {
    auto keys = core::load_verify_keys(site_.config / "keys", "ledger");
    keys.push_back(ledger_.key());
    return keys;
}

// Before a single record is added. Throws Error(data) if records are missing that somebody saw and that were not given up, or
// may be missing; with a reason, these are given up. Nothing that was found out of this ledger is signed meanwhile.
void Service::check_witnesses(const LossDecision& decision) {
    const auto ledger = site_.state / "ledger.jsonl";
    const bool goes_on = !state_.rows("SELECT 1 FROM losses WHERE done = 0 LIMIT 1").empty();
    finish_losses();  // a decision that was made; asked for again, it is the same one
    const std::uint64_t head = ledger_.head().seq;
    std::string problem;
    std::uint64_t first = head + 1, last = 0;
    const auto lacks = [&](std::uint64_t seq, const std::string& what) {
        if (is_given_up(seq)) return;
        first = std::min(first, seq), last = std::max(last, seq);
        if (problem.empty()) problem = what;
    };
    const auto keys = ledger_keys();
    for (const core::Witness& witness : core::witnesses_at_hand(site_)) try {
            core::check_witness(ledger, ledger_.head(), witness, keys);
        } catch (const Error& e) {
            if (e.fault() == Fault::refused)  // anybody may have laid it there
                core::Event("warning", "witness_not_ours").with("seq", witness.head.seq);
            else if (e.fault() == Fault::data)
                lacks(witness.head.seq, e.what());
            else
                throw;
        }
    if (const auto list = published_list(site_);
        list && list->seq > 0 && core::digest_of(ledger, list->seq) != list->sha256)
        lacks(list->seq, ledger.string() + ": the list that was published knows another record " +
                             std::to_string(list->seq) + ", which was seen");
    const auto mark = read_mark(site_.state);
    // Decided on already, and then cut off: the record of it is newer than the mark.
    const bool is_decided =
        mark &&
        !state_
             .rows("SELECT 1 FROM losses WHERE first <= ? AND last > ? LIMIT 1", {mark->head + 1, mark->head})
             .empty() &&
        (!mark->seen || is_given_up(*mark->seen));
    if (mark && !is_decided && mark->seen)
        lacks(*mark->seen, "a node brought a witness of record " + std::to_string(*mark->seen) +
                               ", which this ledger does not hold as it was seen");
    if (mark && !is_decided && !mark->seen && last == 0 && !is_vouched_for(site_, ledger_.head(), keys)) {
        problem =
            "this ledger was put back from a backup, and nothing that was published vouches for its last "
            "record, " +
            std::to_string(head) +
            ": newer ones may be lost. Restore with the newest copy of the ledger (--ledger), or read "
            "jobs/OPERATIONS.md, \"Records that are lost\"";
        last = head + kSkipped;
    }
    if (!problem.empty() && decision.reason.empty()) {
        std::error_code ignored;  // aloft-sign signs no more what this ledger said before
        std::filesystem::remove(site_.state / "facts.json", ignored);
        throw Error(Fault::data, problem);
    }
    if (!problem.empty()) {
        if (decision.up_to > 0) {
            const std::uint64_t least = last == head + kSkipped ? head : last;
            if (decision.up_to < least || decision.up_to > head + kFillMost)
                throw failure(Fault::usage, "--up-to: record {} is known, and at most {} are filled", least,
                              kFillMost);
            last = std::max(decision.up_to, head + 1);
        }
        core::Event("warning", "ledger_loss_accepted").with("first", first).with("last", last);
        record("aloftd", "ledger.loss-accepted", "ledger",
               {{"first", first}, {"last", last}, {"reason", decision.reason}});
        commit();
        finish_losses();
    } else if (!decision.reason.empty() && !goes_on) {
        throw failure(Fault::usage,
                      "nothing says that this ledger lacks a record: there is nothing to accept");
    }
    remove_mark(site_.state);
}

void Service::check_brought(const json& said) {
    core::Witness witness;
    try {
        witness = core::Witness::parse(said.dump());
    } catch (const Error&) {  // none of ours
        return;
    }
    if (witness.head == brought_ || is_given_up(witness.head.seq)) return;
    try {
        core::check_witness(site_.state / "ledger.jsonl", ledger_.committed(), witness, ledger_keys());
        brought_ = witness.head;
    } catch (const Error& e) {
        if (e.fault() == Fault::refused)
            core::Event("warning", "witness_not_ours").with("seq", witness.head.seq);
        if (e.fault() != Fault::data) return;
        core::Event("error", "ledger_contradicted").with("seq", witness.head.seq);
        write_mark(site_.state, {"contradicted", ledger_.committed().seq, witness.head.seq});
        std::error_code ignored;  // aloft-sign signs no more
        std::filesystem::remove(site_.state / "facts.json", ignored);
        throw LedgerBroken(e.what());
    }
}

// Numbers are not given twice: those that are lost are filled. What may have ended in them ends now. Goes on where it was cut off.
void Service::finish_losses() {
    const auto open = state_.rows("SELECT max(last) AS last FROM losses WHERE done = 0");
    if (open.at(0).at("last").is_null()) return;
    const auto last = open[0].at("last").get<std::uint64_t>();
    for (std::uint64_t made = 1; ledger_.head().seq < last; ++made) {
        record("aloftd", "ledger.lost", "record:" + std::to_string(ledger_.head().seq + 1), json::object());
        if (made % kPerCommit == 0) commit();
    }
    commit();
    const json why = {{"reason", "the ledger lost records up to " + std::to_string(last) +
                                     ", which may have said that this is over"}};
    // Whether one is over, the clock of a new host does not know.
    for (const json& row : state_.rows("SELECT id FROM grants WHERE revoked IS NULL"))
        record("aloftd", "grant.revoked", row.at("id").get<std::string>(), why);
    for (const json& row : state_.rows("SELECT name, state FROM enclaves WHERE state IN ('open', 'created')"))
        record("aloftd", row.at("state") == "open" ? "enclave.suspended" : "enclave.closed",
               "enclave:" + row.at("name").get<std::string>(), why);
    // One that was granted can be granted again: its grant is revoked, and the admin decides.
    for (const json& row :
         state_.rows("SELECT id FROM applications WHERE state IN ('in-review', 'approved')"))
        record("aloftd", "application.withdrawn", row.at("id").get<std::string>(), json::object());
    for (const json& row : state_.rows("SELECT enclave, dataset FROM sealed_keys"))
        record("aloftd", "key.withdrawn", row.at("dataset").get<std::string>(),
               {{"enclave", row.at("enclave")}});
    for (const json& row :
         state_.rows("SELECT id, state FROM releases WHERE state IN ('in-review', 'half-approved', "
                     "'approved', 'exporting')")) {
        const auto id = row.at("id").get<std::string>();
        if (row.at("state") == "exporting")
            record("aloftd", "release.export-failed", id, {{"why", "records were lost"}});
        record("aloftd", "release.withdrawn", id, json::object());
    }
    record("aloftd", "ledger.loss-handled", "ledger", {{"last", last}});
    commit();
}

}  // namespace jobs
