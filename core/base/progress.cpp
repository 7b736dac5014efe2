#include "core/base/progress.h"

#include <map>
#include <utility>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/metrics.h"
#include "core/base/time.h"

namespace core {
namespace {

struct Reported {
    std::int64_t done = 0, total = 0, seconds = 0;
    bool is_over = false;
};

std::filesystem::path g_file;
std::map<std::string, Reported> g_reported;

void keep(const std::string& doing, const Reported& now) {
    if (g_file.empty()) return;
    g_reported[doing] = now;
    Metrics out;
    const auto family = [&](const char* name, const char* help, auto value_of) {
        out.family(name, "gauge", help);
        for (const auto& [one, reported] : g_reported) out.value(value_of(reported), "doing", one);
    };
    out.single("progress_timestamp_seconds", "When this file was written.", now_seconds());
    family("progress_done", "So much of this work is done, by the rank that reports.",
           [](const Reported& one) { return one.done; });
    family("progress_total", "So much of it there is; 0: not known.",
           [](const Reported& one) { return one.total; });
    family("progress_seconds", "How long it has taken.", [](const Reported& one) { return one.seconds; });
    family("progress_over", "1 once it is over.",
           [](const Reported& one) { return std::int64_t{one.is_over}; });
    try {
        write_atomically(g_file, out.text(), 0644);
    } catch (const Error& e) {
        Event("warning", "metrics_not_written").with("text", e.what());
        g_file.clear();
    }
}

}  // namespace

void Progress::keep_in(std::filesystem::path file) {
    g_file = std::move(file);
    g_reported.clear();
}

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
    report(std::chrono::steady_clock::now(), true);
}

void Progress::report(std::chrono::steady_clock::time_point now, bool is_over) {
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
    keep(doing_, {done_, total_, static_cast<std::int64_t>(seconds), is_over});
}

}  // namespace core
