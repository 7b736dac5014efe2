// aloft top: the site at a glance, for admins.
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "core/base/error.h"
#include "core/base/message.h"
#include "core/base/printable.h"
#include "core/base/time.h"
#include "jobs/cli/table.h"
#include "jobs/cli/top.h"
#include "jobs/wire/channel.h"
#include "jobs/wire/duration.h"

namespace jobs {

using core::Error;
using core::tr;
using nlohmann::json;

namespace {

using Cells = std::vector<std::vector<std::string>>;

std::string ago(const json& time, std::int64_t now) {
    return time.is_string()
               ? tr("{} ago", duration_in_words(now - core::parse_rfc3339(time.get<std::string>())))
               : tr("never");
}

std::string waiting(const json& waiting) {
    const auto oldest = [&](const char* key) {
        return duration_in_words(waiting.at(key).get<std::int64_t>());
    };
    const json &applications = waiting.at("applications"), &releases = waiting.at("releases");
    const std::string of_applications =
        applications == 0   ? tr("no applications")
        : applications == 1 ? tr("1 application, the oldest for {}", oldest("applications_seconds"))
                            : tr("{} applications, the oldest for {}", printable(applications),
                                 oldest("applications_seconds"));
    return of_applications + "; " +
           (releases == 0 ? tr("no releases")
            : releases == 1
                ? tr("1 release, the oldest for {}", oldest("releases_seconds"))
                : tr("{} releases, the oldest for {}", printable(releases), oldest("releases_seconds")));
}

// `is_bad`: somebody must do something.
void add_row(Cells& cells, bool is_bad, const std::string& what, const std::string& text) {
    cells.push_back({(is_bad ? "!" : " ") + what, text});
}

Cells whole(const json& seen, const std::string& site) {
    constexpr std::int64_t kBackupSeconds = 2 * 86400;  // a night and what may delay it
    const std::int64_t now = core::parse_rfc3339(seen.at("time").get<std::string>());
    Cells cells{
        {" " + site, seen.at("time").get<std::string>() + ", aloftd " + printable(seen.at("version"))}};
    const json& list = seen.at("list");
    const bool is_stale = list.at("is_stale") == true;
    const std::string issued = ago(list.at("issued"), now),
                      stale = duration_in_words(list.at("stale_seconds").get<std::int64_t>());
    add_row(cells, is_stale, tr("list"),
            is_stale ? tr("signed {}: jobs stand still; stale after {}", issued, stale)
                     : tr("signed {}; stale after {}", issued, stale));
    const bool is_behind = seen.at("state_is_behind") == true;
    const std::string records = printable(seen.at("ledger").at("records")),
                      known = printable(seen.at("ledger").at("list_records"));
    add_row(cells, is_behind, tr("ledger"),
            is_behind
                ? tr("{} records, the list knows {}; the state is behind: see aloftd's log", records, known)
                : tr("{} records, the list knows {}", records, known));
    add_row(cells, false, tr("spool"), tr("{} records of nodes wait", printable(seen.at("spool_records"))));
    add_row(cells, false, tr("reviews"), waiting(seen.at("waiting")));
    add_row(cells, false, tr("fence"), tr("stopped about {} attempts", printable(seen.at("stopped"))));
    std::string refused;
    for (const auto& [operation, count] : seen.at("refused").items())
        refused += (refused.empty() ? "" : ", ") + printable(operation) + " " + printable(count);
    add_row(cells, false, tr("refused"), refused.empty() ? tr("nothing since aloftd began") : refused);
    const json& backup = seen.at("backup");
    const bool is_old =
        !backup.is_string() || now - core::parse_rfc3339(backup.get<std::string>()) > kBackupSeconds;
    add_row(cells, is_old, tr("backup"), ago(backup, now));
    return cells;
}

}  // namespace

std::vector<std::string> top_lines(const json& seen, const std::string& site, std::size_t most,
                                   std::size_t rows) {
    std::vector<std::string> lines = table_lines(whole(seen, site), most);
    const auto add = [&](const Cells& cells) {
        lines.emplace_back();
        for (std::string& line : table_lines(cells, most)) lines.push_back(std::move(line));
    };
    std::size_t fit = 0;
    Cells nodes{{" " + tr("host"), tr("enclaves"), tr("reported"), tr("what is wrong")}};
    for (const json& node : seen.at("nodes")) {
        if (node.at("misses").empty()) {
            ++fit;
            continue;
        }
        nodes.push_back(
            {"!" + printable(node.at("node")), printable(node.at("enclaves")),
             node.at("reported_seconds").is_null()
                 ? tr("never")
                 : tr("{} ago", duration_in_words(node.at("reported_seconds").get<std::int64_t>())),
             printable(node.at("misses"))});
    }
    Cells enclaves{{" " + tr("enclave"), tr("state"), tr("since"), tr("jobs that run")}};
    for (const json& one : seen.at("enclaves"))
        enclaves.push_back({(one.at("state") == "suspended" ? "!" : " ") + printable(one.at("enclave")),
                            printable(one.at("state")), printable(one.at("since")),
                            printable(one.at("running"))});
    add(enclaves);
    if (nodes.size() > 1) add(nodes);
    lines.emplace_back();
    lines.push_back(" " + tr("{} of {} hosts are fit", fit, seen.at("nodes").size()));
    if (rows > 0 && lines.size() > rows) {
        const std::size_t left = lines.size() - rows + 1;
        lines.resize(rows - 1);
        lines.push_back(" " + tr("and {} more lines: aloft top --once", left));
    }
    return lines;
}

namespace {

bool wants_colour() {
    const char* none = std::getenv("NO_COLOR");  // https://no-color.org
    return ::isatty(STDOUT_FILENO) && (!none || !*none);
}

void show(const std::vector<std::string>& lines) {
    const bool is_coloured = wants_colour();
    for (const std::string& line : lines)
        std::cout << (is_coloured && line.starts_with('!') ? "\x1b[31m" + line + "\x1b[0m" : line) << '\n';
    std::cout.flush();
}

std::size_t screen_rows() {
    winsize size{};
    constexpr std::size_t kUsual = 24;
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 ? size.ws_row - 1u : kUsual - 1;
}

void top(const Common& common, bool once, std::int64_t every) {
    const core::Site site = common.site();
    const auto ask_now = [&] { return ask(site.socket, {{"op", "overview"}}).body; };
    if (common.json) return print(common, ask_now(), "");
    if (once || !::isatty(STDOUT_FILENO)) return show(top_lines(ask_now(), site.name, table_width(), 0));
    for (;;) {
        std::vector<std::string> lines;
        try {
            lines = top_lines(ask_now(), site.name, table_width(), screen_rows());
        } catch (const Error& e) {
            if (e.fault() != core::Fault::system) throw;
            lines = {"!" + tr("aloftd does not answer: {}", core::translated(core::told(e).message()))};
            lines.front() = core::printable_text(lines.front());
        }
        std::cout << "\x1b[H\x1b[2J";
        show(lines);
        std::this_thread::sleep_for(std::chrono::seconds(every));
    }
}

}  // namespace

void add_top(CLI::App& app, Common& common) {
    static bool once = false;
    static std::int64_t every = 5;
    CLI::App* verb =
        add_verb(app, common, "top",
                 "The site at a glance, again and again: the list, the ledger, what waits, enclaves, nodes "
                 "that are not fit (admins and auditors)",
                 "aloft top --once", Changes::nothing, [&common] { top(common, once, every); });
    verb->add_flag("--once", once, "One look, all lines; so it is in a pipe and with --json");
    verb->add_option("--every", every, "Seconds between two looks")
        ->capture_default_str()
        ->check(CLI::Range(1, 3600));
}

}  // namespace jobs
