// aloft-run: what really runs when an enclave's batch job starts. job_submit puts it before the user's
// script, so the kernel starts it with the script's path as argument. It never runs the user's text: it hands
// it, as data, to one srun step over all tasks, where this program is started again (--inside) behind the
// fence and only there turns the text into a program.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sstream>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/policy/grant.h"
#include "slurm/admit/admission.h"
#include "slurm/admit/script.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/step/again.h"
#include "slurm/step/interfaces.h"
#include "slurm/step/mark.h"

namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr int kRequeuePatience =
    20;  // seconds from telling the tasks to forcing them, and from there to the end
constexpr const char* kSelf = ALOFT_PREFIX "/libexec/aloft/aloft-run";

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

[[noreturn]] void become(const std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    throw Error(errno == ENOENT || errno == EACCES ? Fault::usage : Fault::system,
                core::with_errno(
                    "cannot start " + words[0] + " (does the script's first line name a program?)", errno));
}

std::uint32_t job_number() {
    const std::string text = variable("SLURM_JOB_ID");
    std::uint32_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{})
        throw Error(Fault::refused, "not in a job of Slurm");
    return number;
}

// srun returns 0 when no task could be launched, so each node's first task leaves a mark here once it runs.
fs::path marks() {
    return slurm::marks_of(job_number());
}

// What a task left word of, by the programs in its PATH: it called srun (inside/srun), or saved its state and wants to
// run again (inside/scontrol).
std::optional<Fault> asked_end() {
    std::error_code none;
    if (fs::exists(marks() / slurm::kNestedMark, none)) return Fault::refused;
    if (fs::exists(marks() / slurm::kRequeueMark, none)) return Fault::requeue;
    return std::nullopt;
}

// Runs srun and waits for it; signals for the batch script are for it. They wait while it is not there yet,
// so that none of them ends this program. Returns its exit code, or the one that a task asked for.
int run_srun(const std::vector<std::string>& words) {
    sigset_t awaited, before;
    sigemptyset(&awaited);
    for (const int signal : {SIGCHLD, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP}) sigaddset(&awaited, signal);
    if (::sigprocmask(SIG_BLOCK, &awaited, &before))
        throw Error(Fault::system, core::with_errno("cannot hold signals", errno));
    const pid_t srun = ::fork();
    if (srun < 0) throw Error(Fault::system, core::with_errno("cannot fork", errno));
    if (srun == 0) try {
            ::sigprocmask(SIG_SETMASK, &before, nullptr);
            become(words);
        } catch (const Error& e) {
            std::cerr << "aloft: " << e.what() << '\n';
            ::_exit(static_cast<int>(e.fault()));
        }
    const timespec second{1, 0};
    int seconds_since_asked = -1;
    for (;;) {
        const int signal = ::sigtimedwait(&awaited, nullptr, &second);
        int status = 0;
        const pid_t ended = ::waitpid(srun, &status, WNOHANG);
        if (ended < 0) throw Error(Fault::system, core::with_errno("cannot wait for srun", errno));
        if (ended == srun) {
            if (const auto asked = asked_end()) return static_cast<int>(*asked);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (signal > 0 && signal != SIGCHLD) ::kill(srun, signal);
        if (signal > 0 || !asked_end()) continue;
        // What a real `scontrol requeue` does: the tasks are told, and ended if they do not end.
        if (++seconds_since_asked == 0) ::kill(srun, SIGTERM);
        if (seconds_since_asked == kRequeuePatience) ::kill(srun, SIGQUIT);
        if (seconds_since_asked == 2 * kRequeuePatience) ::kill(srun, SIGKILL);
    }
}

int restarts() {
    return std::atoi(variable("SLURM_RESTART_COUNT").c_str());
}

// A node could not begin its part of the job, for what is no fault of the job's.
bool is_for_no_fault() {
    std::error_code none;
    return fs::exists(marks() / slurm::kAgainMark, none);
}

std::size_t count_and_remove_marks() {
    std::error_code none;
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(marks(), none))
        count += entry.path().extension() == ".started";
    fs::remove_all(marks(), none);
    return count;
}

// By the same rule as at admission.
std::int64_t minutes_left() {
    std::int64_t kill_wait = 30;  // Slurm's own default
    try {
        kill_wait = std::stoll(slurm::load_slurm_conf(variable("SLURM_CONF")).value("killwait", "30"));
    } catch (const std::exception&) {  // a site without the file here
    }
    const std::int64_t now = core::now_seconds();
    const core::Grant grant =
        core::check_grant(core::read_text("/aloft/grant.json"),
                          core::load_verify_keys("/etc/aloft/keys", "grant"), ::getuid(), now);
    return (core::last_limit(grant, kill_wait) - now) / 60;
}

