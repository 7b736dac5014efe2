// aloft usage: what grants were used for; by month, project or dataset, also as CSV and as a page.
#include <csv.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/html.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "jobs/cli/commands.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

struct Form {
    std::string by;
    bool csv = false;
    std::filesystem::path html;
};

// One row of a table: what it is about, and sums.
struct Sum {
    std::int64_t jobs = 0, completed = 0, failed = 0, node_seconds = 0, gpu_seconds = 0;
};
struct Table {
    std::string by;  // the second column; the first is the month
    std::map<std::pair<std::string, std::string>, Sum> rows;
};

// A project is an application: its grants follow each other. A job counts for each dataset of its grant.
std::vector<std::string> things_of(const json& row, const std::string& by) {
    if (by == "dataset") {
        auto datasets = row.at("datasets").get<std::vector<std::string>>();
        return datasets.empty() ? std::vector<std::string>{"(none)"} : datasets;
    }
    if (by == "project") return {row.at("application").get<std::string>()};
    return {row.at(by).get<std::string>()};
}

Table table_of(const json& rows, const std::string& by) {
    Table table{by, {}};
    for (const json& row : rows) {
        const auto month = row.at("month").get<std::string>();
        const auto add = [&](const std::string& thing) {
            Sum& sum = table.rows[{month, thing}];
            sum.jobs += row.at("jobs").get<std::int64_t>();
            sum.completed += row.at("completed").get<std::int64_t>();
            sum.failed += row.at("failed").get<std::int64_t>();
            sum.node_seconds += row.at("node_seconds").get<std::int64_t>();
            sum.gpu_seconds += row.at("gpu_seconds").get<std::int64_t>();
        };
        if (by == "month")
            add("all");
        else
            for (const std::string& thing : things_of(row, by)) add(thing);
    }
    return table;
}

std::string hours_of(std::int64_t seconds) {  // two digits behind the point, rounded to the nearest
    const std::int64_t hundredths = (seconds + 18) / 36;
    const std::string rest = std::to_string(hundredths % 100);
    return std::to_string(hundredths / 100) + "." + (rest.size() < 2 ? "0" : "") + rest;
}

