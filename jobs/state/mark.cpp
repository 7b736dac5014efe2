#include "jobs/state/mark.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/json.h"

namespace jobs {

namespace {

constexpr const char* kName = "undecided.json";

}  // namespace

void write_mark(const std::filesystem::path& state, const Mark& mark) {
    nlohmann::json json = {{"why", mark.why}, {"head", mark.head}, {"seen", nullptr}};
    if (mark.seen) json["seen"] = *mark.seen;
    core::write_atomically(state / kName, json.dump() + "\n", 0600);
}

std::optional<Mark> read_mark(const std::filesystem::path& state) {
    const auto file = state / kName;
    if (!std::filesystem::exists(file)) return std::nullopt;
    try {
        const auto json = core::parse_json(core::read_text(file, 4096));
        Mark mark{json.at("why").get<std::string>(), json.at("head").get<std::uint64_t>(), std::nullopt};
        if (!json.at("seen").is_null()) mark.seen = json.at("seen").get<std::uint64_t>();
        return mark;
    } catch (const nlohmann::json::exception&) {
        throw core::Error(core::Fault::data, file.string() + ": not as aloft writes it");
    }
}

void remove_mark(const std::filesystem::path& state) {
    if (std::filesystem::remove(state / kName)) core::sync_directory(state);
}

}  // namespace jobs
