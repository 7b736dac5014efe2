#include "trainer/engine/study.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/event.h"
#include "core/base/files.h"
#include "trainer/engine/fit.h"
#include "trainer/eval/study.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;
using Json = nlohmann::ordered_json;

constexpr std::size_t kMostRuns = 10000;
// In the folder of a run that its dataset cannot have, until it can: that it is so, without a reason that has a value.
constexpr const char* kRefused = "refused.json";

// What a sweep may change: neither what is told apart, nor what is measured, nor on whom. No whole tables, which hold
// any key.
void check_key(const core::Config& table, const std::string& key) {
    if (key == "seed" || key == "data.batch") return;
    const auto dot = key.find('.');
    for (const char* allowed : {"loss", "model", "optimizer", "schedule", "train"})
        if (dot != std::string::npos && dot + 1 < key.size() && key.substr(0, dot) == allowed) return;
    table.refuse("key",
                 "expected a key of [loss], [model], [optimizer], [schedule] or [train], as "
                 "\"optimizer.rate\", or data.batch, or seed");
}

// A text as --set takes it, whatever is in it.
std::string quoted(const std::string& key, const std::string& text) {
    return key + "=" + Json(text).dump();
}

std::filesystem::path folder_of(const std::filesystem::path& study, std::int64_t number) {
    return study / "runs" / std::to_string(number);
}

void add_sweep(std::vector<Json>& runs, const StudyOptions& options) {
    if (options.sweep.empty()) return;
    std::vector<std::size_t> at(options.sweep.size(), 0);
    for (bool is_there = true; is_there;) {
        Json settings = Json::array({"evaluate.split=validation"}), chosen = Json::object();
        for (std::size_t i = 0; i < at.size(); ++i) {
            const auto& [key, values] = options.sweep[i];
            settings.push_back(key + "=" + values[at[i]]);
            chosen[key] = values[at[i]];
        }
        runs.push_back({{"kind", "sweep"}, {"chosen", chosen}, {"settings", settings}});
        std::size_t i = at.size();  // the last key changes first
        while (i > 0 && ++at[i - 1] == options.sweep[i - 1].values.size()) at[--i] = 0;
        is_there = i > 0;
    }
}

// The values that the dataset is said to have.
std::vector<std::string> values_of(const Json& counts, const std::string& column) {
    std::vector<std::string> out;
    if (counts.contains(column))
        for (const auto& [value, count] : counts.at(column).items())
            if (!value.empty()) out.push_back(value);
    if (out.size() < 2)
        throw Error(Fault::usage, "study.leave_out: " + column +
                                      " is no column of categories of which the dataset has two or more");
    std::sort(out.begin(), out.end());
    return out;
}

// The most samples that a published count may stand for.
std::int64_t at_most(const Json& count) {
    return count.is_number() ? count.get<std::int64_t>() + 4 : 9;  // to the nearest ten; "<10"
}
std::int64_t at_most(const Json& counts, const std::string& column, const std::string& value) {
    if (!counts.contains(column) || !counts.at(column).contains(value)) return 0;
    return at_most(counts.at(column).at(value));
}

// What the manifest shows that no run of the study can have.
void check_dataset(const Recipe& recipe, const core::Manifest& manifest) {
    const StudyOptions& options = recipe.study;
    const core::Schema& schema = manifest.schema;
    const auto task = make_task(recipe.task, schema);
    task->judge().check(recipe.evaluate.options, task->outputs());
    if (!recipe.data.field.empty()) schema.field(recipe.data.field);
    for (const std::string& column : columns_of(recipe.evaluate.options.strata))
        if (column != "site" && column != "vendor" && !schema.has_column(column))
            throw Error(Fault::usage, "evaluate.strata: " + column + " is not a column of the dataset");
    const auto samples = [&](const char* split) { return at_most(manifest.counts, "split", split); };
    const auto need = [&](bool is_there, const char* text) {
        if (!is_there) throw Error(Fault::usage, text);
    };
    need(samples("train") > 0 || options.folds > 0, "study: the dataset has no split to train on");
    if (!options.leave_out.empty())
        need(
            samples("test") > 0,
            "study.leave_out: who is held out is compared with others in the split \"test\", and the dataset "
            "has none");
    if (!options.sweep.empty())
        need(samples("validation") > 0,
             "study.sweep: runs are compared on the validation split, and the dataset has none");
    need(samples("train") + samples("validation") >= options.folds * recipe.evaluate.options.min_stratum,
         "study.folds: a fold would have fewer than evaluate.min_stratum samples; take fewer folds");
}

