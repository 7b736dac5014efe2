#pragma once
#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include "staging/tool/verify.h"

namespace staging {

// Verifies, then signs exactly the manifest that was verified, with the steward's key. Without the dataset's key as
// much is verified as can be: all that the seal is over. `to` empty: the seal is put into the version's folder. Else
// it is written to the file `to`, so that a steward needs no right to write there. Throws Error(usage) if the
// version is sealed already or `to` exists, Error(refused) if its report breaks the request's limits, and what
// check_files() throws.
nlohmann::ordered_json seal(const CheckRequest& request, const std::filesystem::path& to);

// Puts a seal that was written elsewhere into `dir`, whose owner does it. Throws Error(refused) if it is not
// `steward`'s (a public key file) or of another manifest; then nothing is written.
nlohmann::ordered_json attach_seal(const std::filesystem::path& dir, const std::filesystem::path& file,
                                   const std::filesystem::path& steward);

}  // namespace staging
