#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "staging/read/worker.h"
#include "staging/risk/attack.h"

namespace staging {

// A file of rules: what a table's columns are ([table]), and what its patients must hold ([risk], as in a profile).
struct TableRules {
    RiskPolicy risk;
    std::string patient;  // the column that tells whose row it is; empty: every row is somebody else's
    std::string count;    // of population and register: how many people a row stands for; empty: one
    TableForm form;
    // Throws Error(usage) that names the file and the key; unknown keys are refused.
    static TableRules load(const std::filesystem::path& path);
};

// A table as its patients' records. Read by a sandboxed reader; no value of it is ever told.
struct JudgedTable {
    PatientTable patients;  // this part's
    Quasi quasi;            // of all values, also those of population and register: the same for every part
    std::optional<People> population, people_of_register;  // this part's
    std::uint32_t categories = 1;       // of the sensitive column: 0 is missing, the last is "several"
    std::int64_t rows = 0;              // of the whole table
    std::int64_t in_several_cells = 0;  // this part's patients
};

struct TableFiles {
    std::filesystem::path table, population, people_of_register;  // the latter may be empty
};

// Reads all of the tables and keeps those patients whose part of `parts` it is. Memory: 4 bytes for each value of a
// quasi-identifier while it is read, then 28 a patient; a text for each different value. Throws Error(usage) for what the
// rules cannot make of a column, Error(data) naming the row for a table that is not whole: it would be judged as less
// than it is.
JudgedTable read_judged(const Readers& readers, const TableFiles& files, const TableRules& rules, int part,
                        int parts);

}  // namespace staging
