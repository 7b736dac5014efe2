#pragma once
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace staging {

// What `verify` and `seal` are asked.
struct CheckRequest {
    std::filesystem::path dir;      // of the version
    std::filesystem::path key;      // of the dataset; for seal it may be absent
    std::filesystem::path steward;  // verify: public, whose seal there must be; seal: private, who seals
    int threads = 0;                // that read shards; 0: one for each processor
};

// Reads everything back: the key's mark and the seal of the manifest, pages, every shard to its last tag, that
// nothing else lies beside them. Without `steward` the site's stewards may have sealed it, or nobody. Throws
// Error(refused) where seal or mark are not as they must be, Error(usage) where there is a seal and no key to
// check it with, Error(data) that names the first damage.
nlohmann::ordered_json verify_version(const CheckRequest& request);

// Verifies, then signs exactly the manifest that was verified. Without the dataset's key as much is verified as
// can be: all that the seal is over.
nlohmann::ordered_json seal_version(const CheckRequest& request);

}  // namespace staging
