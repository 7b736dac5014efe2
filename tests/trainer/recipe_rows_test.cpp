// The table of keys says what the parser does: each row is changed alone, and everything else follows from it.
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"
#include "trainer/engine/explain.h"
#include "trainer/engine/recipe.h"

using namespace trainer;
using Settings = std::vector<std::string>;

namespace {

struct Told {
    std::string identity, canonical;
};

// Loads a bare recipe with the settings, makes its model, and refuses what was not asked for.
Told told(const Settings& settings) {
    static const test::Scratch folder;
    const auto file = folder.path() / "recipe.toml";
    if (!exists(file)) core::write_atomically(file, "name = \"x\"\n[model]\nname = \"mlp\"\n", 0600);
    const Recipe recipe = Recipe::load(file, settings);
    const std::string model = recipe.model.text("name");
    const std::vector<std::int64_t> shape = model == "mlp"          ? std::vector<std::int64_t>{3}
                                            : model.ends_with("3d") ? std::vector<std::int64_t>{1, 8, 8, 32}
                                                                    : std::vector<std::int64_t>{1, 32, 32};
    const bool is_dense = recipe.task.name == "segmentation";
    const std::string toml = make_model(recipe.model, {shape, 2, false, is_dense}, 1)->toml();
    recipe.finish();
    return {recipe.identity(toml), recipe.canonical(toml)};
}

Settings operator+(Settings settings, const Settings& more) {
    settings.insert(settings.end(), more.begin(), more.end());
    return settings;
}

bool is_refused(const Settings& settings) {
    try {
        told(settings);
        return false;
    } catch (const core::Error& e) {
        INFO(e.what());
        CHECK(e.fault() == core::Fault::usage);
        return true;
    }
}

Settings of_task(const std::string& task) {
    if (task == "segmentation")
        return {"task.name=segmentation", "task.classes=['nothing', 'a']", "model.name=unet2d",
                "model.width=8", "model.blocks=[1, 1]"};
    if (task == "multilabel") return {"task.name=multilabel", "data.labels=['a', 'b']"};
    return {"task.name=" + task};
}

Settings of_model(const std::string& model) {
    Settings out = model.starts_with("unet") ? of_task("segmentation") : Settings{};
    if (model != "mlp") out = out + Settings{"model.width=8", "model.blocks=[1, 1]"};
    return out + Settings{"model.name=" + model};
}

Settings of_loss(const std::string& loss) {
    for (const std::string& task : task_names())
        if (const auto settings = of_task(task) + Settings{"loss.name=" + loss, "train.micro_batches=1"};
            !is_refused(settings))
            return settings;
    throw std::runtime_error("a loss of no task");
}

// Such that `kind` is what the key `by` says.
Settings of_kind(const std::string& by, const std::string& kind) {
    if (by == "task.name") return of_task(kind);
    if (by == "model.name") return of_model(kind);
    if (by == "loss.name") return of_loss(kind);
    if (by == "augment.name") return {};  // in one with the key
    return {by + '=' + kind};
}

// Where a key says something only beside another one.
Settings beside(const std::string& path) {
    static const std::map<std::string, Settings> kBeside{
        {"augment.foreground", of_task("segmentation")},
        {"balance.most_repeats", {"balance.columns=site"}},
        {"init.names", {"init.file=none"}},
        {"patch.foreground", {"patch.size=[8, 8]"}},
        {"patch.per_sample", {"patch.size=[8, 8]"}},
        {"patch.overlap", {"patch.size=[8, 8]"}},
        {"patch.padding", {"patch.size=[8, 8]"}},
        {"hold_out.column", {"hold_out.value=north"}},
        {"hold_out.value", {"hold_out.column=site"}},
        {"hold_out.folds", {"hold_out.fold=1"}},
        {"hold_out.fold", {"hold_out.folds=4"}},
        {"hold_out.seed", {"hold_out.folds=4", "hold_out.fold=1"}}};
    const auto found = kBeside.find(path);
    return found == kBeside.end() ? Settings{} : found->second;
}

// Another value than the default that the row allows, as TOML.
std::string other(const KeyRow& row) {
    static const std::map<std::string, std::string> kOthers{{"task.classes", "['nothing', 'b']"},
                                                            {"task.values", "[0, 255]"},
                                                            {"data.labels", "['a', 'c']"},
                                                            {"balance.columns", "['site']"},
                                                            {"data.dataset", "['digits@1', 'letters@2']"},
                                                            {"balance.weights", "{site = {north = 2}}"},
                                                            {"loss.class_weights", "[1, 2]"},
                                                            {"model.hidden", "[8]"},
                                                            {"model.width", "24"},
                                                            {"model.growth", "16"},
                                                            {"model.blocks", "[1, 2]"},
                                                            {"optimizer.layers.part", "layer1"},
                                                            {"patch.size", "[8, 8]"},
                                                            {"train.select", "auroc"},
                                                            {"evaluate.score", "auroc"},
                                                            {"evaluate.strata", "['sex', 'site*vendor']"},
                                                            {"evaluate.points", "['0.5']"},
                                                            {"hold_out.folds", "5"},
                                                            {"hold_out.fold", "2"},
                                                            {"study.leave_out", "['site']"},
                                                            {"study.folds", "5"},
                                                            {"study.sweep.key", "optimizer.rate"},
                                                            {"study.sweep.values", "['1', '2']"},
                                                            {"augment.spacing", "[1, 2]"}};
    if (const auto found = kOthers.find(row.path()); found != kOthers.end()) return found->second;
    using Type = Allowed::Type;
    const Allowed& allowed = row.allowed;
    const bool is_list = allowed.type == Type::texts;
    if (allowed.type == Type::flag) return row.otherwise.get<bool>() ? "false" : "true";
    if (!allowed.words.empty()) {
        std::istringstream words{std::string(allowed.words)};
        for (std::string word; words >> word;)
            if (row.otherwise != word) return is_list ? "['" + word + "']" : word;
    }
    if (allowed.type == Type::text) return "another";
    const bool is_integer = allowed.type == Type::integer;
    if (!is_integer && allowed.type != Type::number)
        throw std::runtime_error(row.path() + ": this test knows no other value of it");
    const double now = row.otherwise.is_null() ? allowed.least : row.otherwise.get<double>();
    for (const double step : {0.0625, -0.0625, 1.0, -1.0})
        if ((!is_integer || std::abs(step) == 1) && allowed.holds(now + step))
            return nlohmann::json(is_integer ? nlohmann::json(static_cast<std::int64_t>(now + step))
                                             : nlohmann::json(now + step))
                .dump();
    throw std::runtime_error(row.path() + ": this test found no other value of it");
}

// The setting that gives the key this value, in one with what a table of several needs.
std::string set(const KeyRow& row, const std::string& value) {
    if (!row.is_list) return row.path() + '=' + value;
    const auto quoted = [](const std::string& text) {
        return text.starts_with('[') || text.find_first_not_of("0123456789.e+-") == std::string::npos
                   ? text
                   : "'" + text + "'";
    };
    std::string keys = row.name + " = " + (value.empty() ? "''" : quoted(value));
    if (row.table == "augment" && row.name != "name") keys += ", name = '" + row.of[0] + "'";
    if (row.table == "augment" && row.name != "name" && row.name != "chance") keys += ", chance = 1";
    if (row.path() == "optimizer.layers.part") keys += ", rate = 2";
    if (row.path() == "optimizer.layers.rate") keys += ", part = 'layer1'";
    if (row.path() == "study.sweep.key") keys += ", values = ['1']";
    if (row.path() == "study.sweep.values") keys += ", key = 'seed'";
    return row.table + "=[{" + keys + "}]";
}

// All but the key itself that a recipe needs in which it is known.
Settings base(const KeyRow& row) {
    Settings out = row.of.empty() ? Settings{} : of_kind(row.by, row.of[0]);
    if (row.table == "model")
        std::erase_if(out, [&](const auto& each) { return each.starts_with(row.path() + '='); });
    return out + beside(row.path());
}

// The rows that a kind is chosen by have their test below.
bool is_of_kind(const KeyRow& row) {
    return row.name == "name" && row.by == row.table + ".name";
}

}  // namespace

