#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/message.h"
#include "core/base/site.h"
#include "jobs/wire/channel.h"
#include "jobs/wire/duration.h"
#include "jobs/wire/preflight.h"

namespace jobs {

using core::tr;

// What every command of `aloft` shares. The command that was typed sets `run`; main runs it after parsing.
struct Common {
    bool json = false, dry_run = false;
    std::filesystem::path site_file;
    std::function<void()> run;

    core::Site site() const { return core::Site::load(site_file); }
};

// Each adds one noun with its verbs.
void add_admin(CLI::App& app, Common& common);
void add_keys(CLI::App& admin, Common& common);       // of aloft admin
void add_backup(CLI::App& admin, Common& common);     // of aloft admin: backup and restore
void add_enclave(CLI::App& admin, Common& common);    // of aloft admin
void add_rekey(CLI::App& enclave, Common& common);    // of aloft admin enclave
void add_preflight(CLI::App& admin, Common& common);  // of aloft admin
void add_site(CLI::App& admin, Common& common);       // of aloft admin
void add_catalogue(CLI::App& app, Common& common);
void add_apply(CLI::App& app, Common& common);
void add_review(CLI::App& app, Common& common);
void add_grant(CLI::App& app, Common& common);
void add_submit(CLI::App& app, Common& common);  // submit, cancel and requeue
void add_shell(CLI::App& app, Common& common);
void add_watch(CLI::App& app, Common& common);  // watch, logs and jobs
void add_release(CLI::App& app, Common& common);
void add_usage(CLI::App& app, Common& common);
void add_audit(CLI::App& app, Common& common);
void add_doctor(CLI::App& app, Common& common);

enum class Changes { nothing, something };

// A verb: --json on all, --dry-run where it changes something; `example` is shown by --help.
CLI::App* add_verb(CLI::App& noun, Common& common, const std::string& name, const std::string& description,
                   const std::string& example, Changes changes, std::function<void()> run);

// A list of aloftd's by the name of its operation. No command asks for one in another way: an answer has a page of it.
enum class Pages { all, first };
Listing list_of(const Common& common, std::string_view operation, Pages pages = Pages::all);

// The answer as one JSON object on stdout with --json, else `sentence`. The protocol's "ok" is left out.
void print(const Common& common, nlohmann::json answer, const std::string& sentence);
// Rows as one line each, columns in the order given, folded where a terminal is narrower (cli/table); or with --json {NAME: rows}.
void print_rows(const Common& common, const std::string& name, const nlohmann::json& rows,
                const std::vector<std::string>& columns);
// A column's or field's name over a table, in the reader's language: "dataset" is "dataset", or "資料集".
std::string head_of(const std::string& column);
// Texts of other people reach a terminal: control characters are shown, not obeyed. A list is joined by
// commas.
std::string printable(const nlohmann::json& value);
// What the fence stopped of a job, a line per attempt ("blocked: TCP to 203.0.113.5:443, 3 times") or, where
// only counts are known, per kind; "" if nothing was. `blocked` and `attempts` as a node's record has them.
std::string describe_blocked(const nlohmann::json& blocked, const nlohmann::json& attempts);
// The rows of "preflight.reports".
std::vector<Report> reports_of(const nlohmann::json& rows);
// Checks (to_json) as a table of these columns, each with its remedy below.
void print_checks(const Common& common, nlohmann::json rows, const std::vector<std::string>& columns);
inline const std::vector<std::string> kEnclaveChecks = {"enclave", "host",  "layer",
                                                        "verdict", "check", "found"};
// aloftd's two key pairs, at a site that has none. Throws Error(usage) if one is there.
void make_service_keys(const core::Site& site);
// Slurm's settings as this host sees them; nothing where there is no scontrol.
std::optional<std::vector<Check>> slurm_checks_here(const core::Enclave& enclave);
// With --dry-run: prints what would be asked of aloftd and returns true.
bool only_tells(const Common& common, const nlohmann::json& request);

// One word that a POSIX shell reads as exactly `word`.
std::string shell_quoted(const std::string& word);

}  // namespace jobs
