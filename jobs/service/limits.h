#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/wire/token_buckets.h"

namespace jobs {

// What was refused, by account and operation, between two records of it: a caller who is refused as fast as it
// can ask makes one record a minute, not one each.
class Refusals {
public:
    // True if it is the first of this account and operation since the last take().
    bool count(const std::string& account, const std::string& operation);
    // By account: {"operation": count}. Forgets them.
    std::map<std::string, nlohmann::json> take();
    bool is_empty() const { return counts_.empty(); }

private:
    std::map<std::string, std::map<std::string, std::int64_t>> counts_;
};

}  // namespace jobs
