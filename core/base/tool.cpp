#include "core/base/tool.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/journal.h"
#include "core/base/message.h"
#include "core/base/printable.h"

namespace core {
namespace {

bool g_wants_json = false;  // and stdout has no object yet
bool g_other_rank = false;

// As CLI11 reads the value of a flag; one that it does not take was meant as an answer to a program, too.
bool is_yes(const std::string& value) {
    try {
        return CLI::detail::to_flag_value(value) > 0;
    } catch (const std::exception&) {
        return true;
    }
}

// By the words themselves: a command line that does not parse sets no flag.
bool asks_for_json(int argc, const char* const* argv) {
    bool asks = false;
    for (int i = 1; !g_other_rank && i < argc && std::string_view(argv[i]) != "--"; ++i) {
        const std::string_view word = argv[i];
        if (word == "--json") asks = true;
        if (word.starts_with("--json=")) asks = is_yes(std::string(word.substr(7)));
    }
    return asks;
}

bool is_other_rank() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
        if (const char* rank = std::getenv(name)) return std::string_view(rank) != "0";
    return false;
}

void print_failure(Fault fault, const std::string& text) {
    if (g_wants_json)
        print_json(nlohmann::ordered_json{
            {"error", {{"kind", name_of(fault)}, {"code", static_cast<int>(fault)}, {"text", text}}}});
    std::cout.flush();
}

// For the person beside the log line: the same in the language in use, without what a terminal would obey. What has no translation is
// not told a second time.
void tell_in_language(const Message& message) {
    const std::string other = translated(message);
    if (other == message.english()) return;
    std::string line = printable_text(other, "\n\t");
    for (char& c : line)
        if (c == '\n' || c == '\t') c = ' ';
    std::cerr << line << '\n';
}

// The usual advice belongs to the text of the error; `text` is one line.
int report(Fault fault, const char* text) {
    end_log_to_journal();
    Event(fault == Fault::requeue ? "info" : "error", name_of(fault)).with("text", text);
    print_failure(fault, text);
    return static_cast<int>(fault);
}

// CLI11 quotes values that it does not take; only where it names options alone is its own text told on.
std::string text_of(const CLI::ParseError& error) {
    if (dynamic_cast<const CLI::RequiredError*>(&error) || dynamic_cast<const CLI::RequiresError*>(&error) ||
        dynamic_cast<const CLI::ExcludesError*>(&error))
        return error.what();
    return "the command line does not parse: stderr says where, --help what it takes";
}

// What kind of mistake a command line has, by CLI11's name of it; its own line, in English, names the option.
Message mistake_of(const CLI::Error& error) {
    const std::string name = error.get_name();
    if (name == "RequiredError") return message("something that the command needs is missing");
    if (name == "ExtrasError") return message("the command does not know this word or option");
    if (name == "ExcludesError" || name == "RequiresError")
        return message("these options do not go together as they stand");
    if (name == "ValidationError" || name == "ConversionError")
        return message("an option does not take this value");
    if (name == "ArgumentMismatch") return message("an option has too many or too few values");
    return message("the command line cannot be understood");
}

std::string complaint(const CLI::App* app, const CLI::Error& error) {
    return translated(mistake_of(error)) + "\n" + error.what() + "\n" +
           tr("More: {} --help", app->get_name()) + "\n";
}

// CLI11's own descriptions, and names of groups.
[[maybe_unused]] constexpr std::string_view kOfTheLibrary[] = {
    marked("Print this help message and exit"), marked("Display program version information and exit"),
    marked("Options"), marked("Subcommands")};
constexpr std::string_view kLabels[] = {marked("Usage"),      marked("Positionals"), marked("OPTIONS"),
                                        marked("SUBCOMMAND"), marked("SUBCOMMANDS"), marked("REQUIRED"),
                                        marked("Needs"),      marked("Excludes")};

// Descriptions are literals where commands are made (add_option and its kind), and are put into the language in use here, all of them.
void translate(CLI::App& app) {
    app.description(translated_text(app.get_description()));
    for (CLI::Option* option : app.get_options()) {
        option->description(translated_text(option->get_description()));
        option->group(translated_text(option->get_group()));
    }
    for (CLI::App* part : app.get_subcommands([](CLI::App*) { return true; })) {
        part->group(translated_text(part->get_group()));
        translate(*part);
    }
    for (const std::string_view label : kLabels)
        app.get_formatter()->label(std::string(label), translated_text(label));
}

template <class Json>
void print_object(const Json& answer, int indent) {
    std::cout << answer.dump(indent, ' ', false, Json::error_handler_t::replace) << '\n';
    g_wants_json = false;
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
    g_wants_json = asks_for_json(argc, argv);
    if (speaks_another_language()) {
        translate(app);
        app.failure_message(complaint);
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (app.exit(e, std::cout, std::cerr) == 0) return 0;
        print_failure(Fault::usage, text_of(e));
        return static_cast<int>(Fault::usage);
    }
    int code = 0;
    try {
        work();
        std::cout.flush();
        if (!std::cout) code = report(Fault::system, "cannot write to standard output");
    } catch (const Error& e) {
        code = report(e.fault(), e.what());
        tell_in_language(told(e).message());
    } catch (const std::exception& e) {
        code = report(Fault::bug, e.what());
    } catch (...) {
        code = report(Fault::bug, "unknown failure");
    }
    if (code && on_failure) on_failure(code);
    return code;
}

int tell_failure(int argc, const char* const* argv, Fault fault, const std::string& text) {
    g_wants_json = asks_for_json(argc, argv);
    return report(fault, text.c_str());
}

void print_json(const nlohmann::json& answer, int indent) {
    print_object(answer, indent);
}

void print_json(const nlohmann::ordered_json& answer, int indent) {
    print_object(answer, indent);
}

void leave_json_to_rank_0() {
    g_other_rank = is_other_rank();
    if (g_other_rank) g_wants_json = false;
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
