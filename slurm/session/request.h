#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

// What the caller of aloft-session asks for. The caller is not trusted: arguments and environment are all
// that is taken from them, and of the environment three variables.

namespace slurm {

inline constexpr const char* kSession = ALOFT_PREFIX "/libexec/aloft/aloft-session";

struct Request {
    enum class What { shell, command, checks, report, version, help } what = What::shell;
    std::string command;                           // What::command
    std::map<std::string, std::string> variables;  // TERM, LANG, if they are plain words
};

// `arguments` without the program's name. Three forms start a session:
// - none: a shell, or SSH_ORIGINAL_COMMAND if sshd set it (ForceCommand, where the account's shell is
//   another);
// - -c COMMAND: as sshd calls a login shell;
// - -c with this program's own path: as sshd does where it is both, ForceCommand and login shell. As the
//   first.
// `--check` (with `--report` after it, or not), `--version` and `--help` stand alone. Throws Error(usage) for anything else,
// Error(refused) for a program that copies files (scp, sftp, rsync).
Request parse_request(const std::vector<std::string>& arguments,
                      const std::map<std::string, std::string>& environment);

// Takes what parse_request may look at, and empties the environment of this process: nothing of it reaches a
// library that runs as root here, nor the session.
std::map<std::string, std::string> take_environment();

}  // namespace slurm
