#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "staging/read/worker.h"
#include "staging/risk/attack.h"
#include "staging/risk/link.h"

namespace staging {

// A file of rules: what a table's columns are ([table]), and what its patients must hold ([risk], as in a profile).
struct TableRules {
    RiskPolicy risk;
    std::string patient;  // the column that tells whose row it is; empty: every row is somebody else's
    std::string count;    // of population and register: how many people a row stands for; empty: one
    TableForm form;
    LinkPolicy linked;  // [linked]: what must hold beside other tables; what it does not say is [risk]'s
    // Throws Error(usage) that names the file and the key; unknown keys are refused.
    static TableRules load(const std::filesystem::path& path);
};

// A table as its patients' records. Read by a sandboxed reader; no value of it is ever told.
struct JudgedTable {
    PatientTable patients;  // this part's
    Quasi quasi;            // of all values, also those of population and register: the same for every part
    std::optional<People> population, people_of_register;  // this part's
    std::uint32_t categories = 2;     // of the sensitive column: the first is missing, the last "several"
    std::vector<std::string> values;  // of it, by category but the last; never to be told
    std::vector<Release::Identity> whose;  // by patient, rising, if TableFiles asks for it
    std::int64_t rows = 0;                 // of the whole table
    std::int64_t in_several_cells = 0;     // this part's patients
};

struct TableFiles {
    std::filesystem::path table, population, people_of_register;  // the latter may be empty
    bool keep_whose = false;
};

// Reads all of the tables and keeps those patients whose part of `parts` it is. Patients are told by identifiers without
// blanks around them, small letters like large ones; sensitive values without blanks around them. Memory: while it is
// read, 4 bytes for each value of a quasi-identifier and 28 a row (up to twice that while an array grows), together with
// what stays, 12 bytes a patient, 16 a cell and 24 a row of population and register; in each part all different values
// of the tables, about 100 bytes each. Throws Error(usage) for what the rules cannot make of a column, Error(data) for a
// table that would be judged as less than it is: naming the row, if it is not whole; if two values of a column differ in
// blanks around them alone; if population or register are of nobody.
JudgedTable read_judged(const Readers& readers, const TableFiles& files, const TableRules& rules, int part,
                        int parts);

}  // namespace staging
