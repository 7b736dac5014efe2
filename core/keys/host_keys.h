#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/keys/keys.h"

namespace core {

// The keys by which a host is known: FOLDER/HOST.pub and, while another takes over, FOLDER/HOST~next.pub (no host's name has that
// mark, and another host may be called HOST.next). Throws as VerifyKey::load if the first is absent.
std::vector<VerifyKey> load_host_keys(const std::filesystem::path& folder, const std::string& host);

}  // namespace core
