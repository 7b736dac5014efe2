#pragma once
#include <CLI/CLI.hpp>
#include <functional>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {

// The event by which a program tells of a failure: "data".
const char* name_of(Fault fault) noexcept;

// Gives `app` --version, then parses and runs `work`. Holds the only catch-all of a program: one error event
// on stderr, and the fault as the exit code. CLI11's own complaints become exit 2; --help and --version exit
// 0. `on_failure` runs before returning a non-zero code (MPI programs abort the other ranks there).
int run_tool(CLI::App& app, int argc, char** argv, const std::function<void()>& work,
             const std::function<void(int code)>& on_failure = {});

// For a service: blocks SIGTERM and SIGINT in this thread and those it starts, and returns a descriptor that becomes
// readable when one comes.
Fd end_signals();

}  // namespace core