json to_json(const Table& table) {
    json rows = json::array();
    for (const auto& [key, sum] : table.rows) {
        json row = {{"month", key.first},
                    {"jobs", sum.jobs},
                    {"completed", sum.completed},
                    {"failed", sum.failed},
                    {"node_seconds", sum.node_seconds},
                    {"node_hours", hours_of(sum.node_seconds)},
                    {"gpu_seconds", sum.gpu_seconds},
                    {"gpu_hours", hours_of(sum.gpu_seconds)}};
        if (table.by != "month") row[table.by] = key.second;
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<std::string> columns_of(const Table& table) {
    std::vector<std::string> columns{"month"};
    if (table.by != "month") columns.push_back(table.by);
    columns.insert(columns.end(), {"jobs", "completed", "failed", "node_hours", "gpu_hours"});
    return columns;
}

std::string quoted(const std::string& cell) {  // RFC 4180
    std::string out(2 * cell.size() + 2, '\0');
    out.resize(csv_write(out.data(), out.size(), cell.data(), cell.size()));
    return out;
}

std::string to_csv(const Table& table) {
    std::string out;
    const auto line = [&](const std::vector<std::string>& cells) {
        for (std::size_t i = 0; i < cells.size(); ++i) out += (i ? "," : "") + quoted(cells[i]);
        out += "\r\n";
    };
    const auto columns = columns_of(table);
    line(columns);
    for (const json& row : to_json(table)) {
        std::vector<std::string> cells;
        for (const std::string& column : columns) cells.push_back(printable(row.at(column)));
        line(cells);
    }
    return out;
}

std::string to_html(const Table& table) {
    const auto columns = columns_of(table);
    std::string out =
        "<h2>" +
        core::html_escaped(table.by == "month" ? tr("By month") : tr("By month and {}", head_of(table.by))) +
        "</h2>\n<table><tr>";
    for (const std::string& column : columns) out += "<th>" + core::html_escaped(head_of(column)) + "</th>";
    out += "<th></th></tr>\n";
    std::int64_t most = 1;
    for (const auto& [key, sum] : table.rows) most = std::max(most, sum.node_seconds);
    for (const json& row : to_json(table)) {
        out += "<tr>";
        for (const std::string& column : columns)
            out += "<td>" + core::html_escaped(printable(row.at(column))) + "</td>";
        out += "<td><div style=\"width:" +
               std::to_string(row.at("node_seconds").get<std::int64_t>() * 240 / most) +
               "px\"></div></td></tr>\n";
    }
    return out + "</table>\n";
}

// How a page of ours begins: in some language, and said to be one; as pages began before they said so.
constexpr std::string_view
    kPageBegins = "<!DOCTYPE html>\n<html lang=\"",
    kIsOurs = "\"><meta charset=\"utf-8\"><meta name=\"generator\" content=\"aloft usage\">",
    kOldPageBegins = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Usage</title>";
constexpr std::size_t kLongestTag = 16;

// A page may be written again each night; nothing else is replaced. Throws Error(usage).
void require_own_page(const std::filesystem::path& file) {
    std::error_code none;
    const auto status = std::filesystem::symlink_status(file, none);
    if (!std::filesystem::exists(status)) return;
    std::string begins(kPageBegins.size() + kLongestTag + kIsOurs.size(), '\0');
    if (std::filesystem::is_regular_file(status))
        std::ifstream(file, std::ios::binary)
            .read(begins.data(), static_cast<std::streamsize>(begins.size()));
    const auto tag_end = begins.find('"', kPageBegins.size());
    const bool is_ours = begins.starts_with(kPageBegins) && tag_end != std::string::npos &&
                         begins.compare(tag_end, kIsOurs.size(), kIsOurs) == 0;
    if (!is_ours && !begins.starts_with(kOldPageBegins))
        throw failure(Fault::usage, "{}: exists, and is no page of aloft usage; name another file",
                      file.string());
}

// Everything in one file: no script, nothing is loaded from anywhere.
std::string page_of_all(const std::string& site, const json& rows) {
    const std::string title = core::html_escaped(tr("Usage of {}", site));
    // BCP 47's tag of the language.
    std::string out =
        std::string(kPageBegins) + tr("en") + std::string(kIsOurs) + "<title>" + title +
        "</title>\n<style>body{font:15px "
        "sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse}td,th{padding:.2em "
        ".8em;text-align:left;"
        "border-bottom:1px solid #ddd}td div{height:.8em;background:#47a}</style>\n<h1>" +
        title + "</h1>\n<p>" +
        core::html_escaped(
            tr("Jobs that have ended, by the month of their end, as the ledger knows them on {}. A node hour "
               "is one whole node for an hour, a GPU hour one GPU that Slurm gave to the job. A job counts "
               "for every dataset of its grant.",
               core::rfc3339(core::now_seconds()))) +
        "</p>\n";
    for (const char* by : {"month", "project", "enclave", "dataset"}) out += to_html(table_of(rows, by));
    return out + "</html>\n";
}

void by_month(const Common& common, const Form& form) {
    if (!form.html.empty()) require_own_page(form.html);
    const json rows = list_of(common, "usage.months").rows;
    if (!form.html.empty()) {
        core::write_atomically(form.html, page_of_all(common.site().name, rows), 0600);
        if (form.by.empty())
            return print(common, {{"html", form.html.string()}}, tr("written: {}", form.html.string()));
    }
    const Table table = table_of(rows, form.by.empty() ? "month" : form.by);
    if (form.csv)
        std::cout << to_csv(table);
    else
        print_rows(common, "usage", to_json(table), columns_of(table));
}

}  // namespace

void add_usage(CLI::App& app, Common& common) {
    static Form form;
    CLI::App* verb =
        add_verb(app, common, "usage",
                 "What each grant was used for; or, of jobs that have ended, by month and something else",
                 "aloft usage --by dataset --csv", Changes::nothing, [&common] {
                     if (!form.by.empty() || form.csv || !form.html.empty()) return by_month(common, form);
                     print_rows(common, "usage", list_of(common, "usage").rows,
                                {"grant", "account", "enclave", "jobs", "completed", "failed", "node_seconds",
                                 "gpu_seconds", "node_seconds_left", "gpu_seconds_left", "release_requests",
                                 "releases", "not_after"});
                 });
    verb->add_option("--by", form.by, "month, project (an application), enclave, account, grant, dataset")
        ->check(CLI::IsMember({"month", "project", "enclave", "account", "grant", "dataset"}));
    verb->add_flag("--csv", form.csv, "As CSV (RFC 4180) on stdout")->excludes(verb->get_option("--json"));
    verb->add_option("--html", form.html, "A page with all tables, which needs nothing else")
        ->type_name("FILE");
}

}  // namespace jobs