TEST_CASE("each key alone changes the identity and the figures' as its row says") {
    std::int64_t weights = 0, nothing = 0;
    for (const KeyRow& row : recipe_rows()) {
        if (is_of_kind(row)) continue;
        INFO(row.path() << " of " << (row.of.empty() ? "all" : row.of[0]) << " = " << other(row));
        Settings without = base(row), with = without + Settings{set(row, other(row))};
        if (row.table == "augment")  // what it says is compared with the same transform that does not say it
            without.push_back("augment=[{name = '" + row.of[0] +
                              "', chance = " + (row.name == "chance" ? row.otherwise.dump() : "1") + "}]");
        if (row.path() == "hold_out.value" || row.path() == "hold_out.column")
            without = {"hold_out.column=site", "hold_out.value=north"};
        if (row.path() == "hold_out.folds") without = {"hold_out.folds=4", "hold_out.fold=1"};
        if (row.path() == "hold_out.fold") without.push_back("hold_out.fold=1");
        const Told before = told(without), after = told(with);
        CHECK((before.identity == after.identity) == (row.counts != Counts::weights));
        CHECK((before.canonical == after.canonical) == (row.counts == Counts::nothing));
        if (row.table != "schedule") {  // which follows a score, and with it what that is measured by
            const Settings plateau{"schedule.name=plateau"};
            CHECK((told(without + plateau).identity == told(with + plateau).identity) ==
                  (row.counts > Counts::selection));
        }
        weights += row.counts == Counts::weights;
        nothing += row.counts == Counts::nothing;
    }
    CHECK(weights > 50);
    CHECK(nothing > 8);
}

