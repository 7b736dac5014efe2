#include "core/base/progress.h"

#include <utility>

#include "core/base/event.h"

namespace core {

Progress::Progress(std::string doing, std::int64_t total, std::chrono::milliseconds every)
    : doing_(std::move(doing)),
      total_(total),
      every_(every),
      started_(std::chrono::steady_clock::now()),
      reported_(started_) {}

void Progress::reach(std::int64_t done) {
    done_ = done;
    const auto now = std::chrono::steady_clock::now();
    if (now - reported_ >= every_) report(now);
}

void Progress::finish() {
    report(std::chrono::steady_clock::now());
}

void Progress::report(std::chrono::steady_clock::time_point now) {
    reported_ = now;
    const double seconds = std::chrono::duration<double>(now - started_).count();
    const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
    Event event("info", "progress");
    event.with("doing", doing_).with("done", done_);
    if (total_ > 0) {
        event.with("of", total_).with("percent", 100 * done_ / total_);
        if (rate > 0)
            event.with("left_seconds", static_cast<std::int64_t>(static_cast<double>(total_ - done_) / rate));
    }
    event.with("rate", rate);
}

}  // namespace core
