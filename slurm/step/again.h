#pragma once
#include <cstdint>
#include <filesystem>

#include "slurm/decide/policy.h"

// A job that did not run for what is no fault of its own (its node was changed as it began; slurmd skipped its Prolog) is
// run again: it ends with exit code 75. Not for ever: how often in a row is counted in the workspace, where it outlives the
// run. Restarts that the job asks for itself are not counted. The file is the user's: whoever changes it changes when that
// job, which never runs unfenced, is given up.

namespace slurm {

inline constexpr int kMostInARow = 20;

// In the batch script's task, as the user, in a view with a workspace.
class Again {
public:
    explicit Again(std::uint32_t job, const std::filesystem::path& workspace = "/aloft/workspace");

    // So often in a row until now; from here on the row is forgotten, unless `count` goes on with it. What is no number of
    // ours in the file's place ends it.
    int take() const noexcept;
    // One more after `before`. False if the job is not to be run again. Where nothing can be written, `restarts` decides:
    // how often Slurm has started the job again, for whatever reason.
    bool count(int before, int restarts) const noexcept;

private:
    std::filesystem::path file_;
};

// In a task of a step, as the user: word for the batch script's, which counts. False if it cannot be left and `restarts`
// are too many.
bool ask_to_run_again(std::uint32_t job, int restarts) noexcept;

}  // namespace slurm
