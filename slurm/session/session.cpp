#include "slurm/session/session.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/decide/policy.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/fence_check.h"
#include "slurm/session/account.h"
#include "slurm/session/cgroup.h"
#include "slurm/session/reach.h"
#include "slurm/session/view.h"
#include "slurm/step/confine.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;
using std::chrono::steady_clock;

constexpr const char* kSlurmConf = "/etc/slurm/slurm.conf";
constexpr const char* kWorkspacePath = "/aloft/workspace";
constexpr std::chrono::seconds kPolicyEvery{5};
constexpr int kUnknownLimit = 12;          // looks at the policy that may fail, one after the other: a minute
constexpr std::chrono::seconds kGrace{2};  // from SIGHUP to the end

void must(long result, const char* doing) {
    if (result < 0) throw Error(Fault::system, core::with_errno(std::string("cannot ") + doing, errno));
}

// The caller's limits are for the session; with them, root's part could be ended or stopped half way.
class Limits {
public:
    Limits() {
        for (std::size_t what = 0; what < its_.size(); ++what) {
            must(::getrlimit(static_cast<__rlimit_resource>(what), &its_[what]), "read limits");
            if (what == RLIMIT_CORE || what == RLIMIT_STACK) continue;
            rlimit wide = its_[what];
            wide.rlim_cur = wide.rlim_max;
            must(::setrlimit(static_cast<__rlimit_resource>(what), &wide), "set limits");
        }
        const rlimit no_core{1, 1};  // see restrict_task
        must(::setrlimit(RLIMIT_CORE, &no_core), "forbid core dumps");
    }
    void restore() const {
        for (std::size_t what = 0; what < its_.size(); ++what)
            if (what != RLIMIT_CORE)
                must(::setrlimit(static_cast<__rlimit_resource>(what), &its_[what]), "set limits");
    }

private:
    std::array<rlimit, RLIM_NLIMITS> its_{};
};

// From here on the caller can neither signal nor trace this process: it is root's altogether.
uid_t become_root() {
    const uid_t caller = ::getuid();
    if (::geteuid() != 0)
        throw Error(Fault::system, std::string(kSession) + " is not set-user-ID root. Tell the admin");
    if (caller == 0) throw Error(Fault::refused, "root has no session; aloft-session --check is for root");
    must(static_cast<long>(::syscall(SYS_close_range, 3, ~0U, 0)), "close descriptors");
    must(::setgroups(0, nullptr), "leave the caller's groups");
    must(::setresgid(0, 0, 0), "become root");
    must(::setresuid(0, 0, 0), "become root");
    must(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "forbid tracing");
    must(::chdir("/"), "leave the caller's folder");
    ::umask(022);
    return caller;
}

void become_user(const SessionAccount& account) {
    must(::initgroups(account.name.c_str(), account.gid), "set the account's groups");
    for (int one = 0; ::prctl(PR_CAPBSET_READ, one, 0, 0, 0) >= 0; ++one)
        must(::prctl(PR_CAPBSET_DROP, one, 0, 0, 0), "give up capabilities");
    must(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "give up capabilities");
    must(::setresgid(account.gid, account.gid, account.gid), "become the account's group");
    must(::setresuid(account.uid, account.uid, account.uid), "become the account");
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    must(::syscall(SYS_capset, &header, none.data()), "give up capabilities");
    if (::setuid(0) == 0 || ::getuid() != account.uid || ::geteuid() != account.uid)
        throw Error(Fault::bug, "the session would still be root's");
}

std::string shell_path() {
    return ::access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh";
}

