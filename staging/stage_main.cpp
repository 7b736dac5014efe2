// aloft-stage: deliveries in, sealed dataset versions out.
#include <iostream>
#include <optional>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "core/mpi/tool.h"
#include "core/shard/manifest.h"
#include "core/shard/reader.h"
#include "staging/build/build.h"
#include "staging/build/init.h"
#include "staging/read/worker.h"
#include "staging/report/summary.h"

namespace {

using Json = nlohmann::ordered_json;

// JSON for programs, "key: value" lines for people.
void print(const Json& result, bool as_json) {
    if (as_json) {
        std::cout << result.dump() << '\n';
        return;
    }
    for (const auto& [key, value] : result.items()) {
        if (!value.is_object()) {
            std::cout << key << ": " << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
            continue;
        }
        std::cout << key << ":";
        for (const auto& [name, inner] : value.items()) std::cout << "  " << name << ' ' << inner.dump();
        std::cout << '\n';
    }
}

void add_example(CLI::App& app, const std::string& example) {
    app.footer("Example:\n  " + example);
}

struct Flags {
    staging::BuildRequest build;
    staging::InitRequest init;
    std::string delivery;
    std::vector<std::string> deliveries, datasets;
    std::string dir, key;
    bool json = false;
};

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
    build->add_option("--keys", flags.build.keys, "Folder with pseudonym.key and NAME@VERSION.key")
        ->required();
    build->add_option("--out", flags.build.out, "Folder of the version, as DATASETS/digits/1")->required();
    build->add_option("--work", flags.build.work,
                      "Folder for sealed intermediate files, shared by all ranks [OUT/.work]");
    build->add_flag("--dry-run", flags.build.dry_run, "Read and judge everything, write nothing");
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
    init->add_option("--out", flags.init.out, "Folder for deliveries/NAME.toml and datasets/NAME.toml")
        ->required();
    init->add_option("--files", flags.init.most_files, "Look at so many files, evenly spread [all]");
    init->add_flag("--json", flags.json, "Print JSON");
    add_example(*init, "aloft-stage init north=/intake/north --out configs");
    return init;
}

Json verify(const Flags& flags) {
    const core::Manifest manifest = core::open_manifest(flags.dir, {}, core::Seal::optional);
    const core::SecretKey key = core::SecretKey::load(flags.key);
    if (key.id() != manifest.key_id)
        throw core::Error(core::Fault::refused,
                          "this is not the key of " + manifest.id() + " (its id is " + manifest.key_id + ")");
    for (std::size_t i = 0; i < manifest.shards.size(); ++i)
        core::verify_shard(core::shard_path(flags.dir, manifest.shards[i]), manifest.shards[i],
                           manifest.schema, manifest.id(), static_cast<std::int64_t>(i), key);
    return {{"dataset", manifest.id()},
            {"verified", true},
            {"shards", manifest.shards.size()},
            {"samples", manifest.samples()}};
}

Json seal(const Flags& flags) {
    const core::SigningKey steward = core::SigningKey::load(flags.key);
    core::seal_manifest(flags.dir, steward, core::now_seconds());
    const core::Manifest manifest =
        core::open_manifest(flags.dir, {steward.verify_key()}, core::Seal::required);
    return {{"dataset", manifest.id()}, {"sealed", true}, {"steward_key_id", steward.verify_key().id()}};
}

Json inspect(const Flags& flags) {
    const core::Manifest manifest = core::open_manifest(flags.dir, {}, core::Seal::optional);
    Json out = staging::manifest_summary(manifest);
    out["deidentification"] = manifest.deidentification;
    out["risk"] = manifest.risk;
    out["splits_record"] = manifest.splits;
    out["parents"] = manifest.parents;
    return out;
}

void list_quarantine(const Flags& flags) {
    const std::string lines = core::read_text(std::filesystem::path(flags.dir) / "reports/quarantine.jsonl",
                                              std::uint64_t{1} << 34);
    if (flags.json) {
        std::cout << lines;
        return;
    }
    std::size_t at = 0;
    while (at < lines.size()) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        const Json one = Json::parse(lines.substr(at, end - at));
        std::cout << one.at("site").get<std::string>() << "  file " << one.at("number");
        if (one.contains("row")) std::cout << " row " << one.at("row");
        std::cout << "  " << one.at("name").get<std::string>() << "  " << one.at("reason").get<std::string>();
        if (one.contains("detail")) std::cout << " (" << one.at("detail").get<std::string>() << ")";
        std::cout << '\n';
        at = end + 1;
    }
}

CLI::App* add_on_dir(CLI::App& app, const char* name, const char* text, Flags& flags, const char* key,
                     const std::string& example) {
    CLI::App* command = app.add_subcommand(name, text);
    command->add_option("dir", flags.dir, "Folder of the version, as DATASETS/digits/1")->required();
    if (key) command->add_option("--key", flags.key, key)->required();
    command->add_flag("--json", flags.json, "Print JSON");
    add_example(*command, example);
    return command;
}

}  // namespace

int main(int argc, char** argv) {
    // Parsers are forked while this process is empty: before flags, keys, threads and MPI.
    const bool is_build = argc > 1 && std::string_view(argv[1]) == "build";
    const bool is_init = argc > 1 && std::string_view(argv[1]) == "init";
    std::optional<staging::Readers> server;
    try {
        if (is_build || is_init) server.emplace();
        core::forbid_core_dumps();
    } catch (const core::Error& e) {
        core::Event("error", "system").with("text", e.what());
        return static_cast<int>(e.fault());
    }

    CLI::App app{
        "Takes hospitals' deliveries in: de-identified, encrypted shards and a manifest. Runs as the intake "
        "account.",
        "aloft-stage"};
    app.require_subcommand(1);
    Flags flags;
    CLI::App* build = add_build(app, flags);
    CLI::App* init = add_init(app, flags);
    CLI::App* check =
        add_on_dir(app, "verify", "Read every shard back: SHA-256, every tag, every sample", flags,
                   "The dataset's key", "aloft-stage verify /srv/datasets/digits/1 --key digits@1.key");
    CLI::App* seals =
        add_on_dir(app, "seal", "Sign the manifest: the version never changes from here on", flags,
                   "The steward's key", "aloft-stage seal /srv/datasets/digits/1 --key steward.key");
    CLI::App* shows = add_on_dir(app, "inspect", "What the manifest says; needs no key", flags, nullptr,
                                 "aloft-stage inspect /srv/datasets/digits/1 --json");
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
                   flags, nullptr, "aloft-stage quarantine list /srv/datasets/digits/1 --json");
    add_example(app,
                "aloft-stage keys new KEYS --dataset digits@1\n"
                "  mpirun -n 2 aloft-stage build --dataset configs/datasets/digits.toml --delivery north=DIR "
                "--keys KEYS --out OUT\n"
                "  aloft-stage verify OUT --key KEYS/digits@1.key");

    if (is_build) {
        return core::run_mpi_tool(app, argc, argv, [&](const core::Comm& world) {
            core::together(world, [&] {
                for (const std::string& text : flags.deliveries)
                    flags.build.deliveries.push_back(staging::parse_delivery(text));
            });
            const Json summary = staging::build(flags.build, *server, world);
            if (world.is_root()) print(summary, flags.json);
        });
    }
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
        if (check->parsed()) print(verify(flags), flags.json);
        if (seals->parsed()) print(seal(flags), flags.json);
        if (shows->parsed()) print(inspect(flags), flags.json);
        if (lists->parsed()) list_quarantine(flags);
        if (make->parsed()) print({{"made", staging::make_keys(flags.dir, flags.datasets)}}, flags.json);
    });
}
