#include "jobs/service/limits.h"

namespace jobs {

bool Refusals::count(const std::string& account, const std::string& operation) {
    return ++counts_[account][operation] == 1;
}

std::map<std::string, nlohmann::json> Refusals::take() {
    std::map<std::string, nlohmann::json> out;
    for (const auto& [account, counts] : counts_) out[account] = counts;
    counts_.clear();
    return out;
}

}  // namespace jobs
