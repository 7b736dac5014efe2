#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/release/confusions.h"
#include "jobs/release/document.h"

namespace jobs {

struct Table;

// A rate and the counts that stand with it.
struct Rate {
    Number* number = nullptr;  // may be rounded; nullptr: it left before
    double known = 0;          // its value() then
    double half = 0;           // what was not known of it then
    double digits = 0;         // half a unit of its last digit
    std::string kind, where;
    std::map<std::string, std::int64_t> counts;  // by key

    double value() const;  // the middle of what it may be
    double doubt() const;  // what is not known of it: as good as nothing, but for what was rounded here
};

// Rates of one kind in a list, an object or a column: of parts of one whole, perhaps (classes, strata, folds).
struct RateGroup {
    std::string kind;
    std::vector<Rate> parts;
    std::vector<std::map<std::string, std::int64_t>> empty;  // counts of the parts whose rate is empty
};

struct Rates {
    std::vector<RateGroup> groups;
    std::vector<Rate> wholes;      // that may be means of a group: of another object, or said to be one
    std::vector<Rate> of_classes;  // all that may be divided by a line of a confusion
};

// Those of a file. Points into it.
Rates rates_of(Value& document, const ReleaseRules& rules);
Rates rates_of(Table& table, const ReleaseRules& rules);

// The same as values, to be kept when the file is gone.
Rates kept(Rates rates);

// Refuses nothing but what is too much to work out. Where a whole less all parts but one (a mean over classes, or one that is
// weighted by the counts beside) tells a small count of that one, which is absent, empty or rounded, a part (of weighted ones the
// largest) or the mean is rounded until it does not. `earlier`: of files beside this one and of earlier releases.
void check_means(Rates& now, const std::vector<const Rates*>& earlier, const Lines& lines,
                 const ReleaseRules& rules, Findings& findings);

// Lets the cells of confusions leave empty whose lines `earlier` rates were divided by, where these tell a small count of them.
void suppress_told(Value& document, const std::vector<const Rates*>& earlier, const ReleaseRules& rules,
                   Findings& findings);

}  // namespace jobs
