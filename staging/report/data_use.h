#pragma once
#include <span>
#include <string_view>

namespace staging {

// A term of the Data Use Ontology (Lawson et al. 2021; release of 2021-02-23).
struct DataUseTerm {
    std::string_view code;   // "DUO:0000042"
    std::string_view brief;  // "GRU"
    std::string_view label;
    bool needs_details;  // says nothing without words of its own: which disease, which country, until when
    bool is_permission =
        false;  // a data use permission (DUO:0000001), of which a dataset has one; else a modifier
};

// All that may be said of a dataset, in the order of their codes.
std::span<const DataUseTerm> data_use_terms() noexcept;
// Null: no such term.
const DataUseTerm* find_data_use(std::string_view code) noexcept;

}  // namespace staging
