#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {

// The event by which a program tells of a failure: "data".
const char* name_of(Fault fault) noexcept;

// Gives `app` --version, then parses and runs `work`. Holds the only catch-all of a program: one error event
// on stderr, and the fault as the exit code. CLI11's own complaints become exit 2; --help and --version exit
// 0. `on_failure` runs before returning a non-zero code (MPI programs abort the other ranks there).
// With --json among the arguments (before a "--") a failure is one object on stdout, too, unless print_json has
// answered: {"error":{"kind":"data","code":3,"text":...}}. Of a command line that does not parse no value is in it;
// of one that does, the text may name files and things as they were asked for.
int run_tool(CLI::App& app, int argc, char** argv, const std::function<void()>& work,
             const std::function<void(int code)>& on_failure = {});

// As run_tool tells of a failure, for what fails before it. Returns the exit code.
int tell_failure(int argc, const char* const* argv, Fault fault, const std::string& text);

// The answer to --json: one object on stdout, on one line unless `indent` is given. Called once.
void print_json(const nlohmann::json& answer, int indent = -1);
void print_json(const nlohmann::ordered_json& answer, int indent = -1);
// Of several ranks that mpirun or srun started one tells: after this, failures of any but rank 0 are no objects. By
// the number that the launcher gave, so before MPI starts, too. A failure that all ranks have is one object. Where a
// rank fails that is not 0, and the others do not, there is none: stderr and the exit code tell of it.
void leave_json_to_rank_0();

// For a service: blocks SIGTERM and SIGINT in this thread and those it starts, and returns a descriptor that becomes
// readable when one comes.
Fd end_signals();

}  // namespace core
