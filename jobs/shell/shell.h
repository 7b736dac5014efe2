#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/message.h"

// A shell on a node of an enclave. Nobody logs in there, and no packet goes between a session and a job; so the job
// runs a shell whose lines come from a file of the workspace, and whose output goes to another. It is no terminal
// (the fence has none): lines are edited where they are typed, and programs that draw on a screen do not work.

namespace jobs::shell {

struct Served {
    std::filesystem::path folder;      // made anew; a job that is run again begins anew
    std::vector<std::string> program;  // empty: bash
    std::chrono::seconds idle;         // without anybody attached for so long, it ends
};
// In the job: runs the program until it ends, is left alone, or SIGTERM comes, and returns its exit code (128 + signal;
// 0 if it was left alone). Takes the signals that end programs for itself.
int serve(const Served& served);

struct Attached {
    std::filesystem::path folder;
    int in = 0, out = 1;     // what is typed, what is shown
    bool from_start = true;  // false: the last lines only of what was printed before
    std::function<core::Message()>
        how_job_is{};  // empty while it runs or waits to; else how it ended, for people
};
// In the session: until the shell ends: its exit code; nothing if the person left it running (SIGQUIT, control and
// backslash). An end of `in` is passed on, SIGINT interrupts what runs there. Throws Error(data) if the job ended
// otherwise. Takes SIGINT and SIGQUIT of the process while it runs.
std::optional<int> attach(const Attached& attached);

}  // namespace jobs::shell