std::vector<std::string> settings_of(const StudyRequest& request, const Json& run) {
    std::vector<std::string> out = request.settings;
    for (const Json& each : run.at("settings")) out.push_back(each.get<std::string>());
    return out;
}

// plan.jsonl, line by line.
std::vector<Json> parse_plan(const std::string& text) {
    std::vector<Json> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        out.push_back(Json::parse(line, nullptr, false));
        if (!out.back().is_object()) throw Error(Fault::data, "plan.jsonl is not one: plan the study anew");
    }
    if (out.empty()) throw Error(Fault::data, "plan.jsonl is empty: plan the study anew");
    return out;
}

}  // namespace

std::vector<KeyRow> study_rows() {
    using Type = Allowed::Type;
    constexpr auto kNone = Counts::nothing;  // of a single run
    std::vector<KeyRow> out{
        row("study.leave_out", {Type::word_or_words}, Json::array(), "",
            "none; columns of categories: each value is held out once", 2, kNone),
        row("study.folds", {Type::integer, 0, 1000}, 0, "", "0 = none, else 3 and more: by patient", 2,
            kNone),
        row("study.seed", {Type::integer, 0, kEndless}, 1, "", "of the folds", 2, kNone),
        row("study.sweep.key", {}, nullptr, "",
            "of [loss], [model], [optimizer], [schedule] or [train], data.batch or seed", 2, kNone),
        row("study.sweep.values", {Type::texts}, nullptr, "",
            "as --set takes them; of several sweeps every combination is a run", 2, kNone)};
    for (auto each = out.end() - 2; each != out.end(); ++each) each->is_needed = each->is_list = true;
    return out;
}

