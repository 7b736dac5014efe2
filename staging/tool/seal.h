#pragma once
#include <filesystem>

#include <nlohmann/json_fwd.hpp>

namespace staging {

// Signs the manifest in `dir` with the steward's key. `to` empty: the seal is put into `dir`. Else it is
// written to the file `to`, so that a steward needs no right to write into the version's folder.
// Throws Error(usage) if the version is sealed already or `to` exists.
nlohmann::ordered_json seal(const std::filesystem::path& dir, const std::filesystem::path& key,
                            const std::filesystem::path& to);

// Puts a seal that was written elsewhere into `dir`, whose owner does it. Throws Error(refused) if it is not
// `steward`'s (a public key file) or of another manifest; then nothing is written.
nlohmann::ordered_json attach_seal(const std::filesystem::path& dir, const std::filesystem::path& file,
                                   const std::filesystem::path& steward);

}  // namespace staging
