// aloft-train: flags, and nothing else. `fit` reads as its own summary in engine/fit.cpp.
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "core/mpi/tool.h"
#include "trainer/engine/explain.h"
#include "trainer/engine/fit.h"
#include "trainer/engine/signals.h"
#include "trainer/engine/study.h"
#include "trainer/eval/events.h"
#include "trainer/eval/study.h"

namespace {

using Json = nlohmann::ordered_json;

void print_measures(const std::string& name, const Json& m, const trainer::Judge& judge) {
    std::cout << "  " << std::left << std::setw(28) << name << std::right << std::setw(9)
              << m.at("samples").get<std::int64_t>() << std::fixed << std::setprecision(4);
    for (const auto& [figure, heading] : judge.shown()) {
        const std::string key(figure);
        std::cout << std::setw(9);
        if (m.at(key).is_null())
            std::cout << '-';
        else if (judge.figures()[judge.place(figure)].significant > 0)
            std::cout << std::defaultfloat << m.at(key).get<double>();
        else
            std::cout << std::fixed << m.at(key).get<double>();
    }
    std::cout << '\n';
}

void print_metrics(const Json& metrics, const trainer::Judge& judge) {
    std::cout << metrics.at("model").get<std::string>() << " on " << metrics.at("dataset").get<std::string>()
              << " (" << metrics.at("split").get<std::string>() << ", " << metrics.at("patients")
              << " patients), worst first\n"
              << "  " << std::setw(28 + 9) << "samples";
    for (const auto& [figure, heading] : judge.shown()) std::cout << std::setw(9) << heading;
    std::cout << '\n';
    print_measures("overall", metrics.at("overall"), judge);
    for (const auto& [name, stratum] : metrics.at("strata").items()) {
        for (const auto& each : stratum.at("worst_first"))
            print_measures(name + " " + each.at("value").get<std::string>(), each, judge);
        if (const auto count = stratum.at("suppressed").size())
            std::cout << "  " << name << ": " << count << " too small to be shown\n";
    }
}

// What a path on the command line must be: there; or, where something is to be written, a folder or none, or a file in a
// folder that is there.
enum class Wanted { file, folder, version, new_folder, new_file };

// Whichever verb asks, a path that cannot be meant is the caller's fault. What is there and cannot be read is told by
// whoever reads it.
void check(const CLI::Option& option, Wanted wanted) {
    namespace fs = std::filesystem;
    if (option.count() == 0) return;
    const auto refuse = [&](const std::string& why) {
        throw core::Error(core::Fault::usage, option.get_name() + ": " + why);
    };
    const auto type_of = [](const fs::path& path) {
        std::error_code unread;  // then its type is unknown or none
        return fs::status(path, unread).type();
    };
    const auto is_other = [&](const fs::path& path, bool is_folder) {
        const fs::file_type type = type_of(path);
        const bool is_known = type != fs::file_type::unknown && type != fs::file_type::none;
        return is_known && (type == fs::file_type::directory) != is_folder;
    };
    const auto is_absent = [&](const fs::path& path) { return type_of(path) == fs::file_type::not_found; };

    const fs::path path = option.as<std::string>();
    const bool is_new = wanted == Wanted::new_folder || wanted == Wanted::new_file;
    const bool is_file = wanted == Wanted::file || wanted == Wanted::new_file;
    if (!is_absent(path)) {
        if (is_other(path, !is_file))
            refuse(path.string() + (is_file ? " is a folder, and a file is needed" : " is no folder"));
    } else if (!is_new) {
        refuse(std::string("there is no ") + (is_file ? "file " : "folder ") + path.string());
    } else {  // folders are made, and files in those that are there
        fs::path above = fs::absolute(path).parent_path();
        if (wanted == Wanted::new_file && is_absent(above))
            refuse("there is no folder " + above.string() + " to write a file into");
        while (is_absent(above) && above.has_relative_path()) above = above.parent_path();
        if (is_other(above, true)) refuse(above.string() + " is no folder");
    }
    if (wanted == Wanted::version && is_absent(path / "manifest.json"))
        refuse(path.string() + " is no dataset version: it has no manifest.json");
}

core::Manifest manifest_of(const trainer::Access& access) {
    std::vector<core::VerifyKey> stewards;
    if (!access.steward.empty()) stewards.push_back(core::VerifyKey::load(access.steward));
    return core::open_manifest(access.dataset, stewards,
                               stewards.empty() ? core::Seal::optional : core::Seal::required);
}

void print_study(const Json& summary, const std::filesystem::path& study) {
    std::cout << trainer::where_study_fails(summary) << '\n';
    if (!summary.at("missing_runs").empty())
        std::cout << "not over: " << summary["missing_runs"].dump() << '\n';
    std::cout << (study / "summary.html").string() << '\n';
}

// What the manifest says, without a key.
void print_summary(const core::Manifest& manifest, bool as_json) {
    if (as_json) {
        core::print_json(Json{{"dataset", manifest.id()},
                              {"samples", manifest.samples()},
                              {"shards", manifest.shards()},
                              {"bytes", manifest.bytes()},
                              {"schema", core::to_json(manifest.schema)},
                              {"counts", manifest.counts}},
                         1);
        return;
    }
    std::cout << manifest.id() << ": " << manifest.samples() << " samples in " << manifest.shards()
              << " shards, " << manifest.bytes() << " bytes\n";
    for (const auto& field : manifest.schema.fields)
        std::cout << "  field " << field.name << ": " << core::name_of(field.dtype) << ' '
                  << Json(field.shape).dump() << ' ' << field.units << '\n';
    for (const auto& [column, values] : manifest.counts.items()) {  // rounded
        std::cout << "  " << column << ":";
        for (const auto& [value, count] : values.items())
            std::cout << ' ' << (value.empty() ? "(missing)" : value) << ' '
                      << (count.is_string() ? count.get<std::string>() : count.dump());
        std::cout << '\n';
    }
}

int work(int argc, char** argv) {
    // What a run obeys it hears from here on, before flags, MPI and data: it then saves what it has at its first step.
    // Other verbs end of a signal as any program does.
    const auto is_word = [&](int i, std::string_view word) { return argc > i && argv[i] == word; };
    std::optional<trainer::StopSignals> early;
    if (is_word(1, "fit") || (is_word(1, "study") && is_word(2, "run"))) early.emplace();
    CLI::App app{
        "Train and evaluate models on granted datasets.\n\n"
        "  mpirun -n 4 aloft-train fit --recipe configs/recipes/digits-resnet.toml \\\n"
        "      --dataset /aloft/data/digits@1 --key /aloft/keys/digits@1.key --out runs/digits\n\n"
        "Run the same command again and it goes on where it was stopped. In an enclave: aloft submit -- "
        "aloft-train fit ..."};
    app.require_subcommand(1);
    std::string recipe_file, model_file, run_folder;
    std::vector<std::string> settings;
    trainer::FitRequest request;
    bool json = false, last = false;
    std::vector<std::pair<const CLI::Option*, Wanted>> paths;
    const auto path_option = [&](CLI::App* sub, const char* name, auto& value, Wanted wanted,
                                 const char* text) {
        CLI::Option* option = sub->add_option(name, value, text);
        paths.emplace_back(option, wanted);
        return option;
    };

    trainer::Access access;
    const auto dataset_flag = [&](CLI::App* sub, bool is_only_way = true) {
        CLI::Option* const folder = path_option(sub, "--dataset", access.dataset, Wanted::version,
                                                "Folder of a dataset version (manifest.json, shards/)");
        if (is_only_way) folder->required();
        path_option(
            sub, "--steward", access.steward, Wanted::file,
            "Public key that the version must be sealed under (default: the site's, if there is one)");
        sub->add_flag("--json", json, "Print one JSON object in place of text");
    };
    const auto recipe_flags = [&](CLI::App* sub) {
        path_option(sub, "--recipe", recipe_file, Wanted::file,
                    "TOML file that says what to do (configs/recipes)")
            ->required();
        sub->add_option("--set", settings, "Replaces a value of the recipe: --set optimizer.rate=0.01")
            ->allow_extra_args(false);
        sub->add_option_function<std::string>(
            "--init", [&](const std::string& file) { settings.push_back("init.file=" + Json(file).dump()); },
            "Weights to begin with (safetensors); init.names says by whose names");
    };
    const auto run_flags = [&](CLI::App* sub) {
        dataset_flag(sub, false);  // the recipe may name it
        recipe_flags(sub);
        path_option(sub, "--key", access.key, Wanted::file,
                    "The dataset's key file; in an enclave it comes with the grant");
        sub->add_option("--device", request.device, "auto, cpu or cuda")->capture_default_str();
    };
    CLI::App* fit = app.add_subcommand(
        "fit", "Train a model; SIGURG, SIGUSR1 and SIGTERM save the state and exit with 75");
    run_flags(fit);
    path_option(fit, "--out", request.out, Wanted::new_folder,
                "Folder for model.safetensors, metrics.json, log.jsonl, checkpoints/")
        ->required();
    CLI::App* evaluate = app.add_subcommand("evaluate", "Metrics of a model on a split of a dataset");
    run_flags(evaluate);
    path_option(evaluate, "--model", model_file, Wanted::file, "model.safetensors")->required();
    path_option(evaluate, "--out", request.out, Wanted::new_file, "File for the metrics (JSON)");
    CLI::App* exporting =
        app.add_subcommand("export", "The model of a run's newest checkpoint, also while the run goes on");
    run_flags(exporting);
    path_option(exporting, "--run", run_folder, Wanted::folder, "fit's --out")->required();
    path_option(exporting, "--out", request.out, Wanted::new_file, "File for the model (safetensors)")
        ->required();
    exporting->add_flag("--last", last,
                        "The weights of that checkpoint itself (default: those that train.select keeps)");
    CLI::App* inspect =
        app.add_subcommand("inspect", "What a dataset version holds, from its manifest; needs no key");
    dataset_flag(inspect);

    CLI::App* study = app.add_subcommand(
        "study", "The runs of a recipe's [study]: each hospital held out, folds, a sweep; and one summary");
    study->require_subcommand(1);
    trainer::StudyRequest asked;
    std::optional<std::int64_t> number;
    const auto study_flag = [&](CLI::App* sub, Wanted wanted) {
        path_option(sub, "--study", asked.study, wanted,
                    "Folder for plan.jsonl, runs/, summary.json, summary.html")
            ->required();
    };
    CLI::App* plan = study->add_subcommand("plan", "Write the table of runs; needs no key");
    dataset_flag(plan);
    recipe_flags(plan);
    study_flag(plan, Wanted::new_folder);
    CLI::App* running = study->add_subcommand(
        "run", "Do all runs that are not over, or one of them; each goes on where it was stopped");
    run_flags(running);
    study_flag(running, Wanted::folder);
    running->add_option("--index", number, "The run's number; in a job array each task's own, else all runs")
        ->envname("SLURM_ARRAY_TASK_ID");
    CLI::App* summarising =
        study->add_subcommand("summary", "Say of all runs that are over where the model fails");
    study_flag(summarising, Wanted::folder);
    summarising->add_flag("--json", json, "Print one JSON object in place of a line");

    CLI::App* events =
        app.add_subcommand("events", "A run's log as TensorBoard reads it, also while the run goes on");
    path_option(events, "--run", run_folder, Wanted::folder, "fit's --out")->required();
    path_option(events, "--out", request.out, Wanted::new_folder,
                "Folder that TensorBoard is pointed at (--logdir)")
        ->required();
    events->add_flag("--json", json, "Print one JSON object");

    std::string explained;
    CLI::App* about = app.add_subcommand("recipe", "What may stand in a recipe; needs no dataset");
    about
        ->add_option("--explain", explained,
                     "Print every key with its default as a recipe; or what is to be known of one key, "
                     "\"train.epochs\", or of a table")
        ->expected(0, 1)
        ->required();
    about->add_flag("--json", json, "Print the rows of the table of keys as JSON");

    return core::run_mpi_tool(app, argc, argv, [&](const core::Comm& world) {
        core::together(world, [&] {  // what another host alone does not have is not the caller's fault
            if (!world.is_root()) return;
            for (const auto& [option, wanted] : paths) check(*option, wanted);
        });
        if (about->parsed()) {
            core::together(world, [&] {
                if (!world.is_root()) return;
                const auto rows = explained.empty() ? trainer::recipe_rows() : trainer::rows_at(explained);
                if (json)
                    core::print_json(trainer::to_json(rows), 1);
                else
                    std::cout << (explained.empty() ? trainer::explain_recipe() : trainer::explain(rows));
            });
            return;
        }
        if (inspect->parsed()) {
            core::together(world, [&] {
                const auto manifest = manifest_of(access);
                if (world.is_root()) print_summary(manifest, json);
            });
            return;
        }
        if (events->parsed()) {
            core::together(world, [&] {
                if (!world.is_root()) return;
                const auto written = trainer::write_tensorboard_events(run_folder, request.out);
                if (json)
                    core::print_json(Json{{"file", written.file},
                                          {"bytes", written.bytes},
                                          {"lines_skipped", std::uint64_t{written.skipped}}});
            });
            return;
        }
        if (summarising->parsed()) {
            core::together(world, [&] {
                if (!world.is_root()) return;
                const Json summary = trainer::summarise_study(asked.study);
                json ? core::print_json(summary, 1) : print_study(summary, asked.study);
            });
            return;
        }
        if (study->parsed()) {
            asked.recipe = recipe_file;
            asked.settings = settings;
            const auto plan_now = [&] { return trainer::plan_study(asked, manifest_of(access)); };
            if (running->parsed()) {
                core::together(world, [&] { request.access = trainer::access_of({}, access); });
                const Json told = trainer::run_study(asked, request, plan_now, number, world);
                if (world.is_root() && json) core::print_json(told);
                return;
            }
            core::together(world, [&] {
                const std::string planned = plan_now();
                if (!world.is_root()) return;
                trainer::write_plan(asked, planned);
                json ? core::print_json(trainer::plan_to_json(planned), 1) : void(std::cout << planned);
            });
            return;
        }
        std::optional<trainer::Recipe> recipe;
        core::together(world, [&] {
            recipe = trainer::Recipe::load(recipe_file, settings);
            request.access = trainer::access_of(recipe->data.datasets, access);
        });
        if (exporting->parsed()) {
            const Json told = trainer::export_model(*recipe, request, run_folder, last, world);
            if (world.is_root() && json) core::print_json(told, 1);
            if (world.is_root() && !json)
                std::cout << "the weights after step " << told.at("step") << " of the " << told.at("steps")
                          << " that are done\n";
            return;
        }
        const Json metrics = fit->parsed() ? trainer::fit(*recipe, request, world)
                                           : trainer::evaluate(*recipe, request, model_file, world);
        if (!world.is_root()) return;
        if (json)
            core::print_json(metrics, 1);
        else
            print_metrics(metrics, trainer::judge_of(recipe->task.name));
    });
}

}  // namespace

int main(int argc, char** argv) {
    const int code = work(argc, argv);
    // All is written and MPI is down. Without this LibTorch takes back each of its operators by itself: a third of what
    // its start costs.
    std::cout.flush();
    std::fflush(nullptr);
    std::_Exit(code);
}
