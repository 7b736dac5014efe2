#pragma once
#include <string>
#include <vector>

#include "jobs/release/counts.h"

// What figures and cells of a confusion of two classes are called.

namespace jobs {

using Terms = std::vector<std::string>;  // of a key: terms_of

bool has_term(const Terms& terms, const char* term);

// "tp", "true_positives", "true_positive_rate": "tp"; so for "fn", "fp", "tn"; else "".
std::string cell_of(const Terms& terms);

// What a key has beside a kind or what is counted: figures and counts of one split have the same ("test ").
std::string rest_of(const Terms& terms);

// As is_figure knows it (two_classes.h); "" for intervals, deviations and means that it does not.
std::string figure_kind(const Item& item);

}  // namespace jobs
