#include "jobs/cli/top.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/width.h"

using nlohmann::json;

namespace {

json site_of(std::size_t bad_nodes) {
    json nodes = {
        {{"node", "n0"}, {"enclaves", {"hel"}}, {"reported_seconds", 60}, {"misses", json::array()}}};
    for (std::size_t i = 1; i <= bad_nodes; ++i)
        nodes.push_back({{"node", "n" + std::to_string(i)},
                         {"enclaves", {"hel"}},
                         {"reported_seconds", 90000},
                         {"misses", {"no report for a day", "核心版本太舊, 請更新\x1b[2J"}}});
    nodes.push_back({{"node", "n-new"},
                     {"enclaves", {"hel"}},
                     {"reported_seconds", nullptr},
                     {"misses", {"report: none"}}});
    return {
        {"time", "2026-11-28T06:00:00Z"},
        {"version", "1"},
        {"enclaves",
         {{{"enclave", "hel"}, {"state", "suspended"}, {"since", "2026-11-27T06:00:00Z"}, {"running", 3}}}},
        {"nodes", nodes},
        {"waiting",
         {{"applications", 2}, {"applications_seconds", 260000}, {"releases", 0}, {"releases_seconds", 0}}},
        {"stopped", 50},
        {"refused", {{"grant.revoke", 1}, {"release.request", 12}}},
        {"list", {{"issued", "2026-11-28T05:59:57Z"}, {"stale_seconds", 60}, {"is_stale", false}}},
        {"ledger", {{"records", 120}, {"list_records", 118}}},
        {"state_is_behind", false},
        {"spool_records", 0},
        {"backup", "2026-11-28T03:00:00Z"}};
}

bool has(const std::vector<std::string>& lines, const std::string& text) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.find(text) != line.npos; });
}
std::ptrdiff_t alarms(const std::vector<std::string>& lines) {
    return std::count_if(lines.begin(), lines.end(),
                         [](const std::string& line) { return line.starts_with('!'); });
}

}  // namespace

TEST_CASE("one screen tells what is, and marks what somebody must see to") {
    const auto lines = jobs::top_lines(site_of(1), "scratch", 0, 0);
    for (const char* text : {"signed 3 s ago", "120 records, the list knows 118",
                             "2 applications, the oldest for 3 d; no releases", "about 50",
                             "grant.revoke 1, release.request 12", "3 h ago", "1 of 3 hosts are fit"})
        CHECK(has(lines, text));
    CHECK(has(lines, "!hel"));
    CHECK(has(lines, "!n1"));
    CHECK(has(lines, "!n-new  hel       never     report: none"));
    CHECK_FALSE(has(lines, "n0"));
    CHECK(alarms(lines) == 3);
}

TEST_CASE("a stale list, a state that is behind and no backup are marked") {
    json site = site_of(0);
    CHECK(alarms(jobs::top_lines(site, "scratch", 0, 0)) == 2);  // the enclave, a node that never reported
    site["list"] = {{"issued", nullptr}, {"stale_seconds", 60}, {"is_stale", true}};
    site["state_is_behind"] = true;
    site["backup"] = nullptr;
    const auto lines = jobs::top_lines(site, "scratch", 0, 0);
    CHECK(alarms(lines) == 5);
    CHECK(has(lines, "never"));
}

TEST_CASE("no line is wider than the screen, there are no more lines than it has, and nothing is obeyed") {
    for (const std::size_t most : {40u, 80u, 132u})
        for (const auto& line : jobs::top_lines(site_of(30), "scratch", most, 0)) {
            CHECK(core::width_of(line) <= most);
            CHECK(line.find('\x1b') == std::string::npos);
        }
    const auto lines = jobs::top_lines(site_of(30), "scratch", 80, 23);
    CHECK(lines.size() == 23);
    CHECK(has(lines, "more lines: aloft top --once"));
    CHECK(jobs::top_lines(site_of(0), "scratch", 80, 40).size() < 40);
}
