// aloft-run: what really runs when an enclave's batch job starts. job_submit puts it before the user's
// script, so the kernel starts it with the script's path as argument. It never runs the user's text: it hands
// it, as data, to one srun step over all tasks, where this program is started again (--inside) behind the
// fence and only there turns the text into a program.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "slurm/admit/admission.h"
#include "slurm/admit/script.h"

namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

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

volatile pid_t g_srun = 0;

// Runs srun and waits for it; signals for the batch script are for it. Returns its exit code.
int run_srun(const std::vector<std::string>& words) {
    g_srun = ::fork();
    if (g_srun < 0) throw Error(Fault::system, core::with_errno("cannot fork", errno));
    if (g_srun == 0) try {
            become(words);
        } catch (const Error& e) {
            std::cerr << "aloft: " << e.what() << '\n';
            ::_exit(static_cast<int>(e.fault()));
        }
    for (const int signal : {SIGTERM, SIGUSR1, SIGUSR2, SIGHUP})
        std::signal(signal, [](int number) { ::kill(g_srun, number); });
    int status = 0;
    while (::waitpid(g_srun, &status, 0) < 0)
        if (errno != EINTR) throw Error(Fault::system, core::with_errno("cannot wait for srun", errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// srun returns 0 when no task could be launched, so each node's first task leaves a mark here once it runs.
fs::path marks() {
    return fs::path(slurm::kWorkspace) / (".aloft-job-" + variable("SLURM_JOB_ID"));
}

std::size_t count_and_remove_marks() {
    std::error_code none;
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(marks(), none))
        count += entry.path().extension() == ".started";
    fs::remove_all(marks(), none);
    return count;
}

// The fence's own marks on this process. Who removed the plugin from a node meets this.
void require_fence() {
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || ::prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER)
        throw Error(Fault::refused,
                    "this node started the job outside the fence (is aloft_fence.so in its plugstack.conf?). "
                    "Tell the admin");
}

std::int64_t minutes_left() {
    const auto envelope = nlohmann::json::parse(core::read_text("/aloft/grant.json"));
    const core::Bytes payload = core::from_base64(envelope.at("payload").get<std::string>());
    const auto grant = nlohmann::json::parse(core::text(payload));
    return (core::parse_rfc3339(grant.at("not_after").get<std::string>()) - core::now_seconds() - 30) / 60;
}

int start_step(const std::vector<std::string>& arguments) {
    require_fence();
    const std::int64_t minutes = minutes_left();
    if (minutes < 1)
        throw Error(Fault::refused,
                    "the grant ends within a minute. Apply for a new one (aloft apply create)");
    const std::string script(slurm::user_script(core::read_text(arguments.at(0))));
    ::setenv("ALOFT_SCRIPT", core::to_base64(core::view(script)).c_str(), 1);
    ::setenv("ALOFT_STEP_TOKEN", core::read_text("/aloft/token", 4096).c_str(), 1);
    count_and_remove_marks();
    core::make_directories(marks(), 0700);
    // The job's own limit holds too. This one was computed now, from the grant: a job can have waited for
    // long.
    std::vector<std::string> words{
        "/usr/bin/srun", "--mpi=pmix", "--export=ALL", "--input=none", "--time=" + std::to_string(minutes),
        kSelf,           "--inside"};
    words.insert(words.end(), arguments.begin() + 1, arguments.end());
    const int code = run_srun(words);
    const std::size_t started = count_and_remove_marks();
    if (code == 0 && std::to_string(started) != variable("SLURM_JOB_NUM_NODES"))
        throw Error(Fault::system, "the job's step started on " + std::to_string(started) + " of " +
                                       variable("SLURM_JOB_NUM_NODES") +
                                       " nodes. Submit it again; tell the admin, whose slurmd.log says why");
    return code;
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
    require_fence();
    leave_mark();
    const core::Bytes script = core::from_base64(variable("ALOFT_SCRIPT"));
    const auto variables = slurm::unpack_environment(variable("ALOFT_USER_ENV"));
    for (const char* name : {"ALOFT_SCRIPT", "ALOFT_USER_ENV", "ALOFT_STEP_TOKEN"}) ::unsetenv(name);
    ::unsetenv("PATH");
    for (const std::string& one : variables) {
        const auto equals = one.find('=');
        ::setenv(one.substr(0, equals).c_str(), one.substr(equals + 1).c_str(), 1);
    }
    const std::string path = variable("PATH");
    ::setenv("PATH", (ALOFT_PREFIX "/bin:" + (path.empty() ? "/usr/local/bin:/usr/bin:/bin" : path)).c_str(),
             1);
    ::setenv("HOME", slurm::kWorkspace, 1);
    ::setenv("TMPDIR", "/tmp", 1);
    ::setenv("ALOFT_WORKSPACE", slurm::kWorkspace, 1);
    ::setenv("ALOFT_DATA", "/aloft/data", 1);
    ::setenv("ALOFT_KEYS", "/aloft/keys", 1);
    choose_network();
    std::vector<std::string> words{write_script(std::string(core::text(script)))};
    words.insert(words.end(), arguments.begin(), arguments.end());
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
            std::cout << "aloft " ALOFT_VERSION "\n";
            return 0;
        }
        if (arguments[0] == "--inside") run_script({arguments.begin() + 1, arguments.end()});
        return start_step(arguments);
    } catch (const Error& e) {
        std::cerr << "aloft: " << (e.fault() == Fault::refused ? "refused: " : "") << e.what() << '\n';
        return static_cast<int>(e.fault());
    } catch (const std::exception& e) {
        std::cerr << "aloft: unforeseen: " << e.what() << '\n';
        return static_cast<int>(Fault::bug);
    }
}
