#pragma once
#include <filesystem>
#include <vector>

#include "core/base/site.h"
#include "core/ledger/record.h"

// A ledger that was put back from an old copy lacks records that somebody saw. Going on from it would give
// ids a second time and make revoked grants valid again. Witnesses show it.

namespace core {

// Throws Error(data) with what to do if the ledger, which ends with `head`, does not hold the record that
// `witness` saw; Error(refused) if none of `keys` signed the witness, which then says nothing.
void check_witness(const std::filesystem::path& ledger, const Head& head, const Witness& witness,
                   const std::vector<VerifyKey>& keys);

// SHA-256 of the line of record `seq`, lower-case hex; empty if the ledger has no such record. Reads a few
// places only, however long the ledger is.
std::string digest_of(const std::filesystem::path& ledger, std::uint64_t seq);

// All that can be found: the one that was published last, and those that nodes' records in the spool carry
// (the newest record of each node). Their signatures are not checked yet; what cannot be read is left out.
std::vector<Witness> witnesses_at_hand(const Site& site);

}  // namespace core
