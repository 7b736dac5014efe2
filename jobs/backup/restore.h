#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "jobs/backup/backup.h"

namespace jobs {

struct RestoreWish {
    std::filesystem::path folder;     // of the backup
    std::filesystem::path site_file;  // where site.toml lies or is to lie; one that is there stays
    std::filesystem::path ledger;     // a newer copy, as auditors have it; empty: the backup's own
    std::vector<core::VerifyKey>
        keys;               // the ledger's, all that it ever had, from another place than the backup
    uid_t service_uid = 0;  // whose the state will be
    gid_t service_gid = 0;
    bool dry_run = false;  // prove that it could be done, and change nothing
};

struct Restored {
    BackupFacts facts;
    core::Site site;
    core::Head head;                                 // of the ledger that is there now
    std::uint64_t texts = 0, files = 0, erased = 0;  // erased: texts that a newer ledger says are no more
    std::optional<std::uint64_t> seen;  // the newest record that a witness here saw, if the ledger lacks it
    std::optional<std::uint64_t> unknown;  // the newest record of a witness here that none of the keys signed
    std::vector<std::string>
        older;  // files of configuration that the ledger knows newer: laid there as FILE.older
    std::vector<std::string> removed;  // those that it says were removed: not put back
    std::vector<std::string> lacking;  // releases whose copies are nowhere
};

// Puts a backup back on a host where no state is: everything is decrypted, and the ledger verified with every
// witness in the backup, before the first file is put in its place; the ledger comes last. aloftd does not start from it before
// it is shown, or decided, that nothing is lost (state/mark.h). As root. Throws Error(refused) if the backup is not signed by one
// of the keys, or not sealed to `key`; Error(data) if it is damaged; Error(usage) if there is a state already, or another file of
// configuration under the same name: nothing is overwritten.
Restored restore_backup(const RestoreWish& wish, const core::OpeningKey& key);

}  // namespace jobs
