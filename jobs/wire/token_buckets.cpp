#include "jobs/wire/token_buckets.h"

#include <algorithm>
#include <chrono>

namespace jobs {

double TokenBuckets::level_at(const Bucket& bucket, std::int64_t now_ms) const {
    const double passed = static_cast<double>(std::max<std::int64_t>(now_ms - bucket.at_ms, 0)) / 1000.0;
    return std::min(burst_, bucket.level + passed * per_second_);
}

bool TokenBuckets::take(uid_t account, double cost, std::int64_t now_ms) {
    Bucket& bucket = buckets_.try_emplace(account, Bucket{burst_, now_ms}).first->second;
    bucket = {level_at(bucket, now_ms), now_ms};
    if (bucket.level < cost) return false;
    bucket.level -= cost;
    return true;
}

void TokenBuckets::forget(std::int64_t now_ms) {
    std::erase_if(buckets_, [&](const auto& entry) { return level_at(entry.second, now_ms) >= burst_; });
}

std::int64_t steady_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace jobs
