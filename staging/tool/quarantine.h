#pragma once
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "staging/work/listing.h"

namespace staging {

// Calls `take` with each record of DIR/reports/quarantine.jsonl, in memory one at a time.
void each_quarantined(const std::filesystem::path& dir,
                      const std::function<void(const nlohmann::ordered_json&)>& take);

// One of them as a line for people.
void print_quarantined(std::ostream& out, const nlohmann::ordered_json& one);

// Which file of a delivery a record means. `what`: the record's number, or its name (the keyed hash).
// `pseudonym_key` is the project's. The result holds the file's path, which can hold identifiers: for the intake
// account's eyes, never for a log. Throws Error(usage) if there is no such record of this delivery, Error(data)
// if the delivery no longer holds the file.
nlohmann::ordered_json find_quarantined(const Readers& readers, const std::filesystem::path& dir,
                                        const std::string& what, const DeliveryFolder& delivery,
                                        const std::filesystem::path& pseudonym_key);

}  // namespace staging
