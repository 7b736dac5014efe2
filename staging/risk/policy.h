#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "staging/risk/measures.h"

namespace staging {

// How the values of one quasi-identifier are made coarser, step by step; the last step is always "*", which tells
// nothing. One of the members is set, or none: then "*" is the only step.
struct HierarchyRule {
    std::vector<std::int64_t> widths{};  // whole numbers and ages to bands, each a multiple of the one before
    std::vector<std::string> dates{};    // "month", "quarter", "year"
    std::vector<std::int64_t> prefixes{};  // the first so many signs of a code, fewer each time
    std::map<std::string, std::string>
        parents{};  // a tree: what a value is a part of; what has no parent stays

    int kinds() const noexcept;  // how many of them are set
    // Makes of both one rule. False if they contradict each other.
    bool join(const HierarchyRule& other);
};

// [risk] of a profile, and of a file of rules for a table: what the patients of a dataset must hold.
struct RiskPolicy : Criteria {
    std::vector<std::string> quasi_identifiers;  // names of columns
    std::string sensitive;  // a column of categories that must not be learned from the others; empty: none
    bool suppress = false;  // leave out who is in a group that breaks a criterion
    // By quasi-identifier; what is not named stays as it is. None: nothing is generalised.
    std::map<std::string, HierarchyRule> hierarchies;
    double most_suppressed = 0;      // with hierarchies: of all patients, the part that may be left out
    std::int64_t most_steps = 4096;  // and how many generalisations are tried at most
    bool generalises() const noexcept { return !hierarchies.empty(); }
};

// How somebody who holds several releases tells which records are one person's.
enum class LinkedBy { identifiers, columns };

// [linked] of a file of rules: what patients must hold in the eyes of somebody who holds several releases.
struct LinkPolicy {
    LinkedBy by = LinkedBy::identifiers;
    std::int64_t k = 1, l = 0;  // as in Criteria: patients, and different values of the sensitive column
    double most_below = 0;      // of all patients, the part that may break them
};

// Both throw Error(usage) that names the key. What [linked] does not say of k and l is `alone`'s.
RiskPolicy read_risk(const core::Config& risk);
LinkPolicy read_linked(const core::Config& linked, const LinkPolicy& alone);

}  // namespace staging
