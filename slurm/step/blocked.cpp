#include "slurm/step/blocked.h"

#include <fcntl.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/fence/fence_check.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string file_of(std::uint32_t step) {
    return "blocked." + std::to_string(step) + ".json";
}

json nothing() {
    return {{"blocked", json::object()}, {"attempts", json::array()}};
}

}  // namespace

json blocked_by(int cgroup_fd) {
    json all = nothing();
    for (const auto& [kind, count] : blocked_counts(cgroup_fd)) all["blocked"][kind] = count;
    for (const BlockedAttempt& one : blocked_classes(cgroup_fd))
        all["attempts"].push_back({{"what", one.what}, {"to", one.to}, {"count", one.count}});
    return all;
}

void keep_blocked(int folder_fd, std::uint32_t step, const json& blocked) {
    const core::Fd file(::openat(folder_fd, file_of(step).c_str(),
                                 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0400));
    if (!file.is_open())
        throw core::Error(core::Fault::system, core::with_errno("cannot keep what was blocked", errno));
    core::write_all(file.get(), core::view(blocked.dump()));
}

bool has_kept_blocked(const fs::path& folder, std::uint32_t step) {
    std::error_code none;
    return fs::exists(folder / file_of(step), none);
}

json kept_blocked(const fs::path& folder) {
    json all = nothing();
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("blocked.") && name.ends_with(".json"))
            all = both_blocked(all, json::parse(core::read_text(entry.path())));
    }
    return all;
}

json both_blocked(const json& one, const json& other) {
    std::map<std::string, std::uint64_t> counts;
    std::map<std::pair<std::string, std::string>, std::uint64_t> attempts;
    for (const json* of : {&one, &other}) {
        for (const auto& [kind, count] : of->at("blocked").items())
            counts[kind] += count.get<std::uint64_t>();
        for (const json& each : of->at("attempts"))
            attempts[{each.at("what").get<std::string>(), each.at("to").get<std::string>()}] +=
                each.at("count").get<std::uint64_t>();
    }
    json all = nothing();
    for (const auto& [kind, count] : counts) all["blocked"][kind] = rough_count(count);
    for (const auto& [what, count] : attempts)
        all["attempts"].push_back({{"what", what.first}, {"to", what.second}, {"count", rough_count(count)}});
    return all;
}

}  // namespace slurm
