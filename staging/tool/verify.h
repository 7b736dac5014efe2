#pragma once
#include <filesystem>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/mpi/comm.h"
#include "core/shard/version.h"

namespace staging {

// What `verify` and `seal` are asked.
struct CheckRequest {
    std::filesystem::path dir;      // of the version
    std::filesystem::path key;      // of the dataset; for seal it may be absent
    std::filesystem::path steward;  // verify: public, whose seal there must be; seal: private, who seals
    int threads = 0;                // that read shards; 0: one for each processor
    std::filesystem::path limits;   // seal: what its report must hold (configs/quality/*.toml); may be empty
};

// Reads everything back: the key's mark and the seal of the manifest, pages, every shard to its last tag, that
// nothing else lies beside them. Shards are shared by the ranks of `comm`; null: by threads of one process without
// MPI. Without `steward` the site's stewards may have sealed it, or nobody. Throws Error(refused) where seal or
// mark are not as they must be, Error(usage) where there is a seal and no key to check it with, Error(data) that
// names the first damage.
nlohmann::ordered_json verify(const CheckRequest& request, const core::Comm* comm = nullptr);

// Under which keys a version may be sealed: `steward`, a public key; if that is empty, those of the site that this machine
// belongs to, or none.
std::vector<core::VerifyKey> stewards_of(const std::filesystem::path& steward);

// Everything that the manifest names, and nothing else beside it. With the key all of it is opened, else each file
// is compared with its SHA-256. Collective over `comm`, if there is one.
void check_files(const core::Version& version, const core::SecretKey* key, int threads,
                 const core::Comm* comm = nullptr);

}  // namespace staging
