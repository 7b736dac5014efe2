#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "jobs/release/confusions.h"
#include "jobs/release/findings.h"
#include "jobs/release/number.h"
#include "jobs/release/rules.h"

namespace jobs {

// A number where it stands in a file: under which key, and below which other keys or beside which labels.
struct Item {
    Number* number;                  // in the document; may be rounded
    std::string key;                 // nearest, as the vocabulary writes it
    std::vector<std::string> above;  // keys further up, labels of the row
    std::string where;               // position, for findings
    std::size_t own_labels = 0;      // so many of `above`, the last, stand in its own object or are its key
};

// The numbers that are read together: the members of an object, the cells of a row. Those of an outer scope are
// read with it.
struct Scope {
    int outer = -1;  // index, -1: none
    std::vector<Item> items;
    std::vector<std::string> empty = {};  // keys of what is absent here
};

// Whether a whole number under this key, below these, counts people or samples. Any does unless its key is
// declared not to: by the gate (words.cpp) or the rules; never below or beside one that says what is counted.
bool is_count(const std::string& key, const std::vector<std::string>& above, const ReleaseRules& rules);

// The row "accuracy" of scikit-learn's report as a table: that one figure in all columns, "support" too.
bool repeats_accuracy(const Scope& scope);

// Refuses small counts, and what tells one within a scope: the rest of a whole. Rounds rates from which one
// could be worked out, until at least three numbers would fit, and flags that. `lines`: of the confusions of this file and of
// those beside it.
void check_counts(std::vector<Scope>& scopes, const Lines& lines, const ReleaseRules& rules,
                  Findings& findings);

// Whether a list as long as this holds a number for each patient or sample of a group of one of these sizes.
bool is_one_for_each(std::size_t length, const std::vector<std::int64_t>& sizes);

}  // namespace jobs
