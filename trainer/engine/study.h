#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "core/mpi/comm.h"

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

    static StudyOptions from(const core::Config& table);  // throws Error(usage)
};

// A recipe's file, what was set beside it, and where its study lies: STUDY/plan.jsonl, STUDY/runs/NUMBER,
// STUDY/summary.json, STUDY/summary.html.
struct StudyRequest {
    std::filesystem::path recipe, study;
    std::vector<std::string> settings;
};

// The text of plan.jsonl: a line of what all have in common, then one a run, in the order of their numbers. A function of
// the recipe's bytes, the settings and the dataset's description; needs no key. Throws Error(usage) if the recipe has no
// [study], or one that this dataset cannot have.
std::string plan_study(const StudyRequest& request, const nlohmann::ordered_json& counts,
                       const std::string& dataset);

// Writes it, and on root returns its text. Throws Error(usage) if another one is there. On one rank.
void write_plan(const StudyRequest& request, const std::string& plan);

// Collective. Runs the run of this number, or all, one after the other; those that are over are not run again. Of all, one
// that ends with usage or data does not keep the others from being run; its error is thrown at the end. Throws as fit
// does, and AgreedError(usage) if `plan` is not what plan.jsonl says, or there is no such run.
void run_study(const StudyRequest& request, const FitRequest& fit, const std::string& plan,
               std::optional<std::int64_t> number, const core::Comm& comm);

// Writes summary.json and summary.html of the runs that are over; returns the former. On one rank. Throws Error(usage) if
// there is no plan, Error(data) if a run's metrics.json is not one of the plan.
nlohmann::ordered_json summarise_study(const std::filesystem::path& study);

}  // namespace trainer
