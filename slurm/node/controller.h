#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a node asks slurmctld about one job. Only fields that Slurm itself fills are asked for: a job's name can
// look like any other field.

namespace slurm {

enum class Knows { job, no_such_job, no_answer };

struct ControllersWord {
    Knows knows = Knows::no_answer;
    std::string start;               // how often Slurm has started it again
    std::int64_t most_seconds = 0;   // its time limit; 0: none, or one of another form
    std::string state;               // "RUNNING", "COMPLETING", "PENDING"
    std::vector<std::string> nodes;  // empty while it waits

    // True unless the controller said clearly that this node has nothing of that run of the job; of any run
    // if `start_there` is empty.
    bool may_be_on(std::string_view host, std::string_view start_there) const;
};

// Waits up to `patience`.
ControllersWord ask_about(std::uint32_t job, std::chrono::milliseconds patience);

// What squeue printed about one job, with its messages and, last, "rc=" and its exit code; nothing if it did not come back
// in time. `fields` as its option -O takes them.
std::optional<std::string> squeue_of(std::uint32_t job, std::string_view fields, bool also_ended,
                                     std::chrono::milliseconds patience);

// What squeue printed, for tests.
ControllersWord parse_word(std::uint32_t job, std::string_view printed);

}  // namespace slurm
