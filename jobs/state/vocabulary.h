#pragma once
#include "core/ledger/record.h"

// Which records aloftd knows. One more with each kind, or each meaning of one, that an older aloftd must not pass over: its
// state would be another one than the ledger's, and nobody would be told. Each start of aloftd has its number on record.

namespace jobs {

inline constexpr int kVocabulary = 1;

// Throws Error(refused) if `record` says that an aloftd which knows more records has written to this ledger.
void check_vocabulary(const core::Record& record);

}  // namespace jobs
