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

// Refuses lists that are too long, or as long as a group of patients. False if more texts stand beside and above one number (100) than
// what it counts is looked for in: then nothing else should be asked of the document.
bool check_lists(const Value& document, const Context& context, Findings& findings);

// Empties the sizes of strata from which, with the sizes of others and the whole, a small one would follow.
// For what aloft-train writes: trainer/eval/METRICS.md.
void suppress_strata(Value& document, const ReleaseRules& rules, Findings& findings);

}  // namespace jobs