StudyOptions StudyOptions::from(const core::Config& table) {
    StudyOptions out;
    out.leave_out = table.words("leave_out");
    out.folds = table.integer_or("folds", 0);
    if (out.folds != 0 && (out.folds < 3 || out.folds > 1000))
        table.refuse("folds", "expected 3 to 1000, or 0 for none");
    const std::int64_t seed = table.integer_or("seed", 1);
    if (seed < 0) table.refuse("seed", "expected 0 or more");
    out.seed = static_cast<std::uint64_t>(seed);
    std::size_t runs = 1;
    for (const core::Config& each : table.tables("sweep")) {
        Sweep sweep{each.text("key"), each.texts("values")};
        check_key(each, sweep.key);
        for (const Sweep& other : out.sweep)
            if (other.key == sweep.key) each.refuse("key", "stands there twice");
        auto sorted = sweep.values;
        std::sort(sorted.begin(), sorted.end());
        if (sorted.empty() || std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
            each.refuse("values", "expected a list of texts, each once");
        runs *= sweep.values.size();
        if (runs > kMostRuns)
            each.refuse("values", "more than " + std::to_string(kMostRuns) + " combinations");
        out.sweep.push_back(std::move(sweep));
    }
    table.finish();  // a plan makes no model, before which nothing else is
    return out;
}

std::string plan_study(const StudyRequest& request, const core::Manifest& manifest) {
    const Json& counts = manifest.counts;
    const Recipe recipe = Recipe::load(request.recipe, request.settings);
    const StudyOptions& options = recipe.study;
    if (!recipe.data.datasets.empty())
        throw Error(Fault::usage, "data.dataset: a study is of the dataset of --dataset: leave it out");
    std::vector<Json> runs;
    Json skipped = Json::object();
    for (const std::string& column : options.leave_out) {
        const auto& targets = recipe.task.columns;
        if (column == "split" || std::find(targets.begin(), targets.end(), column) != targets.end())
            throw Error(Fault::usage, "study.leave_out: " + column + " cannot be held out");
        const std::size_t before = runs.size();
        for (const std::string& value : values_of(counts, column)) {
            // Of patients there are no more than samples.
            if (at_most(counts, column, value) < recipe.evaluate.options.min_stratum) {
                skipped[column].push_back(value);
                continue;
            }
            runs.push_back(
                {{"kind", "leave_out"},
                 {"column", column},
                 {"value", value},
                 {"settings", {quoted("hold_out.column", column), quoted("hold_out.value", value)}}});
        }
        if (runs.size() == before)
            throw Error(Fault::usage, "study.leave_out: no value of " + column +
                                          " has evaluate.min_stratum samples, so that nothing could be told");
    }
    for (std::int64_t fold = 0; fold < options.folds; ++fold)
        runs.push_back(
            {{"kind", "fold"},
             {"fold", fold},
             {"settings",
              {"hold_out.folds=" + std::to_string(options.folds), "hold_out.fold=" + std::to_string(fold),
               "hold_out.seed=" + std::to_string(options.seed)}}});
    add_sweep(runs, options);
    if (runs.empty())
        throw Error(Fault::usage, "the recipe has no [study]: leave_out, folds or sweep (configs/recipes)");
    if (recipe.hold_out.is_any())
        throw Error(Fault::usage, "hold_out and [study] exclude each other: the study's runs set it");
    check_dataset(recipe, manifest);
    for (const char* kind : {"leave_out", "fold"}) {  // whose settings may contradict the recipe
        const auto first =
            std::find_if(runs.begin(), runs.end(), [&](const Json& run) { return run.at("kind") == kind; });
        if (first != runs.end()) Recipe::load(request.recipe, settings_of(request, *first));
    }
    std::string given = core::to_hex(core::file_sha256(request.recipe)) + '\n' + recipe.init.sha256;
    for (const std::string& setting : request.settings) given += '\n' + setting;
    Json head = {{"format", 1},
                 {"model", recipe.name},
                 {"task", recipe.task.name},
                 {"dataset", manifest.id()},
                 {"score", recipe.evaluate.options.score},
                 {"given_sha256", core::to_hex(core::sha256(core::view(given)))},
                 {"manifest_sha256", core::to_hex(core::sha256(core::view(core::to_text(manifest))))},
                 {"runs", runs.size()}};
    if (!recipe.init.file.empty() && recipe.init.sha256.empty())
        throw Error(Fault::usage, "init.file: there is no such file");
    if (!recipe.init.file.empty())
        head["init"] = {{"names", recipe.init.names}, {"sha256", recipe.init.sha256}};
    if (!recipe.evaluate.options.flips.empty()) head["flips"] = recipe.evaluate.options.flips;
    if (options.folds > 0) head["folds"] = options.folds;
    if (!skipped.empty()) head["skipped"] = skipped;
    std::string out = head.dump() + '\n';
    for (std::size_t i = 0; i < runs.size(); ++i) {
        Json line = {{"run", i}};
        line.update(runs[i]);
        out += line.dump() + '\n';
    }
    return out;
}

Json plan_to_json(const std::string& plan) {
    std::vector<Json> runs = parse_plan(plan);
    Json head = std::move(runs.front());
    runs.erase(runs.begin());
    return {{"plan", std::move(head)}, {"runs", runs}};
}

void write_plan(const StudyRequest& request, const std::string& plan) {
    core::make_directories(request.study);
    const auto path = request.study / "plan.jsonl";
    core::AtomicFile file(path, 0640);
    file.write(core::view(plan));
    if (!file.commit_new() && core::read_text(path) != plan)  // also where two plan at a time
        throw Error(
            Fault::usage,
            "--study has a plan of another recipe, other settings or another dataset: take another folder");
    const Json head = parse_plan(plan).front();
    const Json skipped = head.value("skipped", Json::object());
    for (const auto& [column, values] : skipped.items())
        for (const Json& value : values)
            core::Event("warning", "value_skipped")
                .with("column", column)
                .with("value", value.get<std::string>())
                .with("text", "fewer than evaluate.min_stratum samples: nothing could be told of it");
}

Json run_study(const StudyRequest& request, const FitRequest& fit_request,
               const std::function<std::string()>& plan_now, std::optional<std::int64_t> number,
               const core::Comm& comm) {
    std::vector<Json> runs;
    Json head;
    const auto check_plan = [&] {
        const std::string plan = plan_now();
        const auto path = request.study / "plan.jsonl";
        if (!std::filesystem::exists(path))
            throw Error(Fault::usage, "there is no plan in --study: `aloft-train study plan` makes it");
        if (core::read_text(path) != plan)
            throw Error(Fault::usage,
                        "the plan in --study is of another recipe, other settings or another dataset");
        return plan;
    };
    core::together(comm, [&] {
        runs = parse_plan(check_plan());
        head = runs.front();
        runs.erase(runs.begin());
        if (number && (*number < 0 || *number >= static_cast<std::int64_t>(runs.size())))
            throw Error(Fault::usage, "there is no run of this --index: the study has 0 to " +
                                          std::to_string(runs.size() - 1));
    });
    const std::int64_t first = number.value_or(0),
                       end = number ? *number + 1 : static_cast<std::int64_t>(runs.size());
    std::optional<core::AgreedError> failed;
    Json told = {{"runs", runs.size()}, {"done", Json::array()}, {"over", Json::array()}};
    for (std::int64_t i = first; i < end; ++i) {
        FitRequest one = fit_request;
        one.out = folder_of(request.study, i);
        std::int64_t is_over = 0;
        core::together(comm, [&] { is_over = comm.is_root() && exists(one.out / "metrics.json"); });
        if (comm.max(is_over)) {
            told["over"].push_back(i);
            continue;
        }
        if (comm.is_root()) core::Event("info", "study_run").with("run", i).with("runs", runs.size());
        std::optional<Recipe> recipe;
        core::together(comm, [&] {
            recipe = Recipe::load(request.recipe, settings_of(request, runs[static_cast<std::size_t>(i)]));
            recipe->study.run_sha256 = study_run_sha256(head, runs[static_cast<std::size_t>(i)]);
            check_plan();  // since the study began, the recipe or the dataset may be another
        });
        try {
            fit(*recipe, one, comm);
            core::together(comm, [&] {
                if (comm.is_root()) std::filesystem::remove(one.out / kRefused);
            });
            told["done"].push_back(i);
        } catch (const core::AgreedError& e) {  // one that cannot be had leaves the others to be done
            if (e.fault() == Fault::usage)
                core::together(comm, [&] {
                    if (!comm.is_root()) return;
                    core::make_directories(one.out);
                    const Json note = {{"refused", "usage"}, {"study_sha256", recipe->study.run_sha256}};
                    core::write_atomically(one.out / kRefused, note.dump() + '\n', 0640);
                });
            const bool is_its_own = e.fault() == Fault::usage || e.fault() == Fault::data;
            if (number || !is_its_own) throw;
            if (comm.is_root())
                core::Event("warning", "study_run_failed").with("run", i).with("text", e.what());
            failed = e;
        }
    }
    if (failed) throw core::AgreedError(*failed);
    return told;
}

Json summarise_study(const std::filesystem::path& study) {
    if (!std::filesystem::exists(study / "plan.jsonl"))
        throw Error(Fault::usage, "there is no plan in --study: `aloft-train study plan` makes it");
    std::vector<Json> runs = parse_plan(core::read_text(study / "plan.jsonl"));
    const Json head = std::move(runs.front());
    runs.erase(runs.begin());
    std::vector<Json> metrics;  // null of those that are not over
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const auto folder = folder_of(study, static_cast<std::int64_t>(i));
        auto path = folder / "metrics.json";
        if (!exists(path)) path = folder / kRefused;
        metrics.push_back(exists(path) ? Json::parse(core::read_text(path), nullptr, false) : Json());
    }
    const Json summary = study_summary(head, runs, metrics);
    core::write_atomically(study / "summary.html", study_html(summary), 0640);
    core::write_atomically(study / "summary.json", summary.dump(1) + '\n', 0640);
    return summary;
}

}  // namespace trainer
