#pragma once
#include <vector>

#include "staging/deid/identity.h"
#include "staging/deid/risk.h"
#include "staging/read/record.h"
#include "staging/work/spill.h"

namespace staging {

// The frames of a file that wait for their volume; `ref` is the file's, `blank` names it, `header` is what it says of a
// face.
std::vector<SliceRef> slices_of(const Record& record, const SampleRef& ref, const core::Id16& series,
                                const Rejected& blank, HeaderSays header, const Pseudonyms& pseudonyms);

}  // namespace staging
