#pragma once
#include <vector>

#include "jobs/release/counts.h"
#include "jobs/release/document.h"
#include "jobs/release/gate.h"

namespace jobs {

// The numbers of a document with the keys above them, object by object. Points into `document`.
std::vector<Scope> scopes_of(Value& document);

// The counts of a document as tables: what `check_differencing` takes.
std::vector<CountCell> counts_of(const Value& document, const ReleaseRules& rules);

// Refuses lists that are too long, or as long as a group of patients.
void check_lists(const Value& document, const Context& context, Findings& findings);

// True for the key of a matrix of true against predicted classes. Its cells are how often a model errs, so
// small ones are left empty (suppress_cells) and not refused.
bool is_confusion(const std::string& key);

// Empties small cells of confusion matrices, and as many others as hide them in rows, columns and the whole.
void suppress_cells(Value& document, const ReleaseRules& rules, Findings& findings);

// Empties the sizes of strata from which, with the sizes of others and the whole, a small one would follow.
// For what aloft-train writes: trainer/eval/METRICS.md.
void suppress_strata(Value& document, const ReleaseRules& rules, Findings& findings);

}  // namespace jobs
