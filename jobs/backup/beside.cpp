#include "jobs/backup/beside.h"

#include <nlohmann/json.hpp>

#include "core/ledger/ledger.h"
#include "jobs/state/states.h"

namespace jobs {

using nlohmann::json;

namespace {

struct Release {
    std::string state, folder;
    bool keeps_tables = false;
    std::vector<Beside::Table> tables;
};

Release read_release(const json& details, std::string state) {
    Release release{std::move(state), details.at("folder").get<std::string>(), false, {}};
    for (const json& file : details.at("files")) {
        release.keeps_tables = release.keeps_tables || file.contains("author");
        if (const auto type = file.at("type").get<std::string>(); type == "json" || type == "csv")
            release.tables.push_back(
                {file.at("name").get<std::string>(), file.at("sha256").get<std::string>()});
    }
    return release;
}

}  // namespace

Beside beside_of(const std::filesystem::path& ledger, std::uint64_t last) {
    Beside beside;
    std::map<std::string, Release> releases;
    const auto take = [&](const core::Record& record) {
        if (record.kind == "configuration.changed")
            beside.configuration[record.subject] = record.details.at("sha256").get<std::string>();
        if (record.kind == "configuration.removed") beside.configuration[record.subject].clear();
        if (!record.kind.starts_with("release.")) return;
        if (const auto begun = next_state(Thing::release, "", record.kind)) {
            releases[record.subject] = read_release(record.details, std::string(*begun));
            return;
        }
        const auto found = releases.find(record.subject);
        if (found == releases.end()) return;
        if (const auto to = next_state(Thing::release, found->second.state, record.kind))
            found->second.state = *to;
    };
    core::read_lines(ledger, 0, [&](std::string_view line, std::uint64_t) {
        core::LineStart start;
        if (!core::read_line_start(line, start)) return true;
        if (start.seq > last) return false;
        // Most lines are about something else.
        if (line.find("\"release.") == line.npos && line.find("\"configuration.") == line.npos) return true;
        try {
            take(core::parse_record(line));
        } catch (const json::exception&) {
        }
        return true;
    });
    for (auto& [id, release] : releases) {
        if (release.state == "exported" && release.keeps_tables)
            beside.left[id] = std::move(release.tables);
        else if (release.state == "in-review" || release.state == "half-approved" ||
                 release.state == "approved" || release.state == "exporting")
            beside.open[id] = release.folder;
    }
    return beside;
}

}  // namespace jobs
