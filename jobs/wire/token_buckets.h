#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>

namespace jobs {

// How much each account may ask in a time: a token bucket per account. Times are given, in milliseconds of any
// clock that does not run backwards.
class TokenBuckets {
public:
    TokenBuckets(double per_second, double burst) : per_second_(per_second), burst_(burst) {}
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

}  // namespace jobs
