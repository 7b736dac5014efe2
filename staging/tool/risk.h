#pragma once
#include <ostream>

#include <nlohmann/json_fwd.hpp>

#include "core/mpi/comm.h"
#include "staging/tool/linked.h"

namespace staging {

// aloft-stage risk: what a table of patients, or a version, tells of each of them.
struct RiskRequest {
    TableFiles files;             // `table`: or the folder of a version, then nothing else
    std::filesystem::path rules;  // of a table; of a version with others, of [linked] alone
    Others others;  // to be judged together with it: tables with a table, versions with a version
};

// A record as in a version's report; of a table as it lies, with what a population and a register add, and beside it what
// the rules would leave of it: nothing is written. With others, `linked` is what all of them tell together. Of a table by the ranks of `comm`, if there
// is one: then all call it and get the same. Throws as read_judged(); Error(usage) for rules that a version has itself.
nlohmann::ordered_json judge_risk(const RiskRequest& request, const Readers& readers, const core::Comm* comm);

// Whether the table as it lies, or the version, holds what is asked for, also together with the others.
bool holds(const nlohmann::ordered_json& risk);

// The record for a reviewer.
void print_risk(std::ostream& out, const nlohmann::ordered_json& risk);

}  // namespace staging
