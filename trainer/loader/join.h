#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/shard/manifest.h"

namespace trainer {

// Codes of a dataset's category as codes of all datasets' names; empty: as they are.
using CodeMap = std::vector<std::int32_t>;

// The column of a schema of several datasets that says of which a sample is: a category of their names, "digits@1". Not
// where they have a column of that name.
inline constexpr std::string_view kDatasetColumn = "dataset";

// A column of the schema of all, in one of the datasets.
struct ColumnOf {
    std::size_t own;
    CodeMap codes;
};

// Several datasets as one: fields are the first one's; categories are one by their names, those of the first dataset, then
// what each further one has besides. A patient of two of them is one by the pseudonym, if both were
// built under one project's key; splits are each dataset's own.
struct Joined {
    core::Schema schema;                         // of several with kDatasetColumn, the last
    std::vector<std::vector<ColumnOf>> columns;  // of each dataset, but for that one
};

// They have the same fields, in type, shape and unit, and the same columns. Throws Error(usage) if they differ, with
// what; if two are versions of one. One is as it is.
Joined join(const std::vector<const core::Manifest*>& datasets);

}  // namespace trainer
