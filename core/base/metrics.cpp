#include "core/base/metrics.h"

#include <exception>
#include <filesystem>
#include <utility>

#include "core/base/config.h"
#include "core/base/event.h"
#include "core/base/files.h"

namespace core {
namespace {

constexpr std::chrono::seconds kEvery{15};

// Nothing without that file: the site wants none.
std::optional<std::filesystem::path> metrics_folder(const Site& site) {
    const auto file = site.config / "monitoring.toml";
    std::error_code error;
    if (!std::filesystem::exists(file, error)) return std::nullopt;
    const auto config = Config::load(file);
    const std::filesystem::path folder = config.text("folder");
    config.finish();
    if (!folder.is_absolute()) config.refuse("folder", "must be an absolute path");
    return folder;
}

}  // namespace

void Metrics::family(const std::string& name, const char* type, const char* help) {
    name_ = "aloft_" + name;
    text_ += "# HELP " + name_ + " " + help + "\n# TYPE " + name_ + " " + type + "\n";
}

void Metrics::value(std::int64_t value, const std::string& label, const std::string& word) {
    text_ += name_ + (label.empty() ? "" : "{" + label + "=\"" + word + "\"}") + " " + std::to_string(value) +
             "\n";
}

void Metrics::single(const std::string& name, const char* help, std::int64_t one) {
    family(name, "gauge", help);
    value(one);
}

void save_metrics(const Site& site, const std::string& program, const std::function<Metrics()>& make) {
    if (const auto folder = metrics_folder(site))
        write_atomically(*folder / (program + ".prom"), make().text(), 0644);
}

MetricsFile::MetricsFile(const Site& site, std::string program) : site_(site), program_(std::move(program)) {}

void MetricsFile::save(const std::function<Metrics()>& make) {
    std::string wrong;
    try {
        save_metrics(site_, program_, make);
    } catch (const std::exception& e) {
        wrong = e.what();
    }
    if (!wrong.empty() && wrong != told_) Event("error", "metrics_not_written").with("text", wrong);
    told_ = wrong;
}

void MetricsFile::save_if_due(bool state, const std::function<Metrics()>& make) {
    const auto now = std::chrono::steady_clock::now();
    if (state_ == state && now < due_) return;
    state_ = state;
    due_ = now + kEvery;
    save(make);
}

}  // namespace core
