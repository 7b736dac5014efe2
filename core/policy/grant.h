#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/site.h"
#include "core/keys/keys.h"

namespace core {

// A researcher's permission to use datasets in one enclave until a date. aloftd signs it and publishes it as
// SITE.published/grants/UID.json (FORMAT.md); every host checks it against SITE.config/keys/grant.pub.
struct Grant {
    std::string id;           // "G-..."
    std::string application;  // "A-..."
    std::string account;
    std::uint32_t uid = 0;
    std::string enclave;
    std::vector<std::string> datasets;           // "digits@1"
    std::vector<std::string> purpose;            // DUO terms
    std::int64_t not_before = 0, not_after = 0;  // seconds since 1970, UTC; valid in [not_before, not_after)

    bool covers(std::string_view dataset) const;  // "digits@1"
};

// The second at which a job under `grant` must have reached its time limit, so that it is gone when the grant
// ends: Slurm looks once a minute and then adds KillWait (a job of one minute ended after 78 to 81 seconds).
std::int64_t last_limit(const Grant& grant, std::int64_t kill_wait_seconds);

// Nothing can be said of any grant now: the signed list is missing, too old, or from the future. What wants to
// begin is refused. What runs is frozen, and ended only once the list is older than
// SITE.revocation_end_seconds: the fault may be a file system's or a clock's.
struct ListIsStale : Error {
    ListIsStale(std::int64_t issued_at, const std::string& text)
        : Error(Fault::refused, text), issued(issued_at) {}
    std::int64_t issued;  // seconds since 1970; 0: there is no list
};

// The grant of `uid` if it is valid at `now`. Throws Error(refused) with a text that says why and what to do:
// none, another account's, not signed by this site, not begun, ended, revoked, its enclave not open.
// ListIsStale is the one that says nothing about the grant. Reads SITE.mirror and SITE.config only, which are
// local files; safe to call in slurmctld and, as root, in Prolog and Epilog.
Grant open_grant(const Site& site, std::uint32_t uid, std::int64_t now);

// The same for an envelope at hand (a job's /aloft/grant.json): signature, owner and dates, not revocation.
Grant check_grant(std::string_view envelope, const VerifyKey& key, std::uint32_t uid, std::int64_t now);

// What may not be learnt from grants, since it changes while they are valid: SITE.published/revocations.json.
// aloftd signs it anew all the time; between `issued` and `expires` it counts.
struct Revocations {
    std::vector<std::string> grants;         // revoked
    std::vector<std::string> open_enclaves;  // all others are closed to jobs: suspended, closed, never opened
    std::int64_t issued = 0, expires = 0;
};

// aloftd's half: the envelopes.
std::string sign_grant(const Grant& grant, const SigningKey& key);
std::string sign_revocations(const Revocations& list, const SigningKey& key);

}  // namespace core
