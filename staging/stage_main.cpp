// aloft-stage: deliveries in, sealed dataset versions out.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <utility>

#include "core/base/event.h"
#include "core/base/progress.h"
#include "core/base/split.h"
#include "core/base/tool.h"
#include "core/mpi/tool.h"
#include "core/shard/version.h"
#include "staging/build/build.h"
#include "staging/build/dry_run.h"
#include "staging/build/init.h"
#include "staging/read/worker.h"
#include "staging/report/summary.h"
#include "staging/tool/card.h"
#include "staging/tool/contact_sheet.h"
#include "staging/tool/print.h"
#include "staging/tool/quarantine.h"
#include "staging/tool/report.h"
#include "staging/tool/risk.h"
#include "staging/tool/seal.h"
#include "staging/tool/verify.h"

namespace {

using Json = nlohmann::ordered_json;

// JSON for programs, lines and tables for people.
void print(const Json& result, bool as_json) {
    if (as_json)
        core::print_json(result);
    else
        staging::print_words(std::cout, result);
}

void add_example(CLI::App& app, const std::string& example) {
    app.footer("Example:\n  " + example);
}

struct Flags {
    staging::BuildRequest build;
    staging::InitRequest init;
    staging::CheckRequest check;
    staging::RiskRequest risk;
    staging::CardRequest card;
    staging::SheetRequest sheet;
    std::vector<std::string> deliveries, datasets, cut, left_out;
    std::string delivery, dir, key, steward, file, what, out, limits, metrics;
    bool json = false, shown = false;
};

constexpr const char* kMetricsHelp =
    "Keep the progress in this file, too, for the site's monitoring (node_exporter's textfile collector)";

CLI::App* add_build(CLI::App& app, Flags& flags) {
    CLI::App* build = app.add_subcommand(
        "build", "Deliveries to a dataset version. Run it again after a crash: it goes on.");
    build->add_option("--dataset", flags.build.dataset, "The dataset's definition (configs/datasets/*.toml)")
        ->required();
    build
        ->add_option("--delivery", flags.deliveries,
                     "NAME=DIR: a hospital's name and its folder; once for each")
        ->required();
    build->add_option(
        "--deliveries", flags.build.descriptions,
        "What the hospitals declare: a file (configs/deliveries/*.toml) or a folder of NAME.toml");
    build->add_option("--left-out", flags.left_out,
                      "NAME=FILE: a hospital's list of people of whom nothing may be taken "
                      "(configs/deliveries/left-out.toml); once for each list");
    build->add_option("--keys", flags.build.keys, "Folder with pseudonym.key and NAME@VERSION.key")
        ->required();
    build->add_option("--out", flags.build.out, "Folder of the version, as DATASETS/digits/1")->required();
    build->add_option("--work", flags.build.work,
                      "Where the folder of sealed intermediate files is made, shared by all ranks [OUT]");
    build->add_flag(
        "--dry-run", flags.build.dry_run,
        "Read and judge each file by itself, write nothing: what passes, what not and why; exit code 3 if "
        "nothing does. Whether files contradict one another (duplicates, patients of one study) the build "
        "alone sees");
    build->add_flag("--discard", flags.build.discard,
                    "Remove what an unfinished build of something else has left in OUT");
    build->add_option(
        "--cut", flags.cut,
        "NAME=NUMBER: how work is cut; the version's bytes do not depend on it. NAME is one of " +
            core::joined(staging::Options::names()));
    build->add_option("--metrics", flags.metrics, kMetricsHelp);
    build->add_flag("--json", flags.json, "Print the summary as JSON");
    add_example(*build,
                "mpirun -n 2 aloft-stage build --dataset configs/datasets/digits.toml --delivery "
                "north=/intake/north\n"
                "    --keys /etc/intake/keys --out /srv/datasets/digits/1");
    return build;
}

CLI::App* add_init(CLI::App& app, Flags& flags) {
    CLI::App* init = app.add_subcommand(
        "init",
        "What is in a delivery; a first description of it and a first definition. Never a value from it.");
    init->add_option("delivery", flags.delivery, "NAME=DIR: a hospital's name and its folder")->required();
    init->add_option("--out", flags.init.out,
                     "Folder for deliveries/NAME.toml and datasets/NAME.toml; profiles are in its deid/")
        ->required();
    init->add_option("--files", flags.init.most_files, "Look at so many files, evenly spread [all]");
    init->add_flag("--json", flags.json, "Print JSON");
    add_example(*init, "aloft-stage init north=/intake/north --out configs");
    return init;
}

// What these commands look at is what a build that has ended has left.
void must_be_built(const std::filesystem::path& dir) {
    std::error_code unseen;  // whoever opens the manifest says why
    if (std::filesystem::exists(dir, unseen) && !std::filesystem::exists(dir / "manifest.json", unseen) &&
        !unseen)
        throw core::Error(core::Fault::data,
                          dir.string() +
                              " holds no version: its build has not ended (run it again), or took "
                              "nothing (aloft-stage quarantine list)");
}

Json inspect(const Flags& flags) {
    const core::Manifest manifest = core::open_manifest(flags.dir, {}, core::Seal::optional);
    Json out = staging::manifest_summary(manifest);
    out["deidentification"] = manifest.deidentification;
    out["risk"] = manifest.risk;
    out["moments"] = manifest.moments;
    out["splits_record"] = manifest.splits;
    out["parents"] = manifest.parents;
    return out;
}

void list_quarantine(const Flags& flags) {
    staging::each_quarantined(flags.dir, [&](const Json& one) {
        flags.json ? void(std::cout << one.dump() << '\n') : staging::print_quarantined(std::cout, one);
    });
}

CLI::App* add_risk(CLI::App& app, Flags& flags) {
    CLI::App* risk = app.add_subcommand(
        "risk",
        "What a table of patients, or a version, tells of each of them: who stands out, and what hides them");
    risk->add_option("table", flags.risk.files.table, "The table (CSV), or the folder of a version")
        ->required();
    risk->add_option("--rules", flags.risk.rules,
                     "What the table's columns are, and what its patients must hold "
                     "(configs/risk/table.toml); of a version "
                     "with --with, of [linked] alone");
    risk->add_option("--population", flags.risk.files.population,
                     "A table of all people whom a patient could be, with the same quasi-identifiers");
    risk->add_option("--register", flags.risk.files.people_of_register,
                     "The same of a public register: how surely is somebody of it in the dataset?");
    risk->add_option(
            "--with", flags.risk.others.files,
            "What an attacker may hold beside it: another table, or another version or dataset of the "
            "project; once for each. All are judged together")
        ->allow_extra_args(false);
    risk->add_option("--with-rules", flags.risk.others.rules,
                     "The rules of the tables of --with: one file for all, or one for each in their order "
                     "[--rules]")
        ->allow_extra_args(false);
    risk->add_option("--keys", flags.risk.others.keys,
                     "With versions and --with: the folder with NAME@VERSION.key of all of them");
    risk->add_flag("--shown", flags.shown,
                   "Print what may be shown: counts rounded, \"<10\" where fewer, no chances");
    risk->add_flag("--json", flags.json, "Print JSON");
    add_example(
        *risk,
        "aloft-stage risk patients.csv --rules configs/risk/table.toml    # exit code 5: does not hold\n"
        "  aloft-stage risk /srv/datasets/digits/1 --json\n"
        "  aloft-stage risk /srv/datasets/digits/2 --with /srv/datasets/digits/1 --keys /etc/intake/keys");
    return risk;
}

// Of `report`, in place of what it prints or writes else.
CLI::Option* add_sheet(CLI::App& report, staging::SheetRequest& sheet) {
    CLI::Option* file =
        report.add_option("--contact-sheet", sheet.file,
                          "Write images of few patients of each stratum, small strata left out, to this new "
                          "file, 0600. It stays inside");
    file->needs(report.add_option("--key", sheet.key, "The dataset's key, for --contact-sheet")->needs(file));
    report.add_option("--per-stratum", sheet.per_stratum, "Images of each site and vendor, at most")
        ->check(CLI::Range(1, 100))
        ->capture_default_str()
        ->needs(file);
    report.add_option("--seed", sheet.seed, "Another number shows others")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str()
        ->needs(file);
    return file;
}

constexpr const char* kNotHeld = "it does not hold what its rules ask for";

// Whether mpirun or srun has started this process: only then is MPI needed for what one process can do, too.
bool has_ranks() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
        if (std::getenv(name)) return true;
    return false;
}

