#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "core/mpi/comm.h"
#include "core/shard/manifest.h"

namespace trainer {

struct FitRequest;

// [study] of a recipe: the runs that are made of it.
struct StudyOptions {
    std::vector<std::string> leave_out;  // columns, each value of which is held out once
    std::int64_t folds = 0;              // by patient; 0: none
    std::uint64_t seed = 1;              // of the folds
    struct Sweep {
        std::string key;                  // as --set names it
        std::vector<std::string> values;  // as --set takes them
    };
    std::vector<Sweep> sweep;  // every combination
    std::string run_sha256;    // set where this is a run of a study: study_run_sha256

    static StudyOptions from(const core::Config& table);  // throws Error(usage)
};

// A recipe's file, what was set beside it, and where its study lies: STUDY/plan.jsonl, STUDY/runs/NUMBER,
// STUDY/summary.json, STUDY/summary.html.
struct StudyRequest {
    std::filesystem::path recipe, study;
    std::vector<std::string> settings;
};

// The text of plan.jsonl: a line of what all have in common, then one a run, in the order of their numbers. A function of
// the recipe's bytes, the settings and the dataset's description; needs no key. A value of which the manifest shows that
// it has fewer samples than evaluate.min_stratum has no run: the first line has it, `skipped` by column. Throws
// Error(usage) if the recipe has no [study], or one that this dataset cannot have by its columns and counts.
std::string plan_study(const StudyRequest& request, const core::Manifest& manifest);

// The same as one object: {"plan": the first line, "runs": the others}.
nlohmann::ordered_json plan_to_json(const std::string& plan);

// Writes it; the event value_skipped tells of each value that has no run. Throws Error(usage) if another one is there. On one rank.
void write_plan(const StudyRequest& request, const std::string& plan);

// Collective. Runs the run of this number, or all, one after the other; those that are over are not run again. Of all, one
// that ends with usage or data does not keep the others from being run; its error is thrown at the end. One that ends
// with usage is noted in its folder, refused.json. Throws as fit does, and AgreedError(usage) if there is no such run, or
// `plan_now` does not give what plan.jsonl says: it is asked before each run. Returns, on every rank, {"runs": how many the
// study has, "done": the numbers of those that were done now, "over": of those asked for that were over before}.
nlohmann::ordered_json run_study(const StudyRequest& request, const FitRequest& fit,
                                 const std::function<std::string()>& plan_now,
                                 std::optional<std::int64_t> number, const core::Comm& comm);

// Writes summary.json and summary.html of the runs that are over; returns the former. On one rank. Throws Error(usage) if
// there is no plan, Error(data) if a run's metrics.json is not one of the plan.
nlohmann::ordered_json summarise_study(const std::filesystem::path& study);

}  // namespace trainer
