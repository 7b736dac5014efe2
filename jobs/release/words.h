#pragma once
#include <cstddef>
#include <string_view>

namespace jobs {

// The gate's own words, in lower case. To let one more word leave everywhere, add it to a list in words.cpp; to
// let one leave at one site or enclave, release.toml's [words].
bool is_term(std::string_view word);        // of statistics, training and reports
bool is_index_term(std::string_view word);  // a term behind which a number may stand: "fold_3", "top_5"
std::size_t term_count();

bool counts_people(std::string_view term);     // "patients", "n", "support"
bool counts_everybody(std::string_view term);  // of those, the whole of a group: "n", "patients"
bool is_total(std::string_view term);          // "total", "overall", "all"
bool is_rate(std::string_view term);           // between 0 and 1: "accuracy", "prevalence"
bool counts_nobody(std::string_view term);     // "epoch", "seed": a small whole number is no small count
bool names_a_class(std::string_view term);     // "label", "classes": a number there may be a name

}  // namespace jobs
