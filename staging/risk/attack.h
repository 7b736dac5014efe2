#pragma once
#include <cstdint>
#include <vector>

#include "staging/risk/search.h"

namespace staging {

// People beside the dataset, by cell: all whom an attacker may take a patient for, or a public register.
struct People {
    std::vector<PackedCell> cells;
    std::vector<std::int64_t> counts;
};

// The chances that somebody who knows the quasi-identifiers of people tells whose record is whose (El Emam and Dankar,
// JAMIA 2008; Dankar and El Emam, PAIS 2010). f: patients of a group; F: people of the population that fit it. Without a
// population, and for groups that it has fewer of than the dataset, F is f: nothing is worse.
struct Attack {
    std::int64_t patients = 0;
    double prosecutor_max = 0;   // of one who is known to be in the dataset: 1/f
    double prosecutor_mean = 0;  // over all patients
    double journalist_max = 0;   // of one of the population: 1/F
    double marketer = 0;         // the part of all patients that is told rightly: sum of f/F, of all f
    std::int64_t not_in_population = 0;  // patients of groups that the population has too few of
    // delta-presence (Nergiz, Atzori and Clifton, SIGMOD 2007): how sure one is of somebody in the register that they are in
    // the dataset, f/F at least and at most. A patient of several cells counts in each of them, left out or not.
    double presence_min = 0, presence_max = 0;
};

struct Findings {
    GroupTotals all, kept;  // of all groups; of those that hold
    Attack on_all, on_kept;
};

// Measures a table at some levels; `population` and `people_of_register` are this part's, or null on all parts. All parts
// call it and get the same.
Findings judge(const PatientTable& table, const Quasi& quasi, const Levels& levels, const Criteria& criteria,
               const Closeness& all, const People* population, const People* people_of_register,
               const Parts& parts);

}  // namespace staging
