// aloft-session: a fenced shell for an enclave's account on a login host. Set-user-ID root; see README.md.
#include <iostream>

#include "core/base/error.h"
#include "slurm/session/login_checks.h"
#include "slurm/session/request.h"
#include "slurm/session/session.h"

namespace {

using core::Error;
using core::Fault;
using slurm::Request;

constexpr const char* kHelp =
    R"(A session in your enclave: your workspace, Slurm and aloftd, and nothing else of this host or any other.
It is the login shell of the enclave's accounts, or sshd's ForceCommand for them.

  aloft-session               a shell; with SSH_ORIGINAL_COMMAND set, that command
  aloft-session -c COMMAND    one command
  aloft-session --check       as root: may this host be an enclave's login host? Exit 5 if not
  aloft-session --check --report   and leaves it as a signed record for aloftd (aloft admin preflight)
  aloft-session --version     which Aloft this is

Example: ssh login.example.org aloft jobs

Exit codes: those of the shell or command; 5 refused (no enclave, no workspace), 4 the fence could not be built.
)";

int run(const Request& request) {
    switch (request.what) {
        case Request::What::help:
            std::cout << kHelp;
            return 0;
        case Request::What::version:
            std::cout << "aloft " ALOFT_VERSION "\n";
            return 0;
        case Request::What::checks:
            return slurm::print_login_checks(slurm::Report::no);
        case Request::What::report:
            return slurm::print_login_checks(slurm::Report::yes);
        case Request::What::shell:
        case Request::What::command:
            break;
    }
    return slurm::run_session(request);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto environment = slurm::take_environment();
        return run(slurm::parse_request({argv + (argc > 0 ? 1 : 0), argv + argc}, environment));
    } catch (const Error& e) {
        std::cerr << "aloft-session: " << (e.fault() == Fault::refused ? "refused: " : "") << e.what()
                  << '\n';
        return static_cast<int>(e.fault());
    } catch (const std::exception& e) {
        std::cerr << "aloft-session: unforeseen: " << e.what() << '\n';
        return static_cast<int>(Fault::bug);
    }
}
