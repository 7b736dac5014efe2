#pragma once
#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/mpi/comm.h"

namespace staging {

// Reads every shard of the version in `dir` back: SHA-256, every tag, every sample; with `steward` (a public key
// file), the seal as well. Shards are shared by the ranks of `comm`; null: one process without MPI. Files in
// shards/ that the manifest does not name are an error: they are no part of what was sealed. Throws
// Error(data) on the first damage, Error(refused) for another version's key or a seal that does not hold.
nlohmann::ordered_json verify(const std::filesystem::path& dir, const std::filesystem::path& key,
                              const std::filesystem::path& steward, const core::Comm* comm);

}  // namespace staging
