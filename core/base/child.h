#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace core {

// Runs a program (absolute path first) with a small fixed environment and returns what it printed on stdout;
// nothing if it is not there, fails, prints more than 1 MiB or takes longer than `limit`: then it is killed.
// For Slurm's commands, which wait long for a controller that is down.
std::optional<std::string> output_of(const std::vector<std::string>& words, std::chrono::milliseconds limit);

struct Finished {
    int code = 0;  // exit code; 128 + signal
    std::string output, errors;
};

// The same for a program whose exit code says something; `errors` stays empty. Nothing only if it did not start, printed too
// much or took too long.
std::optional<Finished> finished_within(const std::vector<std::string>& words,
                                        std::chrono::milliseconds limit);

// Runs a program from PATH with `input` on its standard input and waits for it. Throws Error(system) if it is
// not there.
Finished run_program(const std::vector<std::string>& command, const std::string& input);

}  // namespace core
