#pragma once
#include <cstdint>
#include <span>

#include "staging/deid/definition.h"
#include "staging/deid/identity.h"

namespace staging {

// The class of patients that look alike: equal values of every quasi-identifier. Those that a table of labels brings
// are passed over, until with_labels() adds them. Where the profile generalises, the values themselves
// (deid/quasi.h), which wait sealed; else a keyed digest of them.
core::Id16 quasi_of(std::span<const core::Cell> columns, const Definition& definition,
                    const Pseudonyms& pseudonyms);

// Of what must not be learned from the other columns: the number of its category from 1; 0 is missing, or not there yet.
std::uint32_t sensitive_of(std::span<const core::Cell> columns, const Definition& definition);

// What a row of labels adds to what stage 1 knew of its image.
struct RiskOf {
    core::Id16 quasi{};
    std::uint32_t sensitive = 0;
};
RiskOf with_labels(const RiskOf& image, std::span<const core::Cell> labels, const Definition& definition,
                   const Pseudonyms& pseudonyms);

}  // namespace staging
