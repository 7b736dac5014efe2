#include "slurm/preflight/last_look.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/files.h"
#include "core/base/json.h"
#include "slurm/preflight/heartbeat.h"

namespace slurm {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::int64_t kOldSeconds = 12 * 3600;  // a busy agent looks every six
constexpr milliseconds kAgain{100};

std::filesystem::path file_of(const core::Site& site) {
    return site.run / "preflight.json";
}

bool has(const std::vector<Check>& checks, const std::string& what) {
    return std::any_of(checks.begin(), checks.end(), [&](const Check& one) { return one.what == what; });
}

}  // namespace

void keep_look(const core::Site& site, const std::vector<Check>& checks) {
    json list = json::array();
    for (const Check& check : checks) list.push_back(core::to_json(check));
    const json look{{"boot_seconds", boot_seconds()}, {"checks", list}};
    core::write_atomically(file_of(site), look.dump(-1, ' ', true, json::error_handler_t::replace), 0400);
}

std::optional<std::vector<Check>> kept_look(const core::Site& site) {
    try {
        const json look = core::parse_json(core::read_text(file_of(site), 1 << 20));
        if (boot_seconds() - look.at("boot_seconds").get<std::int64_t>() > kOldSeconds) return std::nullopt;
        std::vector<Check> checks;
        for (const json& one : look.at("checks")) checks.push_back(core::check_of(one));
        return checks;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::optional<std::vector<Check>> misses_at_begin(const core::Site& site, const std::vector<Check>& now,
                                                  milliseconds patience) {
    std::vector<Check> misses;
    for (const Check& check : now)
        if (check.is_miss()) misses.push_back(check);
    if (!misses.empty()) return misses;
    for (const auto end = steady_clock::now() + patience;; std::this_thread::sleep_for(kAgain)) {
        const auto look = kept_look(site);
        misses.clear();
        for (const Check& check : look.value_or(std::vector<Check>{}))
            if (check.is_miss() && !has(now, check.what)) misses.push_back(check);
        if (look && misses.empty()) return misses;
        if (steady_clock::now() >= end) return look ? std::optional(misses) : std::nullopt;
    }
}

std::string reason_of(const std::vector<Check>& misses) {
    const std::string more = misses.size() > 1 ? " (and " + std::to_string(misses.size() - 1) + " more)" : "";
    return "preflight: " + misses.front().what + ": " + misses.front().found + more;
}

}  // namespace slurm
