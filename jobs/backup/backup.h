#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/site.h"
#include "core/ledger/record.h"

// A backup of the service's host, while aloftd runs: FOLDER/archive (archive.h) and FOLDER/backup.json, which the ledger's
// key signs. README.md has the bytes.

namespace jobs {

inline constexpr std::string_view kBackupType = "application/vnd.aloft.backup+json";

// What FOLDER/backup.json says.
struct BackupFacts {
    std::string site, version;
    std::int64_t made = 0;
    core::Witness witness;          // of the ledger in it
    std::string recipient, sealed;  // who opens it: key id; the archive's key, sealed to it, base64
    std::uint64_t files = 0, archive_bytes = 0;
    std::string archive_sha256;
    std::vector<std::string>
        lacking;  // when it is made: releases whose copies are not on this host; not in the file
};

std::string key_id(const core::SealingKey& key);

// Makes `folder` (0700), which must be empty or absent. In the archive: configuration and the service's keys, both halves; the
// ledger up to `witness()`, which is asked again if a release ends meanwhile; texts and secrets that are not older; the copies of
// the releases that this ledger says are open or exported. Throws Error(usage) if there is something in
// the folder; Error(data) if the ledger does not hold the witness's record. As an account that can read SITE.state and
// SITE.config.
BackupFacts make_backup(const core::Site& site, const core::SealingKey& recipient,
                        const std::filesystem::path& folder, const std::function<core::Witness()>& witness);

// Throws Error(refused) unless one of `keys` signed it, Error(data) if the archive is not the one that it names.
BackupFacts open_backup(const std::filesystem::path& folder, const std::vector<core::VerifyKey>& keys);

// The ledger's end where aloftd does not run. Throws Error(system) if another process has the ledger: then it must be asked.
core::Head head_at_rest(const core::Site& site);

}  // namespace jobs