TEST_CASE("a default that is said changes nothing, and what is out of range is refused") {
    std::int64_t ends = 0, in_lists = 0;
    for (const KeyRow& row : recipe_rows()) {
        if (is_of_kind(row)) continue;
        INFO(row.path() << " of " << (row.of.empty() ? "all" : row.of[0]));
        const Settings without = base(row);
        const auto with = [&](const std::string& value) { return without + Settings{set(row, value)}; };
        // A table that is there needs the key by which it is there.
        const bool is_needed = row.is_needed || row.table == "balance" || row.otherwise.is_null();
        if (!is_needed && !row.is_list && row.path() != "hold_out.column" && row.path() != "hold_out.folds")
            CHECK(told(with(row.otherwise.dump())).canonical == told(without).canonical);
        using Type = Allowed::Type;
        const Allowed& allowed = row.allowed;
        const bool is_list = allowed.type == Type::numbers || allowed.type == Type::integers;
        const bool is_whole = allowed.type == Type::integer || allowed.type == Type::integers;
        const auto refuses = [&](double number) {
            std::string text = nlohmann::json(number).dump();
            if (is_whole) text = std::to_string(static_cast<std::int64_t>(number));
            INFO(text);
            CHECK_THROWS_WITH(told(with(is_list ? '[' + text + ", " + text + ']' : text)),
                              Catch::Contains("expected"));
            ++ends;
            in_lists += row.is_list;
        };
        // The nearest beyond each end, and what is well beyond.
        const auto beyond = [&](double end, double far) {
            refuses(is_whole ? end + std::copysign(1, far) : std::nextafter(end, far));
            refuses(end + std::copysign(std::max(1.0, std::abs(end)), far));
        };
        const bool is_number = is_list || allowed.type == Type::number || allowed.type == Type::integer;
        if (is_number && allowed.least > -kFinite) beyond(allowed.least, -kFinite);
        if (is_number && allowed.most < kFinite) beyond(allowed.most, kFinite);
        if (is_number) CHECK(is_refused(with("word")));
        if (allowed.type == Type::flag) CHECK(is_refused(with("1")));
        if (allowed.type == Type::text && !row.is_list) CHECK(is_refused(with("1")));
        if (!allowed.words.empty())
            CHECK(is_refused(with(allowed.type == Type::texts ? "['wrong']" : "wrong")));
    }
    CHECK(ends > 200);
    CHECK(in_lists > 60);
}

