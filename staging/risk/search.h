#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "staging/risk/table.h"

namespace staging {

// A generalisation of the whole table, and what it costs.
struct Generalisation {
    Levels levels;
    std::int64_t suppressed = 0;  // patients in groups that break a criterion even so
    // The mean over all patients and quasi-identifiers: 0, nothing is lost; 1, all is. Of a patient with several cells
    // the worst of them counts; of one who is left out, 1.
    double loss = 0;
    bool is_least = false;   // no other generalisation loses less; else most_steps were tried
    std::int64_t steps = 0;  // generalisations that were tried
};

struct LeastLoss {
    std::optional<Generalisation> found;
    bool are_all_tried = true;  // false: most_steps ran out, and there may be one, or a better one
};

// How many of `patients` are at most `part` of them.
std::int64_t part_of(double part, std::int64_t patients);

// Patients by category, of all parts.
std::vector<std::int64_t> count_categories(const PatientTable& table, std::size_t categories,
                                           const Parts& parts);

// The generalisation of the least loss in which all groups hold but for policy.most_suppressed of the patients; nothing
// if there is none, or if none was found in policy.most_steps. All parts call it and get the same.
//
// Generalisations are looked at by what they lose before anybody is left out, the least first: once that is as much as
// the best one costs, the best is found. What breaks k or distinct l breaks it in every finer generalisation too
// (bottom-up with tagging: El Emam et al., JAMIA 2009), and a path up from it, halved, tells how far that reaches (Kohlmayer et
// al., Flash, 2012). Groups are made from those of a finer generalisation. Memory: a share for each local group, about
// three times; a word for each generalisation seen.
LeastLoss least_loss(const PatientTable& table, const Quasi& quasi, const RiskPolicy& policy,
                     const Closeness& all, const Parts& parts);

// The shares of all local patients at some levels.
Shares shares_at(const PatientTable& table, const Quasi& quasi, const Levels& levels);

}  // namespace staging
