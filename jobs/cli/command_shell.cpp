// aloft shell.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/base/tool.h"
#include "jobs/cli/submit.h"
#include "jobs/shell/exchange.h"
#include "jobs/shell/shell.h"
#include "jobs/slurm/client.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
namespace fs = std::filesystem;

namespace {

constexpr const char* kWorkspace = "/aloft/workspace";
constexpr int kLooks = 120;  // half a second each

struct ShellWish : Wish {
    std::int64_t idle = 30;        // minutes
    std::int64_t attach = 0;       // a job of before
    std::vector<std::string> run;  // instead of bash
};

void require_session() {
    std::error_code none;
    if (!fs::is_directory(kWorkspace, none))
        throw failure(Fault::usage,
                      "aloft shell speaks to its job through your workspace, which is seen in a fenced "
                      "session only: log in to a login host of your enclave");
}

// How a job ended that no longer runs, by what Slurm says of it; empty while it waits or runs.
core::Message how_it_ended(std::int64_t number, const std::optional<nlohmann::json>& job) {
    if (!job) return core::message("Slurm has forgotten job {}", number);
    const SlurmJob now = read_job(*job);
    if (!is_final(now.state)) return {};
    return core::message("job {} ended as {}, exit code {}; its output: aloft logs {}", number, now.state,
                         now.exit, number);
}

[[noreturn]] void give_up(std::int64_t number, bool is_new) {
    if (!is_new) throw failure(Fault::usage, "given up; job {} goes on", number);
    const bool ends = core::run_program({"scancel", std::to_string(number)}, "").code == 0;
    throw ends ? failure(Fault::usage, "given up; job {} is being ended", number)
               : failure(Fault::usage, "given up; job {} could not be cancelled: aloft cancel", number);
}

// Until the job's end of it is there: its folder. A person who does not want to wait longer ends the job, too, if it was
// begun for this.
template <class Find>
fs::path wait_for(std::int64_t number, bool is_new, const Find& find) {
    sigset_t before;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
    const core::Fd signals = core::end_signals();
    const auto restore = [&before] { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); };
    std::string last;
    int looks = 0;  // since it runs
    try {
        while (true) {
            std::error_code none;
            const std::optional<fs::path> folder = find();
            if (folder && fs::exists(*folder / "in", none)) {
                restore();
                return *folder;
            }
            pollfd ready{signals.get(), POLLIN, 0};
            if (::poll(&ready, 1, 500) > 0) give_up(number, is_new);
            const auto job = find_job(number);
            const std::string state = job ? read_job(*job).state : "";
            if (state != last && !state.empty()) std::cerr << tr("job {}: {}", number, state) << '\n';
            last = state;
            if (state == "RUNNING" && ++looks > kLooks)
                throw failure(Fault::data,
                              "job {} runs, but no shell answers from there: was it begun by aloft shell? "
                              "aloft logs and aloft cancel may help",
                              number);
            if (const core::Message how = how_it_ended(number, job); !how.format.empty())
                throw core::ToldError(Fault::data, how);
        }
    } catch (...) {
        restore();
        throw;
    }
}

void run_shell(const Common& common, ShellWish& wish) {
    if (common.json)
        throw failure(Fault::usage, "a shell says what is typed into it, and no JSON; leave --json out");
    wish.requeue = false;
    const std::string token = shell::new_token();
    wish.program = {ALOFT_PREFIX "/libexec/aloft/aloft-shell",
                    "--idle",
                    std::to_string(wish.idle),
                    "--token",
                    token,
                    "--"};
    wish.program.insert(wish.program.end(), wish.run.begin(), wish.run.end());
    if (common.dry_run) return tell_submission(common, wish);
    require_session();
    const bool is_new = wish.attach == 0;
    if (is_new) shell::remove_ended(kWorkspace);
    const std::int64_t number = is_new ? submit_job(common, wish).at("job").get<std::int64_t>() : wish.attach;
    const std::string name = std::to_string(number);
    const fs::path folder = wait_for(number, is_new, [&]() -> std::optional<fs::path> {
        if (is_new) return shell::folder_of(kWorkspace, name, token);
        return shell::newest_folder(kWorkspace, name);
    });
    if (::isatty(0))
        std::cerr << tr("job {}: a shell without a terminal: lines, not screens. Control and \\ leaves it "
                        "running (aloft shell --attach {}); exit, or control and d, ends the job",
                        number, number)
                  << '\n';
    const auto code = shell::attach({.folder = folder, .from_start = is_new, .how_job_is = [number] {
                                         return how_it_ended(number, find_job(number));
                                     }});
    if (!code) {
        std::cerr
            << '\n'
            << tr("job {} goes on, as long as its --idle allows without anybody: aloft shell --attach {}",
                  number, number)
            << '\n';
        return;
    }
    if (*code != 0) throw failure(Fault::data, "the shell of job {} ended with exit code {}", name, *code);
}

}  // namespace

void add_shell(CLI::App& app, Common& common) {
    static ShellWish wish;
    CLI::App* command =
        add_verb(app, common, "shell", "A shell on a node of your enclave: a job whose lines you type here",
                 "aloft shell --gpus-per-node 1 --time 60", Changes::something,
                 [&common] { run_shell(common, wish); });
    add_wishes(*command, wish);
    command->add_option("--idle", wish.idle, "Minutes without anybody attached after which it ends")
        ->capture_default_str()
        ->check(CLI::Range(1, 10000000));
    command->add_option("program", wish.run, "What to run there instead of bash, after --: python3 -i");
    const std::vector<CLI::Option*> others = command->get_options();
    CLI::Option* attach =
        command->add_option("--attach", wish.attach, "Go on with the shell of this job of yours")
            ->check(CLI::PositiveNumber);
    for (CLI::Option* other : others)  // they would do nothing
        if (other->get_name() != "--help" && other->get_name() != "--json") attach->excludes(other);
}

}  // namespace jobs
