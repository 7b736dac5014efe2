#pragma once
#include <variant>
#include <vector>

#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/read/record.h"

namespace staging {

// The fields of a sample, as Definition::schema: decoded pixels, or the numbers of a table's row.
std::variant<std::vector<core::Array>, Rejection> fields_of(const Record& record,
                                                            const Definition& definition);

// Keyed digest of what a sample shows: equal for the same pixels delivered twice, and for rows of which all
// that is kept is equal.
core::Id16 content_of(const Record& record, const core::Sample& sample, const Pseudonyms& pseudonyms);

}  // namespace staging
