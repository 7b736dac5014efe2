#pragma once
#include <filesystem>
#include <ostream>

#include <nlohmann/json_fwd.hpp>

namespace staging {

// DIR/reports/quality.json: what was delivered, packed and left out, and why.
nlohmann::ordered_json read_report(const std::filesystem::path& dir);

// The same for people: a table of deliveries, one of reasons with what to do about each, the risk.
void print_report(std::ostream& out, const nlohmann::ordered_json& report);

}  // namespace staging
