#pragma once
#include "core/keys/keys.h"

namespace core {

// The private half of a SigningKey's file as RFC 8032's 32 bytes, for a library that signs by itself (TLS). Throws as
// SigningKey::load.
SecretKey load_signing_seed(const std::filesystem::path& path);

}  // namespace core
