#include "core/base/tool.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <exception>
#include <iostream>

#include "core/base/error.h"
#include "core/base/event.h"

namespace core {
namespace {

// The usual advice belongs to the text of the error; `text` is one line.
int report(Fault fault, const char* text) {
    Event(fault == Fault::requeue ? "info" : "error", name_of(fault)).with("text", text);
    return static_cast<int>(fault);
}

}  // namespace

const char* name_of(Fault fault) noexcept {
    switch (fault) {
        case Fault::bug:
            return "bug";
        case Fault::usage:
            return "usage";
        case Fault::data:
            return "data";
        case Fault::system:
            return "system";
        case Fault::refused:
            return "refused";
        case Fault::requeue:
            return "requeue";
    }
    return "bug";
}

int run_tool(CLI::App& app, int argc, char** argv, const std::function<void()>& work,
             const std::function<void(int)>& on_failure) {
    app.set_version_flag("--version", "aloft " ALOFT_VERSION);
    app.get_formatter()->column_width(34);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e, std::cout, std::cerr) == 0 ? 0 : static_cast<int>(Fault::usage);
    }
    int code = 0;
    try {
        work();
        std::cout.flush();
        if (!std::cout) code = report(Fault::system, "cannot write to standard output");
    } catch (const Error& e) {
        code = report(e.fault(), e.what());
    } catch (const std::exception& e) {
        code = report(Fault::bug, e.what());
    } catch (...) {
        code = report(Fault::bug, "unknown failure");
    }
    if (code && on_failure) on_failure(code);
    return code;
}

Fd end_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return Fd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

}  // namespace core
