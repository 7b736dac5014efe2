#include <algorithm>

#include "trainer/engine/optimizers.h"
#include "trainer/engine/recipe_keys.h"
#include "trainer/keys/parts.h"

namespace trainer {
namespace {

void append(std::vector<KeyRow>& out, std::vector<KeyRow> more) {
    std::move(more.begin(), more.end(), std::back_inserter(out));
}

std::vector<KeyRow> made() {
    std::vector<KeyRow> out, of_task = task_rows();
    add_rows(out, "", RecipeHead(), kHeadKeys);
    out[0].is_needed = true;
    const auto is_data = std::partition_point(of_task.begin(), of_task.end(),
                                              [](const KeyRow& each) { return each.table == "task"; });
    out.insert(out.end(), of_task.begin(), is_data);
    out.push_back(
        row("data.dataset", {Allowed::Type::word_or_words}, nlohmann::ordered_json::array(), "",
            "none: --dataset; what is read, [\"digits@1\", \"letters@2\"] as one, where a job sees it"));
    add_rows(out, "data", Recipe::Data(), std::span(&kFieldKey, 1));
    out.insert(out.end(), is_data, of_task.end());
    add_rows(out, "data", Recipe::Data(), kDataKeys);
    out.back().by = "task.name";
    out.back().of = {"classification", "regression"};  // whose samples have one label each

    append(out, balance_rows());
    append(out, loss_rows());
    out.push_back(row("init.file", {}, "", "",
                      "none; or --init FILE: weights to begin with, in place of those that the seed draws"));
    add_rows(out, "init", Recipe::Init(), std::span(&kNamesKey, 1));
    append(out, model_rows());
    append(out, optimizer_rows());
    append(out, schedule_rows());
    append(out, patch_rows());
    append(out, mixup_rows());

    const Judge& judge = judge_of(TaskOptions().name);
    Recipe::Train train;
    train.select = judge.first_select();
    add_rows(out, "train", train, kTrainKeys);
    add_rows(out, "checkpoint", Recipe::Checkpoint(), kCheckpointKeys);
    add_rows(out, "evaluate", Recipe::Evaluate(), kEvaluateKeys);
    append(out, evaluate_rows());
    append(out, hold_out_rows());
    append(out, study_rows());
    append(out, augment_rows());
    return out;
}

void check(const core::Config& table, const std::string& at) {
    for (const std::string& key : table.keys()) {
        const std::string path = at.empty() ? key : at + '.' + key;
        const KeyRow *of_key = nullptr, *of_table = nullptr;
        std::vector<std::string> names;
        for (const KeyRow& each : recipe_rows()) {
            if (each.path() == path) of_key = &each;
            if (each.table == path || each.table.starts_with(path + '.')) of_table = &each;
            if (each.table == at) names.push_back(each.name);
            if (at.empty()) names.push_back(each.table.substr(0, each.table.find('.')));
        }
        if (of_table && of_table->table == path && of_table->is_list)
            for (const core::Config& each : table.tables(key)) check(each, path);
        else if (of_table)
            check(table.table(key), path);
        else if (!of_key) {
            const auto near = core::nearest(key, names);
            table.refuse(key, "unknown key" + (near ? "; did you mean \"" + *near + "\"?" : std::string()));
        }
    }
}

}  // namespace

const std::vector<KeyRow>& recipe_rows() {
    static const std::vector<KeyRow> kRows = made();
    return kRows;
}

void check_known(const core::Config& file) {
    check(file, "");
}

}  // namespace trainer
