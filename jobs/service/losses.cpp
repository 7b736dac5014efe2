// A ledger that lacks records which somebody saw: aloftd does not start from it, unless the admin decides that they are lost
// for good. That is on record, and nothing that could have ended in what is lost goes on.
#include <algorithm>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/ledger/loss.h"
#include "core/policy/list.h"
#include "jobs/service/service.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::uint64_t kPerCommit = 1000;

// What was published last is signed by the other key, and says the same.
std::optional<core::SignedList> published_list(const core::Site& site) {
    try {
        return core::parse_list(core::read_text(site.published / "list.json"), core::publishing_keys(site));
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

// Before a single record is added. Throws Error(data) if records are missing that somebody saw and that were not given up;
// with a `reason`, these are given up.
void Service::check_witnesses(const std::string& reason) {
    const auto ledger = site_.state / "ledger.jsonl";
    auto keys = core::load_verify_keys(site_.config / "keys", "ledger");
    keys.push_back(ledger_.key());
    const auto given_up = state_.rows("SELECT first, last FROM losses");
    const auto is_given_up = [&](std::uint64_t seq) {
        return std::any_of(given_up.begin(), given_up.end(), [&](const json& one) {
            return seq >= one.at("first").get<std::uint64_t>() && seq <= one.at("last").get<std::uint64_t>();
        });
    };
    std::uint64_t first = ledger_.head().seq + 1, last = 0;
    for (const core::Witness& witness : core::witnesses_at_hand(site_)) try {
            core::check_witness(ledger, ledger_.head(), witness, keys);
        } catch (const Error& e) {
            const std::uint64_t seq = witness.head.seq;
            if (e.fault() == Fault::refused)  // anybody may have laid it there
                core::Event("warning", "witness_not_ours").with("seq", seq);
            else if (reason.empty() && !is_given_up(seq))
                throw;
            else if (!is_given_up(seq))
                first = std::min(first, seq), last = std::max(last, seq);
        }
    if (!reason.empty()) {
        if (const auto list = published_list(site_); list && list->seq > 0 && !is_given_up(list->seq) &&
                                                     core::digest_of(ledger, list->seq) != list->sha256)
            first = std::min(first, list->seq), last = std::max(last, list->seq);
        if (last == 0)
            throw Error(Fault::usage,
                        "nothing says that this ledger lacks a record: there is nothing to accept");
        core::Event("warning", "ledger_loss_accepted").with("first", first).with("last", last);
        record("aloftd", "ledger.loss-accepted", "ledger",
               {{"first", first}, {"last", last}, {"reason", reason}});
        commit();
    }
    finish_losses();
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
    for (const json& row : state_.rows("SELECT id FROM grants WHERE revoked IS NULL AND not_after > ?",
                                       {core::rfc3339(core::now_seconds())}))
        record("aloftd", "grant.revoked", row.at("id").get<std::string>(), why);
    for (const json& row : state_.rows("SELECT name FROM enclaves WHERE state = 'open'"))
        record("aloftd", "enclave.suspended", "enclave:" + row.at("name").get<std::string>(), why);
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
