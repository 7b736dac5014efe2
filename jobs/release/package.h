#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jobs/release/release_copies.h"

namespace jobs {

// What a package says beside its files.
struct PackageFacts {
    std::string release, title, account, enclave, grant, site;
    std::vector<std::string> datasets;
    nlohmann::json reviews;  // [{"account","decision","reason","time"}]
    std::string exported;    // RFC 3339
    std::string witness;     // of the ledger when the export began
};

// Makes FOLDER: a BagIt bag (RFC 8493, sha256) whose payload is an RO-Crate 1.1 with the release's files, and
// the ledger's witness among its tags. Files come from `quarantine`; each copy must have the hash that was
// approved. Complete or not there at all; a package that stands there already is replaced. Readable by all.
// Returns the SHA-256 of tagmanifest-sha256.txt, which covers every byte. Throws Error(data) on another hash.
std::string write_package(const std::filesystem::path& folder, const std::filesystem::path& quarantine,
                          const std::vector<QuarantinedFile>& files, const PackageFacts& facts);

}  // namespace jobs
