#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/site.h"
#include "core/keys/keys.h"

namespace core {

// What counts now, of all that was ever signed: an allow-list. aloft-sign signs it anew all the time and
// publishes it as list.json (core/ledger/FORMAT.md). A grant or a policy that it does not name counts no
// more, whoever puts the old file back.
struct SignedList {
    struct Policy {
        std::string sha256;     // of enclaves/NAME.json, lower-case hex
        std::string partition;  // whose jobs and accounts are the enclave's, also where that file is unusable
        std::vector<std::uint32_t> uids;
    };
    std::map<std::uint32_t, std::vector<std::string>> grants;  // current ids by uid, oldest first
    std::vector<std::string> open_enclaves;  // all others are closed to jobs: suspended, closed, never opened
    std::map<std::string, Policy> policies;  // by enclave
    std::uint64_t seq = 0;                   // the ledger's record up to which this is known; never goes back
    std::string
        sha256;  // of that record's line, lower-case hex: a ledger made anew under old numbers differs
    std::int64_t issued = 0, expires = 0;  // it counts in [issued, expires)
};

// Nothing can be said of a grant now: the fault may be a file system's or a clock's. What wants to begin is
// refused. What runs is frozen, and ended only once the list is older than SITE.revocation_end_seconds, or it
// has stood still for long.
struct CannotTell : Error {
    CannotTell(std::int64_t issued_at, const std::string& text)
        : Error(Fault::refused, text), issued(issued_at) {}
    std::int64_t issued;  // the list: seconds since 1970; 0: there is none, or it is not at fault
};

// Of any grant: the signed list is missing, too old, or from the future.
struct ListIsStale : CannotTell {
    using CannotTell::CannotTell;
};

// The keys that a host accepts for what is published: SITE.config/keys/grant.pub (load_verify_keys).
std::vector<VerifyKey> publishing_keys(const Site& site);

// The list of an envelope, of whatever age. Throws Error(refused) if none of `keys` signed it or it is not of
// this version, Error(data) if it is no envelope.
SignedList parse_list(std::string_view envelope, const std::vector<VerifyKey>& keys);

// SITE.mirror's list, of whatever age: it still tells who belongs to which enclave. Throws as parse_list, and
// ListIsStale if there is none.
SignedList read_list(const Site& site);

// The same, if it counts at `now`. Throws ListIsStale if it does not, Error(refused) if it is not signed.
SignedList open_list(const Site& site, std::int64_t now);

std::string sign_list(const SignedList& list, const SigningKey& key);

}  // namespace core
