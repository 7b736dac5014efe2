#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "staging/deid/profile.h"

namespace staging {

struct Definition;  // definition.h

// What PS3.15 table E.1-1 says of an attribute, as far as a rule of ours could get it wrong.
enum class Attested {
    nothing,         // not in our part of the table
    identifier,      // a number or name of a person, an order, a place or a machine: pseudonyms only
    date,            // shifted, or the way to an age
    uid,             // pseudonyms only
    text,            // free text: no way in
    characteristic,  // of the patient: Retain Patient Characteristics Option
    device,          // Retain Device Identity Option
    institution,     // Retain Institution Identity Option
};
Attested attested(std::string_view dicom_path);

// Why `rule` may not do what it does with its source; empty if it may. A table that a person keeps is no
// substitute for thought: what is not in it is only as harmless as the profile's author says.
std::string refusal(const ColumnRule& rule, const Source& source);

// A code of PS3.16 CID 7050.
struct Method {
    std::string code, meaning;
};

// (0012,0064), from what the rules of this definition do: nothing is claimed that is not done.
std::vector<Method> methods_of(const Definition& definition);

}  // namespace staging
