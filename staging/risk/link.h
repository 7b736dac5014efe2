#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "staging/risk/policy.h"
#include "staging/risk/table.h"

namespace staging {

// One release of data about patients, as this part has it: another version of a dataset, or another dataset.
struct Release {
    using Identity = std::array<std::uint8_t, 16>;
    PatientTable patients;
    std::vector<Identity>
        whose;  // by patient, rising, each once; in every release a person lies in the same part
    // By category of `patients`: the value's number, the same in all releases. Numbers of different columns differ.
    // kMissing: the category is no value.
    std::vector<std::uint32_t> values;
    bool has_values = true;  // false: there is no sensitive column, and l is not asked of it
};

// What is found out with one release, or with all.
struct LinkFigures {
    std::int64_t patients = 0;
    std::int64_t smallest_group = 0;  // of the groups, or sets of candidates, that there are
    std::int64_t alone = 0;           // patients who are the only one
    std::int64_t below = 0;           // patients who break k or l
    std::int64_t sure = 0;            // patients whose group has one value of the sensitive column
    double prosecutor_mean = 0;       // the mean of 1 / group; at worst it is 1 / smallest_group
};

struct Linked {
    std::vector<LinkFigures> each;  // release by itself
    LinkFigures together;
    std::int64_t in_all = 0;  // patients of every release
    // Who breaks k or l with all releases and with none alone; of these, who is not in all releases.
    std::int64_t newly_below = 0, newly_below_not_in_all = 0;
    // Of whom a value is sure with all releases that no release alone makes sure.
    std::int64_t newly_sure = 0;
    bool holds(const LinkPolicy& policy) const;
};

// What all releases tell together, beside what each tells. The attacker knows of a person the quasi-identifiers of each release, as
// it has them, and in which releases the person is. README.md, "Releases together", says by which source.
//
// LinkedBy::identifiers: a person's records are found by their identifiers. A group is who is alike in every release, also in
// not being there.
// LinkedBy::columns: they are not. What is left is whose value can be the person's in all of the person's releases: those
// values, and the patients of the smallest group, of one release, who have one of them, or none known. A person whose values
// differ is not looked for in this way: then the releases tell what they tell alone.
//
// All parts call it and get the same. Memory, of this part: 20 bytes a patient and release, 17 a person; some 60 for each group of a
// release that it has patients of, and 16 for each of the group's values; while they are counted, some 64 a group and value
// in three tables. Time: as many steps as there are patients; by columns, times the values of a group.
Linked link(const std::vector<Release>& releases, const LinkPolicy& policy, const Parts& parts);

}  // namespace staging