int start_step(const std::vector<std::string>& arguments) {
    slurm::require_mark(job_number(), slurm::Part::batch);
    const std::int64_t minutes = minutes_left();
    if (minutes < 1)
        throw Error(Fault::refused,
                    "the grant ends within a minute. Apply for a new one (aloft apply create)");
    const std::string script(slurm::user_script(core::read_text(arguments.at(0))));
    ::setenv("ALOFT_SCRIPT", core::to_base64(core::view(script)).c_str(), 1);
    ::setenv("ALOFT_STEP_TOKEN", core::read_text("/aloft/token", 4096).c_str(), 1);
    const slurm::Again again(job_number());
    const int before = again.take();
    count_and_remove_marks();
    core::make_directories(marks(), 0700);
    // The job's own limit holds too. This one was computed now, from the grant: a job can have waited for
    // long.
    std::vector<std::string> words{
        "/usr/bin/srun", "--mpi=pmix", "--export=ALL", "--input=none", "--time=" + std::to_string(minutes),
        kSelf,           "--inside"};
    words.insert(words.end(), arguments.begin() + 1, arguments.end());
    const int code = run_srun(words);
    const bool is_again = is_for_no_fault(), is_nested = asked_end() == Fault::refused;
    const std::size_t started = count_and_remove_marks();
    if (is_nested)
        throw Error(Fault::refused,
                    "the job called srun, or an mpirun for several tasks. Its script runs in each of its "
                    "tasks already: leave "
                    "these out, and say at submission how many there are (aloft submit --nodes N "
                    "--ntasks-per-node M)");
    if (code == static_cast<int>(Fault::requeue) && is_again && !again.count(before, restarts()))
        throw Error(Fault::refused, "a node could not begin its part of the job " +
                                        std::to_string(slurm::kMostInARow + 1) +
                                        " times in a row. Tell the admin; the job can be submitted again");
    if (code == static_cast<int>(Fault::requeue) ||
        std::to_string(started) == variable("SLURM_JOB_NUM_NODES"))
        return code;
    const Error error(Fault::system,
                      "the job's step started on " + std::to_string(started) + " of " +
                          variable("SLURM_JOB_NUM_NODES") +
                          " nodes. Submit it again; tell the admin, whose slurmd.log says why");
    if (code == 0) throw error;
    std::cerr << "aloft: " << error.what() << '\n';
    return code;
}

// The fence of this view is another version's.
bool is_run_again(bool is_inside) {
    if (is_inside) return slurm::ask_to_run_again(job_number(), restarts());
    const slurm::Again again(job_number());
    return again.count(again.take(), restarts());
}

void leave_mark() {
    if (variable("SLURM_LOCALID") != "0") return;
    const auto path = marks() / (variable("SLURM_NODEID") + ".started");
    const core::Fd fd(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.is_open()) throw Error(Fault::system, core::with_errno("cannot write into the workspace", errno));
}

// In a private /tmp: a script must be a file, since its first line names its interpreter.
std::string write_script(const std::string& text) {
    std::string path = "/tmp/slurm_script-XXXXXX";
    const core::Fd fd(::mkostemp(path.data(), 0));
    if (!fd.is_open() || ::fchmod(fd.get(), 0500))
        throw Error(Fault::system, core::with_errno("cannot write the job's script", errno));
    core::write_all(fd.get(), core::view(text));
    return path;
}

void set_default(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 0);
}

// What the job's own nodes meet on. What a user has set stays.
void choose_interfaces() {
    set_default("OMPI_MCA_btl_tcp_disable_family", "6");  // Open MPI 5 would call fellows by IPv6 first
    const auto names = slurm::job_interfaces();
    if (names.empty()) return;
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ",") + name;
    set_default("NCCL_SOCKET_IFNAME", "=" + list);  // "=": these names, not all that begin so
    set_default("GLOO_SOCKET_IFNAME", names.front());
    if (!std::getenv("OMPI_MCA_btl_tcp_if_exclude"))  // Open MPI takes one of the two
        set_default("OMPI_MCA_btl_tcp_if_include", list);
}

