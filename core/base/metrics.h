#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/base/site.h"

// What a site's monitoring reads on each host: FOLDER/PROGRAM.prom, in Prometheus' text format 0.0.4, which
// node_exporter's textfile collector takes (it takes no OpenMetrics). Counts and times only: no account, no
// title, nothing that a researcher chose.

namespace core {

// One program's document. Names get the prefix "aloft_"; labels and their values are words of ours. The values
// of a family stand together, as the format wants it.
class Metrics {
public:
    void family(const std::string& name, const char* type, const char* help);  // "gauge", "counter"
    void value(std::int64_t value, const std::string& label = {}, const std::string& word = {});
    void single(const std::string& name, const char* help, std::int64_t one);  // a gauge of one value
    const std::string& text() const { return text_; }

private:
    std::string text_, name_;
};

// Makes the document, if SITE.config/monitoring.toml wants any, and lays FOLDER/PROGRAM.prom down where that says, complete
// or not at all. Throws as `make` does, Error(usage) for what is wrong in that file, Error(system) if it cannot be written.
void save_metrics(const Site& site, const std::string& program, const std::function<Metrics()>& make);

// The same for a service that has nowhere to throw to: what is wrong is told once, until it changes. For one thread.
class MetricsFile {
public:
    MetricsFile(const Site& site, std::string program);  // the site must outlive it
    // At the first call, then every 15 seconds, and at once when `state` is another than it was.
    void save_if_due(bool state, const std::function<Metrics()>& make);

private:
    void save(const std::function<Metrics()>& make);

    const Site& site_;
    std::string program_, told_;
    std::optional<bool> state_;  // when it was last saved so
    std::chrono::steady_clock::time_point due_{};
};

}  // namespace core
