#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "core/base/metrics.h"
#include "core/base/site.h"

namespace jobs {

// What an end of a relay counts of itself, in whichever thread.
struct RelayCounts {
    std::atomic<std::int64_t> requests{0}, failed{0}, open{0};
    std::atomic<bool> is_cut_off{false};  // the other end, or aloftd, was not reached the last time
};

// One more request, and open while this lives.
class OpenRequest {
public:
    explicit OpenRequest(RelayCounts& counts) : counts_(counts) {
        ++counts_.requests;
        ++counts_.open;
    }
    OpenRequest(const OpenRequest&) = delete;
    OpenRequest& operator=(const OpenRequest&) = delete;
    ~OpenRequest() { --counts_.open; }

private:
    RelayCounts& counts_;
};

core::Metrics relay_metrics(const RelayCounts& counts);

// Writes aloft-relay.prom while it lives: every 15 seconds, and within a second when the way is cut off or there again. What is
// wrong with the site's wish for it is told once, until it changes.
class RelayMetrics {
public:
    // Both must outlive it.
    RelayMetrics(const core::Site& site, const RelayCounts& counts);
    ~RelayMetrics();

private:
    void write_until_the_end();

    const core::Site& site_;
    const RelayCounts& counts_;
    std::mutex mutex_;
    std::condition_variable ends_;
    bool is_over_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace jobs
