#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "staging/deid/clean.h"

namespace staging {

// Somebody of whom nothing may be taken.
struct LeftOutPerson {
    core::Id16 id{};         // keyed digest of one of their identifiers, as in Alias
    bool opted_out = false;  // they said no; else nobody has asked them, or they have not answered
    auto operator<=>(const LeftOutPerson&) const = default;
};

// A hospital's list of those people (configs/deliveries/left-out.toml), by identifiers as its files have them: tables
// [[opted_out]] and [[not_consented]] of a kind that the profile's [[patient]] names, perhaps an issuer as files say it,
// and identifiers. Sorted. Throws Error(usage) that names the file and the key, never an identifier: for a kind that the
// profile does not have, or something that is no identifier of it.
std::vector<LeftOutPerson> load_left_out(const std::filesystem::path& path, const std::string& site,
                                         const Definition& definition, const Pseudonyms& pseudonyms);

}  // namespace staging
