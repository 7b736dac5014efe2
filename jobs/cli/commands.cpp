#include "jobs/cli/commands.h"

#include <algorithm>
#include <iostream>

#include "core/base/printable.h"
#include "core/base/tool.h"
#include "jobs/cli/table.h"
#include "jobs/wire/channel.h"

namespace jobs {

using nlohmann::json;

std::string printable(const json& value) {
    if (value.is_null()) return "-";
    if (value.is_array()) {
        std::string out;
        for (const json& entry : value) out += (out.empty() ? "" : ",") + printable(entry);
        return out.empty() ? "-" : out;
    }
    return core::printable_text(value.is_string() ? value.get<std::string>() : value.dump());
}

CLI::App* add_verb(CLI::App& noun, Common& common, const std::string& name, const std::string& description,
                   const std::string& example, Changes changes, std::function<void()> run) {
    CLI::App* verb = noun.add_subcommand(name, description);
    verb->footer(tr("Example:  {}", example));
    verb->add_flag("--json", common.json, "Print one JSON object");
    if (changes == Changes::something)
        verb->add_flag("--dry-run", common.dry_run, "Say what would be done, and do nothing");
    verb->callback([&common, run = std::move(run)] { common.run = run; });
    return verb;
}

void print(const Common& common, json answer, const std::string& sentence) {
    answer.erase("ok");
    if (common.json)
        core::print_json(answer);
    else
        std::cout << sentence << '\n';
}

void print_rows(const Common& common, const std::string& name, const json& rows,
                const std::vector<std::string>& columns) {
    if (common.json) {
        core::print_json(json{{name, rows}});
        return;
    }
    std::vector<std::vector<std::string>> table(1);
    for (const std::string& column : columns) table.front().push_back(head_of(column));
    for (const json& row : rows) {
        std::vector<std::string>& cells = table.emplace_back();
        for (const std::string& column : columns) cells.push_back(printable(row.value(column, json())));
    }
    for (const std::string& line : table_lines(table, table_width())) std::cout << line << '\n';
}

namespace {

struct Listed {
    std::string_view operation, rows;  // under which name an answer has its rows
};
constexpr Listed kLists[] = {
    {"application.list", "applications"},
    {"dataset.list", "datasets"},
    {"enclave.list", "enclaves"},
    {"preflight.reports", "reports"},
    {"grant.list", "grants"},
    {"job.list", "jobs"},
    {"usage", "usage"},
    {"usage.months", "usage"},
    {"release.list", "releases"},
};

}  // namespace

Listing list_of(const Common& common, std::string_view operation, Pages pages) {
    const auto list = std::find_if(std::begin(kLists), std::end(kLists),
                                   [&](const Listed& one) { return one.operation == operation; });
    if (list == std::end(kLists)) throw core::failure(core::Fault::bug, "no list of this name");
    const json request = {{"op", operation}};
    const std::string rows(list->rows);
    if (pages == Pages::all) return ask_all(common.site().socket, request, rows);
    return page_of(ask(common.site().socket, request).body, rows);
}

std::string describe_blocked(const json& blocked, const json& attempts) {
    const auto times = [](const json& count) {
        return count == 1 ? tr(", once") : tr(", {} times", printable(count));
    };
    std::string out;
    for (const json& attempt : attempts) {
        const std::string what = printable(attempt.at("what")), to = printable(attempt.at("to"));
        out += (to.empty() ? tr("blocked: {}", what) : tr("blocked: {} to {}", what, to)) +
               times(attempt.at("count")) + "\n";
    }
    if (out.empty())
        for (const auto& [kind, count] : blocked.items())
            if (count != 0) out += tr("blocked: {}", printable(kind)) + times(count) + "\n";
    return out;
}

bool only_tells(const Common& common, const json& request) {
    if (common.dry_run) core::print_json(request, common.json ? -1 : 2);
    return common.dry_run;
}

std::string shell_quoted(const std::string& word) {
    std::string out = "'";
    for (const char c : word) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

}  // namespace jobs
