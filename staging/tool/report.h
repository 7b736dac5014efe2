#pragma once
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/shard/manifest.h"

namespace staging {

// DIR/reports/quality.json: what was delivered, packed and left out, and why. Throws Error(data) for what is no object, or is
// nested deeper than any report.
nlohmann::ordered_json read_report(const std::filesystem::path& dir);

// What of a report breaks the limits of a file (configs/quality/*.toml), in sentences. Throws Error(data) if it is another
// version's report than the manifest's: nothing else ties the two.
std::vector<std::string> broken_by(const core::Manifest& manifest, const nlohmann::ordered_json& report,
                                   const std::filesystem::path& limits);

// The report as it may be shown to whoever works with the data (report/published.h), into a folder: report.json, report.html.
// Throws Error(data) if it is another version's, as broken_by().
nlohmann::ordered_json write_report(const core::Manifest& manifest, const nlohmann::ordered_json& report,
                                    const std::filesystem::path& out);

// The same for people: a table of deliveries, one of reasons with what to do about each, the risk.
void print_report(std::ostream& out, const nlohmann::ordered_json& report);

}  // namespace staging
