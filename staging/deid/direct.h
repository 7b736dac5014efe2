#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "staging/deid/profile.h"

namespace staging {

struct Definition;  // definition.h

// Options of PS3.15 annex E beside the Basic Profile, declared by a profile of DICOM files: [confidentiality] options.
enum class Option {
    modified_dates,   // 113107
    characteristics,  // 113108
    device,           // 113109
    institution,      // 113112
    descriptors,      // 113105, of coded entries only
    safe_private,     // 113111
};
struct OptionName {
    Option option;
    std::string_view name, code, meaning;  // in profiles; of PS3.16 CID 7050
};
std::span<const OptionName> option_names() noexcept;
const OptionName& name_of(Option option);

// Why `rule` of a profile of DICOM files may not do what it does with the attribute `path`, under whatever option; empty if it may.
// Every step of the path is looked up in PS3.15 table E.1-1 (ps315.csv): what the Basic Profile removes, empties or replaces comes
// through as a pseudonym, or in the form that an option allows. What is not in the table is only as harmless as the profile's author says.
std::string refusal(const ColumnRule& rule, const std::string& path);

// The options that such a rule makes use of, and so the profile must declare, each with the attribute because of which; "" for
// what is no attribute's (which delivery it was).
std::map<Option, std::string> used_options(const ColumnRule& rule);

// A code of PS3.16 CID 7050. `columns`: of an option, those that make use of it; it was applied to a sample that has a
// value in one of them, and to no other.
struct Method {
    std::string code, meaning;
    std::vector<std::string> columns;
};

// (0012,0064), from what the rules of this definition do: nothing is claimed that is not done.
std::vector<Method> methods_of(const Definition& definition);

}  // namespace staging
