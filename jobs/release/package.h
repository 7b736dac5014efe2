#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "jobs/release/desk.h"

namespace jobs {

inline constexpr const char* kPackageType = "application/vnd.aloft.package+json";  // of package.dsse.json

// What a package says beside its files.
struct PackageFacts {
    std::string release, title, account, enclave, grant, site;
    std::vector<std::string> datasets;
    nlohmann::json reviews;  // [{"account","decision","reason","time"}]
    std::string exported;    // RFC 3339
    std::string group;       // that may read it; "": aloftd's own
};

// Makes FOLDER: a BagIt bag (RFC 8493, sha256) whose payload is an RO-Crate 1.1 with the release's files, with the
// criteria that were applied (criteria.json) among its tags. Files come from QUARANTINE/canonical; each must have
// the hash that was approved. package.dsse.json signs the hash of the tag manifest, which covers every byte. 0750,
// files 0640. A folder that stands there already is replaced. Returns that hash. Throws Error(data) on another
// hash, Error(system) if the group cannot be given.
std::string write_package(const std::filesystem::path& folder, const std::filesystem::path& quarantine,
                          const std::vector<LeavingFile>& files, const PackageFacts& facts,
                          const core::SigningKey& key);

// Where a package is made, beside the place where it appears: RELEASED/.tmp-R-31.
std::filesystem::path building_folder(const std::filesystem::path& package);

// Makes the package appear: adds the ledger's witness, taken after the record of the export, and renames. The
// witness is outside of the manifests: it covers the record that names their hash.
void publish_package(const std::filesystem::path& package, const std::string& witness);

}  // namespace jobs
