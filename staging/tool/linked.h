#pragma once
#include <filesystem>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/mpi/comm.h"
#include "staging/tool/risk_table.h"

namespace staging {

// What an attacker may hold beside a table or a version.
struct Others {
    std::vector<std::filesystem::path> files;  // tables, or folders of versions
    std::vector<std::filesystem::path> rules;  // of the tables: none, one for all, or one for each
    std::filesystem::path keys;                // of versions: a folder with NAME@VERSION.key of all of them
    bool none() const noexcept { return files.empty(); }
};

struct TableWithRules {
    const TableRules* rules;
    JudgedTable* table;  // its patients are taken out of it
};

// `linked` of a risk record: what each of them tells, what all of them tell together (risk/link.h), and whether that holds
// what [linked] of the first one's rules asks for, or else its [risk]. With ranks all call them and get the same. Throw
// Error(usage) if nobody could be found again: a table that does not say whose its rows are, versions with pseudonyms under other
// keys, a table with a version; if by columns, and they have no sensitive column in common. Error(refused) if a key is missing.
nlohmann::ordered_json link_tables(const TableWithRules& first, const std::filesystem::path& rules,
                                   const Others& others, const Readers& readers, const Parts& parts,
                                   const core::Comm* comm);
// Of what lies in the shards: each rank reads the columns of all shards and keeps its patients, 36 bytes a sample.
nlohmann::ordered_json link_versions(const std::filesystem::path& first, const std::filesystem::path& rules,
                                     const Others& others, const Parts& parts, const core::Comm* comm);

}  // namespace staging