CLI::App* add_on_dir(CLI::App& app, const char* name, const char* text, Flags& flags,
                     const std::string& example) {
    CLI::App* command = app.add_subcommand(name, text);
    command->add_option("dir", flags.dir, "Folder of the version, as DATASETS/digits/1")->required();
    command->add_flag("--json", flags.json, "Print JSON");
    add_example(*command, example);
    return command;
}

}  // namespace

int main(int argc, char** argv) {
    // Parsers are forked while this process is empty: before flags, keys, threads and MPI.
    const bool is_build = argc > 1 && std::string_view(argv[1]) == "build";
    const bool is_init = argc > 1 && std::string_view(argv[1]) == "init";
    const bool is_risk = argc > 1 && std::string_view(argv[1]) == "risk";
    const bool is_quarantine = argc > 1 && std::string_view(argv[1]) == "quarantine";
    const bool is_check = argc > 1 && std::string_view(argv[1]) == "verify";
    const auto asks_for_sheet = [](std::string_view word) { return word.starts_with("--contact-sheet"); };
    const bool is_sheet = argc > 1 && std::string_view(argv[1]) == "report" &&
                          std::any_of(argv + 2, argv + argc, asks_for_sheet);
    if ((is_build || is_check || is_risk || is_sheet) && has_ranks()) core::leave_json_to_rank_0();
    std::optional<staging::Readers> server;
    try {
        if (is_build || is_init || is_risk || is_quarantine) server.emplace();
        core::forbid_core_dumps();
    } catch (const core::Error& e) {
        return core::tell_failure(argc, argv, e.fault(), e.what());
    }

    CLI::App app{
        "Takes hospitals' deliveries in: de-identified, encrypted shards and a manifest. Runs as the intake "
        "account.",
        "aloft-stage"};
    app.require_subcommand(1);
    Flags flags;
    CLI::App* build = add_build(app, flags);
    CLI::App* init = add_init(app, flags);
    CLI::App* risk = add_risk(app, flags);
    CLI::App* check =
        add_on_dir(app, "verify", "Read everything back: manifest and seal, every shard, every tag", flags,
                   "aloft-stage verify /srv/datasets/digits/1 --key digits@1.key\n"
                   "  mpirun -n 4 aloft-stage verify /srv/datasets/digits/1 --key digits@1.key");
    check->add_option("--key", flags.check.key, "The dataset's key")->required();
    check->add_option("--metrics", flags.metrics, kMetricsHelp);
    check->add_option("--steward", flags.check.steward,
                      "Public key under which it must be sealed (default: the site's, if it is sealed)");
    CLI::App* seals = add_on_dir(
        app, "seal", "Verify, then sign the manifest: the version never changes from here on", flags,
        "aloft-stage seal /srv/datasets/digits/1 --key steward.key --to digits-1.seal    # the "
        "steward, who cannot write there\n"
        "  aloft-stage seal /srv/datasets/digits/1 --attach digits-1.seal --steward steward.pub    "
        "# the intake account");
    CLI::Option* sealing_key = seals->add_option("--key", flags.key, "The steward's key");
    CLI::Option* dataset_key =
        seals->add_option("--dataset-key", flags.check.key,
                          "Opens every sample before it signs (default: compares every file's SHA-256)");
    CLI::Option* to =
        seals->add_option("--to", flags.file, "Write the seal to this file, not into the folder");
    CLI::Option* attach =
        seals->add_option("--attach", flags.file, "Put the seal of this file into the folder, if it holds");
    CLI::Option* sealed_by = seals->add_option("--steward", flags.steward, "The steward's public key");
    attach->needs(sealed_by)->excludes(sealing_key)->excludes(to)->excludes(dataset_key);
    for (CLI::App* command : {check, seals})
        command->add_option("--threads", flags.check.threads,
                            "That read shards [one for each processor; with mpirun, one a rank]");
    CLI::App* shows = add_on_dir(app, "inspect", "What the manifest says; needs no key", flags,
                                 "aloft-stage inspect /srv/datasets/digits/1 --json");
    CLI::App* reports = add_on_dir(
        app, "report", "What was delivered, packed and left out, and what to do about it", flags,
        "aloft-stage report /srv/datasets/digits/1\n"
        "  aloft-stage report /srv/datasets/digits/1 --out reports/digits-1    # to be shown: "
        "small counts rounded\n"
        "  aloft-stage report /srv/datasets/digits/1 --limits configs/quality/limits.toml    # "
        "exit code 5: broken\n"
        "  mpirun -n 4 aloft-stage report /srv/datasets/digits/1 --contact-sheet FILE --key digits@1.key");
    CLI::Option* sheet = add_sheet(*reports, flags.sheet);
    sheet->excludes(reports->add_option(
        "--out", flags.out,
        "Write report.json and report.html, with small counts rounded, into this folder"));
    sheet->excludes(
        reports->add_option("--limits", flags.limits, "What it must hold (configs/quality/*.toml)"));
    attach->excludes(seals->add_option("--limits", flags.limits,
                                       "What its report must hold (configs/quality/*.toml), else no seal"));
    CLI::App* cards = add_on_dir(app, "card",
                                 "What may be told of a sealed version to everybody: cards for programs "
                                 "(Croissant, HealthDCAT-AP) and a datasheet in words",
                                 flags,
                                 "aloft-stage card /srv/datasets/digits/1 --card configs/cards/digits.toml "
                                 "--steward steward.pub --out cards/digits-1");
    cards->add_option("--card", flags.card.card, "What is declared of the dataset (configs/cards/*.toml)")
        ->required();
    cards->add_option("--steward", flags.card.steward,
                      "Public key under which it must be sealed (default: the site's)");
    cards->add_option("--out", flags.card.out, "Folder for the cards")->required();
    CLI::App* keys = app.add_subcommand("keys", "Make the keys of a project");
    keys->require_subcommand(1);
    CLI::App* make =
        keys->add_subcommand("new", "Make pseudonym.key and the datasets' keys where they are missing");
    make->add_option("dir", flags.dir, "Folder of the keys, made 0700")->required();
    make->add_option("--dataset", flags.datasets, "NAME@VERSION; once for each dataset version");
    make->add_flag("--json", flags.json, "Print JSON");
    add_example(*make, "aloft-stage keys new /etc/intake/keys --dataset digits@1 --dataset wdbc@1");
    CLI::App* quarantine = app.add_subcommand("quarantine", "What was left out");
    quarantine->require_subcommand(1);
    CLI::App* lists =
        add_on_dir(*quarantine, "list", "One line for each file or row that was left out, with the reason",
                   flags, "aloft-stage quarantine list /srv/datasets/digits/1 --json");
    CLI::App* finds = add_on_dir(*quarantine, "find",
                                 "Which file of a delivery a record means; prints its path, which can hold "
                                 "identifiers",
                                 flags,
                                 "aloft-stage quarantine find /srv/datasets/digits/1 12 --delivery "
                                 "north=/intake/north --key KEYS/pseudonym.key");
    finds->add_option("--key", flags.key, "pseudonym.key, as the version was built with")->required();
    finds->add_option("what", flags.what, "The record's number or name")->required();
    finds->add_option("--delivery", flags.deliveries, "NAME=DIR: the hospital's name and its folder")
        ->required()
        ->expected(1);
    add_example(app,
                "aloft-stage keys new KEYS --dataset digits@1\n"
                "  mpirun -n 2 aloft-stage build --dataset configs/datasets/digits.toml --delivery north=DIR "
                "--keys KEYS --out OUT\n"
                "  aloft-stage verify OUT --key KEYS/digits@1.key");

    const auto tell_risk = [&](const Json& exact) {
        const Json found = flags.shown ? staging::shown_risk(exact) : exact;
        flags.json ? print(found, true) : staging::print_risk(std::cout, found);
        std::cout.flush();
    };
    const auto run_with_ranks = [&](const std::function<void(const core::Comm&)>& work) {
        return core::run_mpi_tool(app, argc, argv, work, core::Threads::funneled);
    };
    if (is_build)
        return run_with_ranks([&](const core::Comm& world) {
            if (world.is_root()) core::Progress::keep_in(flags.metrics);
            core::together(world, [&] {
                for (const std::string& text : flags.deliveries)
                    flags.build.deliveries.push_back(staging::parse_delivery(text));
                for (const std::string& text : flags.left_out)
                    flags.build.left_out.push_back(staging::parse_delivery(text, "--left-out"));
                for (const std::string& text : flags.cut) flags.build.options.set(text);
            });
            const Json summary = staging::build(flags.build, *server, world);
            if (world.is_root()) print(summary, flags.json);
            core::together(world, [&] {
                if (world.is_root() && staging::takes_nothing(summary))
                    throw core::Error(core::Fault::data, "a build would take nothing: no file passes");
            });
        });
    if (is_check && has_ranks())
        return run_with_ranks([&](const core::Comm& world) {
            if (world.is_root()) core::Progress::keep_in(flags.metrics);
            flags.check.dir = flags.dir;
            core::together(world, [&] { must_be_built(flags.dir); });
            const Json result = staging::verify(flags.check, &world);
            if (world.is_root()) print(result, flags.json);
        });
    const auto tell_sheet = [&](const core::Comm* world) {
        flags.sheet.dir = flags.dir;
        const Json written = staging::write_contact_sheet(flags.sheet, world);
        if (world && !world->is_root()) return;
        flags.json ? print(written, true) : staging::print_contact_sheet(std::cout, written);
    };
    if (is_sheet && has_ranks())
        return run_with_ranks([&](const core::Comm& world) {
            core::together(world, [&] { must_be_built(flags.dir); });
            tell_sheet(&world);
        });
    if (is_risk && has_ranks())
        return run_with_ranks([&](const core::Comm& world) {
            const Json found = staging::judge_risk(flags.risk, *server, &world);
            if (world.is_root()) tell_risk(found);
            if (!staging::holds(found)) throw core::AgreedError(core::Fault::refused, kNotHeld);
        });
    return core::run_tool(app, argc, argv, [&] {
        if (build->parsed())
            throw core::Error(core::Fault::usage, "put `build` first: aloft-stage build ...");
        if (init->parsed()) {
            if (!server) throw core::Error(core::Fault::usage, "put `init` first: aloft-stage init ...");
            const staging::DeliveryFolder delivery = staging::parse_delivery(flags.delivery);
            flags.init.name = delivery.name;
            flags.init.folder = delivery.folder;
            print(staging::init_delivery(flags.init, *server), flags.json);
        }
        if (risk->parsed()) {
            if (!server) throw core::Error(core::Fault::usage, "put `risk` first: aloft-stage risk ...");
            const Json found = staging::judge_risk(flags.risk, *server, nullptr);
            tell_risk(found);
            if (!staging::holds(found)) throw core::Error(core::Fault::refused, kNotHeld);
        }
        flags.check.dir = flags.dir;
        if (check->parsed() || seals->parsed() || shows->parsed() || reports->parsed() || cards->parsed())
            must_be_built(flags.dir);
        if (check->parsed()) {
            core::Progress::keep_in(flags.metrics);
            print(staging::verify(flags.check), flags.json);
        }
        if (seals->parsed()) {
            if (!*attach && !*sealing_key)
                throw core::Error(core::Fault::usage, "seal: give --key, or --attach and --steward");
            flags.check.steward = flags.key;
            flags.check.limits = flags.limits;
            print(*attach ? staging::attach_seal(flags.dir, flags.file, flags.steward)
                          : staging::seal(flags.check, flags.file),
                  flags.json);
        }
        if (shows->parsed()) print(inspect(flags), flags.json);
        if (*sheet) tell_sheet(nullptr);
        if (reports->parsed() && !*sheet) {
            Json report = staging::read_report(flags.dir);
            std::vector<std::string> broken;
            std::optional<core::Manifest> manifest;
            if (!flags.limits.empty() || !flags.out.empty())
                manifest = core::open_manifest(flags.dir, {}, core::Seal::optional);
            if (!flags.limits.empty())
                report["broken"] = broken = staging::broken_by(*manifest, report, flags.limits);
            if (!flags.out.empty()) {
                Json written = staging::write_report(*manifest, report, flags.out);
                if (flags.json && !flags.limits.empty()) written["broken"] = broken;
                print(written, flags.json);
            } else {
                flags.json ? print(report, true) : staging::print_report(std::cout, report);
            }
            std::cout.flush();
            if (!flags.json)
                for (const std::string& one : broken) std::cout << "broken: " << one << '\n';
            if (!broken.empty())
                throw core::Error(core::Fault::refused, std::to_string(broken.size()) + " limits are broken");
        }
        if (cards->parsed()) {
            flags.card.dir = flags.dir;
            print(staging::write_card(flags.card), flags.json);
        }
        if (lists->parsed()) list_quarantine(flags);
        if (finds->parsed()) {
            if (!server)
                throw core::Error(core::Fault::usage,
                                  "put `quarantine` first: aloft-stage quarantine find ...");
            print(staging::find_quarantined(*server, flags.dir, flags.what,
                                            staging::parse_delivery(flags.deliveries.at(0)), flags.key),
                  flags.json);
        }
        if (make->parsed()) print({{"made", staging::make_keys(flags.dir, flags.datasets)}}, flags.json);
    });
}
