#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/site.h"
#include "slurm/decide/policy.h"
#include "slurm/preflight/closing.h"

// How a job's run ended, as slurmctld says: only after every Epilog does it show more than COMPLETING, so the agent asks
// afterwards. Of a job only words of ours go on record, never the number that its program ended with: that is the job's
// choice.

namespace slurm {

struct Outcome {
    enum class Known { yes, not_yet, no_answer } known = Known::no_answer;
    // "completed", "failed", "cancelled", "timeout", "node-fail", "out-of-memory", "preempted", "requeued"; "unknown": Slurm
    // has forgotten it.
    std::string outcome;
    std::string exit;  // "zero", "nonzero", "requeue" (75), "signal"; "unknown"
};

// Of the run `start` (Policy::start) of the job, from what squeue printed.
Outcome parse_outcome(std::uint32_t job, std::string_view start, std::string_view printed);
// Waits a few seconds for slurmctld.
Outcome ask_outcome(std::uint32_t job, std::string_view start);

// On the job's first node: keeps in STATE/ended, on disk, whom to ask about. On its others nothing: one record is enough.
void remember_end(const Policy& ended, const std::filesystem::path& state = kNodeState);

// Asks about each of them and spools "job-outcome" (core/ledger/spool.h). What is not over yet stays for the next time; the
// first question without an answer ends the round.
void record_outcomes(const core::Site& site, const std::filesystem::path& state = kNodeState,
                     const std::function<Outcome(std::uint32_t, std::string_view)>& ask = ask_outcome);

}  // namespace slurm