TEST_CASE("an end that is not held itself is told as such") {
    const auto told = [](double least, double most) {
        const Allowed allowed{Allowed::Type::number, least, most, {}};
        return allowed.limits();
    };
    CHECK(told(0, just_below(1)) == "0 to below 1");
    CHECK(told(0, just_below(0.5)) == "0 to below 0.5");
    CHECK(told(0, just_below(1e9)) == "0 to below 1000000000");
    CHECK(told(kAboveNothing, just_below(1e3)) == "above 0 to below 1000");
    CHECK(told(kAboveNothing, kFinite) == "above 0");
    CHECK(told(0.1, 0.9) == "0.1 to 0.9");
    CHECK(told(-kEndless, just_below(1)) == "below 1");
    CHECK(told(-kEndless, 1) == "1 or less");
    CHECK(told(0, kEndless) == "0 or more");
    CHECK(told(-kEndless, kEndless).empty());
    for (const auto& row : to_json(recipe_rows())) {
        INFO(row.dump());
        for (const char* key : {"least", "above", "most", "below"})
            if (row.contains(key)) CHECK(row[key].dump().size() <= 15);
        CHECK_FALSE((row.contains("least") && row.contains("above")));
        CHECK_FALSE((row.contains("most") && row.contains("below")));
        CHECK_FALSE(row.contains("since"));
    }
}

TEST_CASE("a key is refused where its row says that it is not known") {
    std::map<std::string, std::set<std::string>> kinds;
    std::map<std::string, std::set<std::string>> of;
    for (const KeyRow& row : recipe_rows()) {
        if (row.of.empty()) continue;
        kinds[row.by].insert(row.of.begin(), row.of.end());
        of[row.path()].insert(row.of.begin(), row.of.end());
    }
    const auto all = task_names();
    kinds["task.name"] = {all.begin(), all.end()};
    std::int64_t count = 0;
    for (const KeyRow& row : recipe_rows())
        if (!row.of.empty() && !is_of_kind(row) && row.table != "augment")
            for (const std::string& kind : kinds[row.by]) {
                if (of[row.path()].contains(kind)) continue;
                INFO(row.path() << " = " << other(row) << " of " << kind);
                CHECK(
                    is_refused(of_kind(row.by, kind) + beside(row.path()) + Settings{set(row, other(row))}));
                ++count;
            }
    for (const KeyRow& row : recipe_rows())
        if (row.table == "augment" && !is_of_kind(row))
            for (const std::string& kind : kinds[row.by]) {
                if (of[row.path()].contains(kind)) continue;
                KeyRow strange = row;
                strange.of = {kind};
                INFO(row.path() << " of " << kind);
                CHECK(is_refused({set(strange, other(row))}));
                ++count;
            }
    CHECK(count > 50);
}

TEST_CASE("each kind is another run, and one that there is not is refused") {
    std::map<std::string, std::set<std::string>> identities;
    std::map<std::string, std::size_t> kinds;
    for (const KeyRow& row : recipe_rows()) {
        if (!is_of_kind(row)) continue;
        INFO(row.path() << ' ' << row.of[0]);
        ++kinds[row.path()];
        identities[row.path()].insert(
            told(row.is_list ? Settings{set(row, row.of[0])} : of_kind(row.by, row.of[0])).identity);
        CHECK(is_refused({set(row, "nothing")}));
    }
    CHECK(kinds.size() == 5);
    for (const auto& [path, count] : kinds) {
        INFO(path);
        CHECK(identities[path].size() == count);
    }
}

