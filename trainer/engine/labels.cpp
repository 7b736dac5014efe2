#include "trainer/engine/labels.h"

#include <nlohmann/json.hpp>

#include "core/base/event.h"
#include "core/shard/moments.h"

namespace trainer {
namespace {

// As counts of a dataset are published: "20", "<10".
std::string shown(std::int64_t count) {
    const auto published = core::published(core::Counts{{"", {{"", count}}}}).at("").at("");
    return published.is_string() ? published.get<std::string>() : published.dump();
}

// "north 20, south <10"
std::string by_site(const std::map<std::string, std::int64_t>& sites) {
    std::string out;
    for (const auto& [name, count] : sites)
        if (count > 0)
            out += (out.empty() ? "" : ", ") + (name.empty() ? "no site" : name) + ' ' + shown(count);
    return out;
}

}  // namespace

void settle_labels(Dataset& dataset, const Task& task, const Recipe& recipe,
                   const std::set<std::string>& splits, const core::Comm& comm) {
    core::together(comm, [&] {
        const std::string column = task.needed();
        std::string missing;
        if (column.empty()) return;
        for (const std::string& split : splits) {
            std::int64_t samples = 0;
            const auto sites = dataset.without(column, split);
            for (const auto& [site, count] : sites) samples += count;
            if (samples == 0) continue;
            missing += (missing.empty() ? "" : "; ") + shown(samples) + " of " +
                       std::to_string(dataset.samples(split)) + " samples of split " + split + " (" +
                       by_site(sites) + ')';
        }
        if (missing.empty()) return;
        if (!recipe.data.leaves_out_unlabelled)
            throw core::Error(core::Fault::data,
                              "column " + column + " is empty in " + missing +
                                  ". To train and evaluate without them: data.missing_label = \"leave_out\"");
        dataset.leave_out(column);
        if (comm.is_root())
            core::Event("warning", "samples_left_out")
                .with("text", "column " + column + " is empty in " + missing);
    });
}

}  // namespace trainer
