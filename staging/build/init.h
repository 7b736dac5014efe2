#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "staging/read/worker.h"

namespace staging {

// aloft-stage init: looks through one delivery and writes a first description of it and a first definition.
struct InitRequest {
    std::string name;  // of the hospital
    std::filesystem::path folder, out;
    std::uint64_t most_files = 0;  // looks at so many, evenly spread over all; 0: at all
};

// Writes OUT/deliveries/NAME.toml and OUT/datasets/NAME.toml, and returns what is in the delivery: kinds of files, SOP
// classes, modalities, vendors, body parts, transfer syntaxes, forms of dates, as counts. Every word in it is from our own
// tables: never a value from a file. Throws Error(usage) if one of the files is there already, or
// would lie in the delivery.
nlohmann::ordered_json init_delivery(const InitRequest& request, const Readers& readers);

}  // namespace staging
