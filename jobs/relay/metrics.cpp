#include "jobs/relay/metrics.h"

#include <chrono>

#include "core/base/time.h"
#include "core/base/version.h"

namespace jobs {
namespace {

constexpr std::chrono::seconds kLook{1};

}  // namespace

core::Metrics relay_metrics(const RelayCounts& counts) {
    core::Metrics out;
    out.family("relay_build_info", "gauge", "The version that runs.");
    out.value(1, "version", core::version());
    out.single("relay_metrics_timestamp_seconds", "When this file was written.", core::now_seconds());
    out.family("relay_requests_total", "counter", "Requests that came here since the start.");
    out.value(counts.requests);
    out.family("relay_failed_total", "counter", "Those that this end refused or could not carry on.");
    out.value(counts.failed);
    out.single("relay_requests_open", "Requests that are on their way now.", counts.open);
    out.single("relay_is_cut_off", "1 if the last request did not reach aloftd, or its host, from here.",
               counts.is_cut_off);
    return out;
}

RelayMetrics::RelayMetrics(const core::Site& site, const RelayCounts& counts)
    : site_(site), counts_(counts), thread_([this] { write_until_the_end(); }) {}

RelayMetrics::~RelayMetrics() {
    {
        const std::lock_guard lock(mutex_);
        is_over_ = true;
    }
    ends_.notify_all();
    thread_.join();
}

void RelayMetrics::write_until_the_end() {
    core::MetricsFile file(site_, "aloft-relay");
    for (std::unique_lock lock(mutex_); !is_over_; ends_.wait_for(lock, kLook))
        file.save_if_due(counts_.is_cut_off, [&] { return relay_metrics(counts_); });
}

}  // namespace jobs
