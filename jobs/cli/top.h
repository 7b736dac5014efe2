#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jobs/cli/commands.h"

namespace jobs {

// One screen of what "overview" answers: a table of the whole, one of the enclaves, one of the nodes that are not fit. What needs an
// admin begins with "!". `most` as table_lines takes it; with `rows` above 0 there are no more lines than that, and the last says how
// many are left out.
std::vector<std::string> top_lines(const nlohmann::json& overview, const std::string& site, std::size_t most,
                                   std::size_t rows);

void add_top(CLI::App& app, Common& common);

}  // namespace jobs
