#include "trainer/engine/labels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/event.h"
#include "core/shard/moments.h"
#include "trainer/engine/watch.h"

namespace trainer {
namespace {

// "north 20, south <10"
std::string by_site(const std::map<std::string, std::int64_t>& sites) {
    std::string out;
    for (const auto& [name, count] : sites)
        if (count > 0)
            out += (out.empty() ? "" : ", ") + (name.empty() ? "no site" : name) + ' ' + shown_count(count);
    return out;
}

using Missing = std::map<std::string, std::int64_t>;  // samples by the name of their site, "" without one

// Of a column of numbers the manifest counts no cells: each rank looks through its share of the shards, once for all
// splits. Collective.
std::vector<Missing> missing_numbers(const Dataset& dataset, const std::string& column,
                                     const std::set<std::string>& splits, const core::Comm& comm) {
    const core::Schema& schema = dataset.schema();
    std::vector<std::int32_t> codes;
    std::vector<std::string> sites;
    std::vector<std::int64_t> counts;  // [split, site]; the first site is none
    core::together(comm, [&] {
        const Watch::Busy busy;  // shares are not alike
        const std::size_t at = schema.column(column);
        for (const std::string& split : splits)
            codes.push_back(schema.columns[schema.column("split")].code_of(split));
        sites = {""};
        if (schema.has_column("site"))
            for (const std::string& name : schema.columns[schema.column("site")].names) sites.push_back(name);
        counts.assign(codes.size() * sites.size(), 0);
        for (auto shard = static_cast<std::size_t>(comm.rank()); shard < dataset.shards();
             shard += static_cast<std::size_t>(comm.size())) {
            const auto open = dataset.shard(shard);
            const core::ColumnData cells = open->column(at);
            for (std::size_t i = 0; i < open->split.size(); ++i) {
                const bool is_missing = cells.numbers.empty() ? cells.integers.at(i) == core::kMissingInteger
                                                              : !std::isfinite(cells.numbers[i]);
                if (!is_missing) continue;
                for (std::size_t s = 0; s < codes.size(); ++s)
                    if (open->split[i] == codes[s] && codes[s] != core::kMissingCategory)
                        ++counts[s * sites.size() + static_cast<std::size_t>(open->site[i] + 1)];
            }
        }
    });
    core::check_mpi(MPI_Allreduce(MPI_IN_PLACE, counts.data(), static_cast<int>(counts.size()), MPI_INT64_T,
                                  MPI_SUM, comm.get()),
                    "add up what is missing");
    std::vector<Missing> out(codes.size());
    for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] > 0) out[i / sites.size()][sites[i % sites.size()]] = counts[i];
    return out;
}

bool are_numbers(const Dataset& dataset, const std::string& column) {
    const core::Schema& schema = dataset.schema();
    return schema.columns[schema.column(column)].type != core::ColumnType::category;
}

}  // namespace

std::unique_ptr<Task> task_of(const Recipe& recipe, const Dataset& dataset) {
    auto task = make_task(recipe.task, dataset.schema());
    for (const std::string& column : recipe.task.columns) dataset.check_same_names(column);
    return task;
}

std::string shown_count(std::int64_t count) {
    const auto published = core::published(core::Counts{{"", {{"", count}}}}).at("").at("");
    return published.is_string() ? published.get<std::string>() : published.dump();
}

void settle_labels(Dataset& dataset, const Task& task, const Recipe& recipe,
                   const std::set<std::string>& splits, const core::Comm& comm) {
    const std::string column = task.needed();
    if (column.empty()) return;
    bool are_looked_for = false;
    core::together(comm, [&] {
        for (const std::string& split : splits) dataset.samples(split);  // throws if there is no such split
        are_looked_for = are_numbers(dataset, column);
    });
    std::vector<Missing> numbers;
    if (are_looked_for) numbers = missing_numbers(dataset, column, splits, comm);
    core::together(comm, [&] {
        const Watch::Busy busy;
        std::string missing;
        std::size_t next = 0;
        for (const std::string& split : splits) {
            std::int64_t samples = 0;
            const Missing sites = are_looked_for ? numbers[next++] : dataset.without(column, split);
            for (const auto& [site, count] : sites) samples += count;
            if (samples == 0) continue;
            missing += (missing.empty() ? "" : "; ") + shown_count(samples) + " of " +
                       std::to_string(dataset.samples(split)) + " samples of split " + split + " (" +
                       by_site(sites) + ')';
        }
        if (missing.empty()) return;
        if (!recipe.data.leaves_out_unlabelled())
            throw core::Error(core::Fault::data,
                              "column " + column + " is empty in " + missing +
                                  ". To train and evaluate without them: data.missing_label = \"leave_out\"");
        dataset.leave_out(column);
        if (comm.is_root())
            core::Event("warning", "samples_left_out")
                .with("text", "column " + column + " is empty in " + missing);
    });
}

bool check_masks(const Dataset& dataset, const Task& task, const Recipe& recipe,
                 const std::set<std::string>& splits, Foreground& foreground, const core::Comm& comm,
                 const GoOn& go_on) {
    if (recipe.task.mask.empty()) return true;
    const std::size_t axes = recipe.patch.size.size();
    for (const std::string& split : splits) {
        std::optional<Loader> loader;
        core::together(comm, [&] {
            if (dataset.samples(split) == 0) return;
            LoaderOptions loading = each_once(split, recipe.task.mask, recipe.whole_samples(), comm), asked;
            if (split != "train" || split == recipe.evaluate.split)  // training needs no spacing
                task.ask_measured(asked);
            else
                task.ask(asked);
            loading.targets = asked.targets;
            loader.emplace(dataset, loading);
            loader->begin_epoch(0);
        });
        if (!loader) continue;
        const bool is_whole = pass(*loader, loader->steps_per_epoch(), comm, go_on, [&](const Batch& batch) {
            Batch masks = batch;
            masks.beside = {batch.inputs};
            const at::Tensor target = task.target(masks);  // [n, pixels]
            if (!recipe.patch.wants_foreground() || split != "train") return;
            for (std::int64_t i = 0; i < batch.valid; ++i) {
                const auto shape = batch.inputs.sizes().slice(1);
                foreground.add(batch.sample[i].item<std::int64_t>(),
                               {target.const_data_ptr<std::uint8_t>() + i * target.size(1),
                                static_cast<std::size_t>(target.size(1))},
                               shape.slice(shape.size() - std::min(axes, shape.size())).vec());
            }
        });
        if (!is_whole) return false;
    }
    if (recipe.patch.wants_foreground()) foreground.merge(comm);
    return true;
}

}  // namespace trainer