// RDMA passes no filter of the node, so its devices are here only where the enclave has a partition of its
// own (infiniband.h). Without them MPI and NCCL would look for them first and complain.
void choose_network() {
    std::error_code none;
    if (fs::exists("/dev/infiniband", none)) return;
    set_default("OMPI_MCA_pml", "ob1");
    set_default("OMPI_MCA_btl", "self,vader,tcp");
    set_default("NCCL_IB_DISABLE", "1");
    if (fs::is_empty("/sys/class/infiniband", none) || none || variable("SLURM_PROCID") != "0") return;
    std::cerr << "aloft: InfiniBand is withheld from this job, since it passes no filter of the node; MPI "
                 "and NCCL use "
                 "TCP. For the admin: aloft-node preflight says why\n";
}

[[noreturn]] void run_script(const std::vector<std::string>& arguments) {
    slurm::require_mark(job_number(), slurm::Part::step);
    leave_mark();
    const core::Bytes script = core::from_base64(variable("ALOFT_SCRIPT"));
    const auto variables = slurm::unpack_environment(variable("ALOFT_USER_ENV"));
    const slurm::Call call = slurm::unpack_call(variable("ALOFT_USER_CALL"));
    for (const char* name : {"ALOFT_SCRIPT", "ALOFT_USER_ENV", "ALOFT_USER_CALL", "ALOFT_STEP_TOKEN"})
        ::unsetenv(name);
    ::unsetenv("PATH");
    for (const std::string& one : variables) {
        const auto equals = one.find('=');
        ::setenv(one.substr(0, equals).c_str(), one.substr(equals + 1).c_str(), 1);
    }
    const std::string path = variable("PATH");
    // Ours first: a scontrol that knows what a job may ask. Last: a `python` for who has none.
    ::setenv("PATH",
             (ALOFT_PREFIX "/libexec/aloft/inside:" ALOFT_PREFIX "/bin:" +
              (path.empty() ? "/usr/local/bin:/usr/bin:/bin" : path) +
              ":" ALOFT_PREFIX "/libexec/aloft/inside/last")
                 .c_str(),
             1);
    // Behind the user's: `import aloft` needs no more (trainer/python).
    const std::string packages = variable("PYTHONPATH");
    ::setenv("PYTHONPATH",
             ((packages.empty() ? "" : packages + ":") + ALOFT_PREFIX "/share/aloft/python").c_str(), 1);
    ::setenv("HOME", slurm::kWorkspace, 1);
    ::setenv("TMPDIR", "/tmp", 1);
    ::setenv("ALOFT_WORKSPACE", slurm::kWorkspace, 1);
    ::setenv("ALOFT_DATA", "/aloft/data", 1);
    ::setenv("ALOFT_KEYS", "/aloft/keys", 1);
    choose_network();
    choose_interfaces();
    if (!call.folder.empty() && ::chdir(call.folder.c_str()))
        throw Error(Fault::usage,
                    core::with_errno("cannot enter the folder that the job was submitted from", errno));
    std::vector<std::string> words{write_script(std::string(core::text(script)))};
    words.insert(words.end(), arguments.begin(), arguments.end());
    words.insert(words.end(), call.arguments.begin(), call.arguments.end());
    become(words);
}

constexpr const char* kHelp =
    R"(Starts an enclave job's script inside the fence. Slurm calls it; people use `aloft submit`.

  aloft-run SCRIPT ARGUMENTS...   in the batch step: one srun step over all tasks of the job
  aloft-run --inside ARGUMENTS... in that step: becomes the user's script
  aloft-run --version

Example: a job submitted as `aloft submit --ntasks-per-node 2 -- ./fit.py` arrives here as
  aloft-run /var/lib/slurm/slurmd/job00017/slurm_script
Exit codes: those of the job's script; 5 refused (no fence, no grant), 2 the script cannot be started.
)";

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    try {
        if (arguments.empty() || arguments[0] == "--help") {
            std::cout << kHelp;
            return arguments.empty() ? static_cast<int>(Fault::usage) : 0;
        }
        if (arguments[0] == "--version") {
            std::cout << "aloft " << core::version() << "\n";
            return 0;
        }
        if (arguments[0] == "--inside") run_script({arguments.begin() + 1, arguments.end()});
        return start_step(arguments);
    } catch (const Error& e) {
        Fault fault = e.fault();
        if (fault == Fault::requeue && !is_run_again(arguments[0] == "--inside")) fault = Fault::refused;
        std::cerr << "aloft: " << (fault == Fault::refused ? "refused: " : "") << e.what() << '\n';
        return static_cast<int>(fault);
    } catch (const std::exception& e) {
        std::cerr << "aloft: unforeseen: " << e.what() << '\n';
        return static_cast<int>(Fault::bug);
    }
}