TEST_CASE("a key that is in no row is refused at once, with the nearest that is") {
    const auto at_once = [](const std::string& setting) {
        const test::Scratch folder;
        core::write_atomically(folder.path() / "a.toml", "name = \"x\"\n[model]\nname = \"mlp\"\n", 0600);
        Recipe::load(folder.path() / "a.toml", {setting});  // no model is made, nothing is finished
    };
    for (const KeyRow& row : recipe_rows()) {
        KeyRow wrong = row;
        wrong.name += "x";
        INFO(wrong.path());
        CHECK_THROWS_WITH(at_once(set(wrong, "1")),
                          Catch::Contains(wrong.name + ": unknown key; did you mean \""));
    }
    CHECK_THROWS_WITH(at_once("train.epcohs=1"),
                      Catch::Contains("[train]: epcohs: unknown key; did you mean \"epochs\"?"));
    CHECK_THROWS_WITH(at_once("trian.epochs=1"),
                      Catch::Contains("trian: unknown key; did you mean \"train\"?"));
    CHECK_THROWS_WITH(at_once("xyzzy=1"), Catch::Contains("xyzzy: unknown key"));
    CHECK_NOTHROW(at_once("balance={weights = {anything = {there = 1}}}"));
}

TEST_CASE("the example is the table, and a recipe of defaults") {
    const std::filesystem::path source = std::getenv("ALOFT_SOURCE");
    const std::string text = explain_recipe();
    // Otherwise: aloft-train recipe --explain > configs/recipes/every-key.toml
    CHECK(core::read_text(source / "configs/recipes/every-key.toml") == text);
    const test::Scratch folder;
    core::write_atomically(folder.path() / "all.toml", text, 0600);
    core::write_atomically(folder.path() / "bare.toml", "name = ''\n[model]\nname = 'resnet2d'\n", 0600);
    const auto canonical = [&](const char* name) {
        const Recipe recipe = Recipe::load(folder.path() / name, {});
        const std::string toml = make_model(recipe.model, {{1, 32, 32}, 2}, 1)->toml();
        recipe.finish();
        return recipe.canonical(toml);
    };
    CHECK(canonical("all.toml") == canonical("bare.toml"));
    for (const KeyRow& row : recipe_rows()) {
        INFO(row.path());
        CHECK_THAT(text, Catch::Contains((row.is_list ? "[[" : "[") + row.table) ||
                             Catch::Contains(row.table.empty() ? "name = " : "\n[" + row.table));
        CHECK_THAT(text, Catch::Contains(row.name + " = "));
        CHECK(!row.meaning.empty());
        CHECK((row.since == 1 || row.since == 2));
    }
}

TEST_CASE("one key or one table is told by itself") {
    CHECK_THAT(
        explain(rows_at("train.epochs")),
        Catch::StartsWith("train.epochs = 10\n    epochs of the run\n    an integer, 1 or more; may change"));
    CHECK(rows_at("optimizer.momentum").size() == 1);
    CHECK(rows_at("optimizer.momentum")[0].of == std::vector<std::string>{"sgd"});
    CHECK(rows_at("optimizer").size() > 10);
    CHECK(rows_at("optimizer.layers").size() == 2);
    CHECK_THROWS_WITH(rows_at("train.epcohs"), Catch::Contains("did you mean \"train.epochs\"?"));
    CHECK_THROWS_WITH(rows_at("xyzzy"), !Catch::Contains("xyzzy"));
    const auto json = to_json(recipe_rows());
    CHECK(json.size() == recipe_rows().size());
    CHECK(to_json(rows_at("train.ema"))[0]["below"] == 1);
    CHECK(to_json(rows_at("loss.delta"))[0]["above"] == 0);
    CHECK(to_json(rows_at("patch.overlap"))[0]["most"] == 0.9);
    CHECK(to_json(rows_at("patch.overlap"))[0]["counts"] == "selection");
}
