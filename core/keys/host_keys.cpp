#include "core/keys/host_keys.h"

namespace core {

std::vector<VerifyKey> load_host_keys(const std::filesystem::path& folder, const std::string& host) {
    std::vector<VerifyKey> keys{VerifyKey::load(folder / (host + ".pub"))};
    if (const auto next = folder / (host + "~next.pub"); std::filesystem::exists(next))
        keys.push_back(VerifyKey::load(next));
    return keys;
}

}  // namespace core
