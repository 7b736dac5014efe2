#include "slurm/session/request.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "core/base/error.h"

namespace slurm {
namespace {

constexpr const char* kOriginal = "SSH_ORIGINAL_COMMAND";
constexpr const char* kWords[] = {"TERM", "LANG"};
constexpr std::size_t kWordBytes = 64;

bool is_plain_word(std::string_view text) {
    constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-@";
    return !text.empty() && text.size() <= kWordBytes &&
           text.find_first_not_of(kPlain) == std::string_view::npos;
}

// Of what sshd asks for, or a person does, the programs that copy files. They would reach nothing but the
// workspace; but results leave by a release, and whoever copies them out should not do so without knowing.
bool copies_files(const std::string& command) {
    std::string name = command.substr(0, command.find_first_of(" \t"));
    name.erase(0, name.rfind('/') + 1);
    return name == "sftp-server" || name == "internal-sftp" || name == "scp" || name == "rsync";
}

}  // namespace

std::map<std::string, std::string> take_environment() {
    std::map<std::string, std::string> taken;
    for (const char* name : {kOriginal, kWords[0], kWords[1]})
        if (const char* value = std::getenv(name)) taken[name] = value;
    ::clearenv();
    ::setenv("PATH", "/usr/bin:/bin", 1);
    return taken;
}

Request parse_request(const std::vector<std::string>& arguments,
                      const std::map<std::string, std::string>& environment) {
    Request request;
    for (const char* name : kWords)
        if (const auto found = environment.find(name);
            found != environment.end() && is_plain_word(found->second))
            request.variables.insert(*found);
    const auto original = [&] {
        const auto found = environment.find(kOriginal);
        if (found == environment.end() || found->second.empty()) return;
        request.what = Request::What::command;
        request.command = found->second;
    };
    if (arguments.empty()) {
        original();
    } else if (arguments.size() == 2 && arguments[0] == "-c" && arguments[1] == kSession) {
        original();
    } else if (arguments.size() == 2 && arguments[0] == "-c") {
        request.what = Request::What::command;
        request.command = arguments[1];
    } else if (arguments.size() == 1 && arguments[0] == "--check") {
        request.what = Request::What::checks;
    } else if (arguments.size() == 2 && arguments[0] == "--check" && arguments[1] == "--report") {
        request.what = Request::What::report;
    } else if (arguments.size() == 1 && arguments[0] == "--version") {
        request.what = Request::What::version;
    } else if (arguments.size() == 1 && arguments[0] == "--help") {
        request.what = Request::What::help;
    } else {
        throw core::Error(core::Fault::usage,
                          "a session takes no arguments but -c COMMAND; see aloft-session --help");
    }
    if (request.what == Request::What::command && copies_files(request.command))
        throw core::Error(
            core::Fault::refused,
            "no scp, sftp or rsync with a session: results leave by aloft release. What you bring "
            "in comes by ssh HOST 'cat >FILE' <FILE");
    return request;
}

}  // namespace slurm
