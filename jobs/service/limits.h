#pragma once
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace jobs {

// How much each account may ask in a time: a token bucket per account. Times are given, in milliseconds of any
// clock that does not run backwards.
class Rates {
public:
    Rates(double per_second, double burst) : per_second_(per_second), burst_(burst) {}
    // Takes `cost` from the account's bucket; false, and nothing taken, if there is not as much in it.
    bool take(uid_t account, double cost, std::int64_t now_ms);
    // Drops buckets that are full again.
    void forget(std::int64_t now_ms);
    std::size_t size() const { return buckets_.size(); }

private:
    struct Bucket {
        double level;
        std::int64_t at_ms;
    };
    double level_at(const Bucket& bucket, std::int64_t now_ms) const;

    double per_second_, burst_;
    std::map<uid_t, Bucket> buckets_;
};

std::int64_t steady_ms();

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
