#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/release/confusions.h"
#include "jobs/release/finding.h"
#include "jobs/release/rates.h"

namespace jobs {

// One whole number that counts people or samples, or the place of one that was left empty.
struct CountCell {
    std::string family;               // where it stands, without labels: the same for the cells of one table
    std::vector<std::string> labels;  // which of the family: values of the label columns, keys
    std::optional<std::int64_t> value;  // nothing: hidden
};

// The counts and rates of one file of one release.
struct EarlierTable {
    std::string release;
    std::vector<CountCell> cells;
    Lines lines;  // of its confusions
    Rates rates;
};

// Whether `now`, alone or with what left before, tells a number of people or samples from 1 to smallest - 1:
// the same cell in two releases; a total less its parts; rows and columns with their totals, as a system of
// linear equations that is solved exactly. differencing.cpp says what is not covered.
std::vector<Finding> check_differencing(const std::vector<CountCell>& now,
                                        const std::vector<EarlierTable>& earlier,
                                        std::int64_t smallest_count);

}  // namespace jobs
