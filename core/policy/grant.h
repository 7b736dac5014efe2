#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"
#include "core/keys/keys.h"
#include "core/policy/list.h"

namespace core {

// A researcher's permission to use datasets in one enclave until a date. aloft-sign signs and publishes it
// as grants/ID.json (core/ledger/FORMAT.md); every host checks it against the keys of publishing_keys. It
// counts while the signed list names it.
struct Grant {
    std::string id;           // "G-..."
    std::string application;  // "A-..."
    std::string account;
    std::uint32_t uid = 0;
    std::string enclave;
    std::vector<std::string> datasets;           // "digits@1"
    std::vector<std::string> purpose;            // DUO terms
    std::int64_t not_before = 0, not_after = 0;  // seconds since 1970, UTC; valid in [not_before, not_after)

    std::int64_t node_hours = 0, gpu_hours = 0;  // what its jobs may use (budget.h); 0: as much as there is

    bool covers(std::string_view dataset) const;  // "digits@1"
};

// The second at which a job under `grant` must have reached its time limit, so that it is gone when the grant
// ends: Slurm looks once a minute and then adds KillWait (a job of one minute ended after 78 to 81 seconds).
std::int64_t last_limit(const Grant& grant, std::int64_t kill_wait_seconds);

// Which of an account's grants. `id` empty: the newest that covers `datasets` (none: the newest).
struct GrantWish {
    std::string id;
    std::vector<std::string> datasets;
};

// The grant of `uid` that `wish` asks for, if it is valid at `now`. Throws Error(refused) with a text that
// says why and what to do: none, another account's, not signed by this site, not begun, ended, not on the
// signed list (revoked, or replaced by a newer one of the same application), its enclave not open.
// CannotTell is the one that says nothing about the grant: the list is stale (ListIsStale), or names a grant
// whose file is not here. Reads SITE.mirror and SITE.config only, which
// are local files; safe to call in slurmctld and, as root, in Prolog and Epilog.
Grant open_grant(const Site& site, std::uint32_t uid, std::int64_t now, const GrantWish& wish = {});

// The grant of an envelope: signature and form, not whose it is or when. Throws as check_grant.
Grant parse_grant(std::string_view envelope, const std::vector<VerifyKey>& keys);

// The same for an envelope at hand (a job's /aloft/grant.json): signature, owner and dates; not whether the
// list names it.
Grant check_grant(std::string_view envelope, const std::vector<VerifyKey>& keys, std::uint32_t uid,
                  std::int64_t now);

std::string sign_grant(const Grant& grant, const SigningKey& key);

}  // namespace core
