#pragma once
#include <span>
#include <vector>

#include "core/shard/schema.h"
#include "staging/risk/hierarchy.h"

namespace staging {

struct Definition;

// The quasi-identifiers of a definition whose profile generalises ([risk.hierarchies]): where they stand in its schema,
// what they can be, and what is made of them.
struct QuasiColumns {
    Quasi quasi;
    struct Place {
        std::size_t column = 0;  // of the schema
        bool is_integer = false;
        std::int64_t min = 0;  // the value of code 0
    };
    std::vector<Place> places;
    Levels levels;  // as stage 2 has chosen; all 0 before
};

// Throws Error(usage) for a quasi-identifier that has no list of values: it must be of categories, or of whole numbers
// within bounds. A date moves by its patient's offset, and is none.
QuasiColumns quasi_columns(const Definition& definition);

// The cell of columns [first, first + cells.size()) of the schema; quasi-identifiers elsewhere are zero: what is joined
// from two ranges by "or" is the whole cell.
PackedCell packed_cell(const QuasiColumns& quasi, std::span<const core::Cell> cells, std::size_t first,
                       const core::Schema& schema);

// What a sample is packed as: a category becomes that of its level, a whole number the least of its band, at "*" missing.
void generalise(std::vector<core::Cell>& columns, const QuasiColumns& quasi);
// The categories that are then left, in the schema.
void generalise(core::Schema& schema, const QuasiColumns& quasi);

}  // namespace staging
