#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/metrics.h"
#include "core/base/site.h"
#include "core/keys/keys.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "core/policy/list.h"

// The process that signs what is published. It takes no requests: it reads what aloftd found out
// (SITE.state/facts.json) and what the admin wrote (SITE.config/enclaves), so nothing that anybody asks of
// aloftd can keep the list from being signed in time.

namespace jobs {

struct Facts {
    std::uint64_t seq = 0;                        // the ledger's record up to which they are known,
    std::string sha256;                           // and of its line
    std::vector<core::Grant> grants;              // current ones, oldest first
    std::map<std::string, std::string> enclaves;  // state by name
    std::vector<std::pair<std::uint64_t, std::uint64_t>> losses;  // records given up, first and last
};
// Throws Error(data) if the text is not what aloftd writes.
Facts parse_facts(std::string_view json);

// SITE.state/budgets.json: what is used of the grants that have a budget. Throws Error(data).
core::Budgets parse_budget_facts(std::string_view json);

class Signer {
public:
    // Throws Error if SITE.state/keys/grant.key cannot be read.
    explicit Signer(const core::Site& site);

    // Publishes what changed, and the list if it is due: at once when anything changed, else four times as
    // often as it becomes stale. What cannot be published now is told once and tried again. Throws
    // Error(refused) if the ledger lacks the record up to which was published already: an old one was put
    // back, and nothing may be signed from it, unless that record was given up, on record.
    // What is wrong with budgets is told once and throws nothing.
    void make_round(std::int64_t now);

    // aloft-sign.prom: `is_signing`: the last round threw nothing.
    core::Metrics metrics(bool is_signing) const;

private:
    void sign_list(std::int64_t now);
    void check_ledger(const Facts& facts) const;
    core::SignedList wanted_list(const Facts& facts);
    void publish_grants(const Facts& facts);
    void publish_budgets(std::int64_t now);
    void ask_for_numbers(const std::vector<std::string>& accounts, std::int64_t now);
    std::map<std::string, std::uint32_t> uids_of(const core::Enclave& enclave) const;
    using Policies = std::map<std::string, core::Enclave>;
    core::Enclave in_force(const std::string& name, const core::SignedList::Policy& policy) const;
    std::optional<std::pair<std::string, core::Error>> first_not_apart(const Policies& wanted,
                                                                       const Policies& kept) const;
    void publish_policies(const Facts& facts, core::SignedList& list, std::int64_t now);
    void remove_others(const std::string& folder, const std::set<std::string>& names);

    core::Site site_;
    core::SigningKey key_;
    core::SignedList published_;  // the last one; empty before the first round
    bool is_first_ = true;
    std::string facts_;           // as they were when everything was last looked at,
    std::int64_t looked_at_ = 0;  // and when
    std::string budgets_, budgets_trouble_;
    std::map<std::string, std::uint32_t> numbers_;  // of accounts, as the name service last said,
    std::string no_answer_;                         // why it does not now,
    std::int64_t asked_ = 0;                        // and when it was asked
    std::map<std::string, std::string> told_;       // what is wrong with a policy, by enclave
};

}  // namespace jobs