[[noreturn]] void start_shell(const Request& request, const SessionAccount& account) {
    const std::string shell = shell_path();
    std::vector<std::string> words;
    if (request.what == Request::What::command)
        words = {shell, "-c", request.command};
    else
        words = {"-" + shell.substr(shell.rfind('/') + 1)};  // a login shell
    std::vector<std::string> variables{
        std::string("HOME=") + kWorkspacePath,
        "USER=" + account.name,
        "LOGNAME=" + account.name,
        "SHELL=" + shell,
        "PATH=" ALOFT_PREFIX "/bin:/usr/local/bin:/usr/bin:/bin",
        "TMPDIR=/tmp",
        std::string("ALOFT_WORKSPACE=") + kWorkspacePath,
    };
    for (const auto& [name, value] : request.variables) variables.push_back(name + "=" + value);
    std::vector<char*> argv, envp;
    for (std::string& word : words) argv.push_back(word.data());
    for (std::string& variable : variables) envp.push_back(variable.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    ::execve(shell.c_str(), argv.data(), envp.data());
    throw Error(Fault::system, core::with_errno("cannot start " + shell, errno));
}

void default_signals() {
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    must(::sigprocmask(SIG_SETMASK, &none, nullptr), "let signals through");
}

int code_of(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void tell(const std::exception& e) {
    std::cerr << "aloft-session: " << e.what() << '\n';
}

// Runs `work` in a child and never lets it come back here.
template <class Work>
pid_t start_child(Work work) {
    const pid_t child = ::fork();
    must(child, "fork");
    if (child) return child;
    try {
        ::_exit(work());
    } catch (const Error& e) {
        tell(e);
        ::_exit(static_cast<int>(e.fault()));
    } catch (const std::exception& e) {
        tell(e);
    }
    ::_exit(static_cast<int>(Fault::bug));
}

// The user's shell: in the view already, still root.
int be_shell(const Request& request, const SessionAccount& account, const Limits& limits) {
    must(::setpgid(0, 0), "make a process group");
    if (::isatty(0)) ::tcsetpgrp(0, ::getpid());  // SIGTTOU is blocked; a terminal of no use stays so
    enter_landlock_scope();
    limits.restore();
    become_user(account);
    must(::chdir(kWorkspacePath), "enter the workspace");
    default_signals();
    restrict_task();
    start_shell(request, account);
}

// Process 1 of the session's PID namespace. With its end the kernel kills all others.
int be_first(const core::Site& site, const Request& request, const SessionAccount& account,
             const Reach& reach, const Limits& limits, const std::filesystem::path& cgroup) {
    must(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "be tied to the session");
    enter_cgroup(cgroup);
    enter_session_view(site, account, reach);
    const pid_t shell = start_child([&] { return be_shell(request, account, limits); });
    for (;;) {
        int status = 0;
        const pid_t ended = ::wait(&status);
        if (ended == shell) return code_of(status);
        if (ended < 0 && errno != EINTR) must(-1, "wait for the shell");
    }
}

// What was blocked, for the site's log: counts only, since targets are the session's choice.
void log_end(const SessionAccount& account, const std::filesystem::path& cgroup) {
    const core::Fd folder(::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::string counts;
    for (const auto& [kind, count] : blocked_counts(folder.get()))
        if (count) counts += " " + kind + "=" + std::to_string(count);
    ::syslog(LOG_NOTICE, "session of %s in enclave %s ended; blocked:%s", account.name.c_str(),
             account.enclave.name.c_str(), counts.empty() ? " nothing" : counts.c_str());
}

bool has_hung_up() {
    pollfd out{1, 0, 0};
    return ::poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP | POLLNVAL));
}

// Waits for the session's first process, or for a reason to end it before.
class Watch {
public:
    Watch(const core::Site& site, const SessionAccount& account, pid_t first)
        : site_(site), account_(account), first_(first) {}

    // The exit code, once the first process is gone; nothing if the session is to be ended.
    std::optional<int> wait() {
        sigset_t all;
        sigfillset(&all);
        const timespec moment{0, 500'000'000};
        auto next_look = steady_clock::now() + kPolicyEvery;
        for (;;) {
            const int signal = ::sigtimedwait(&all, nullptr, &moment);
            if (const auto code = ended()) return code;
            if (signal == SIGHUP || signal == SIGTERM || has_hung_up()) return std::nullopt;
            if (steady_clock::now() < next_look) continue;
            next_look = steady_clock::now() + kPolicyEvery;
            if (!may_go_on()) {
                std::cerr << "aloft-session: this account is no longer in the enclave; the session ends\n";
                return std::nullopt;
            }
        }
    }

    std::optional<int> ended() const {
        int status = 0;
        const pid_t gone = ::waitpid(first_, &status, WNOHANG);
        if (gone < 0) must(-1, "wait for the session");
        return gone == first_ ? std::optional(code_of(status)) : std::nullopt;
    }

private:
    bool may_go_on() {
        const auto known = is_still_in(site_, account_);
        unknown_ = known ? 0 : unknown_ + 1;
        return known.value_or(unknown_ < kUnknownLimit);
    }

    const core::Site& site_;
    const SessionAccount& account_;
    pid_t first_;
    int unknown_ = 0;
};

// Programs that save their work when their terminal goes away get a moment for it.
int end_session(const Watch& watch, const SessionCgroup& cgroup) {
    cgroup.signal(SIGHUP);
    const auto end = steady_clock::now() + kGrace;
    while (steady_clock::now() < end) {
        if (const auto code = watch.ended()) return *code;
        ::usleep(50'000);
    }
    return 128 + SIGHUP;
}

void say_what_is_here(const SessionAccount& account) {
    // At once: the session's program writes beside it already.
    std::cerr
        << "aloft: a fenced session in enclave " + account.enclave.name +
               ". Reached from here: your workspace (" + kWorkspacePath +
               "), Slurm and aloftd; no other files, no other hosts. What you leave running ends with it\n";
}

}  // namespace

int run_session(const Request& request) {
    const uid_t caller = become_root();
    const Limits limits;
    check_streams();
    sigset_t all;
    sigfillset(&all);
    must(::sigprocmask(SIG_BLOCK, &all, nullptr), "hold signals");
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);  // SIGCHLD may be ignored
    must(::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0), "be tied to who started the session");
    const core::Site site = core::Site::load("/etc/aloft/site.toml");
    const SessionAccount account = session_account(site, caller);
    const Reach reach = reach_of(load_slurm_conf(kSlurmConf), look_at_login_host());
    ::openlog("aloft-session", LOG_PID, LOG_AUTHPRIV);

    const SessionCgroup cgroup(caller);
    attach_session_fence(cgroup.fenced(), reach.peers, reach.closed);
    say_what_is_here(account);
    ::syslog(LOG_NOTICE, "session of %s in enclave %s begins", account.name.c_str(),
             account.enclave.name.c_str());
    must(::unshare(CLONE_NEWPID), "leave the host's processes");
    const pid_t first =
        start_child([&] { return be_first(site, request, account, reach, limits, cgroup.fenced()); });
    Watch watch(site, account, first);
    const auto code = watch.wait();
    const int result = code ? *code : end_session(watch, cgroup);
    log_end(account, cgroup.fenced());
    cgroup.remove();
    return result;
}

}  // namespace slurm
