#include "slurm/session/login_checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>

#include "core/base/accounts.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/split.h"
#include "core/policy/enclave.h"
#include "slurm/decide/policy.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/fence/fence.h"
#include "slurm/preflight/kernel_settings.h"
#include "slurm/preflight/preflight.h"
#include "slurm/preflight/sshd.h"
#include "slurm/session/cgroup.h"
#include "slurm/session/reach.h"
#include "slurm/session/request.h"
#include "slurm/step/confine.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Check;
using core::Error;
using core::Fault;
using core::required;
using Checks = std::vector<Check>;

struct Wanted {
    const char *name, *value;
};
// To close one more door of sshd's: one row, and its line in configs/clusters/sshd-enclave.conf.
constexpr std::array<Wanted, 9> kSshdWanted = {{
    {"forcecommand", kSession},
    {"allowtcpforwarding", "no"},
    {"allowstreamlocalforwarding", "no"},
    {"allowagentforwarding", "no"},
    {"x11forwarding", "no"},
    {"permittunnel", "no"},
    {"permituserrc", "no"},
    {"permituserenvironment", "no"},
    {"disableforwarding", "yes"},
}};

std::optional<std::string> text_of(const fs::path& file) {
    try {
        return core::read_text(file);
    } catch (const Error&) {
        return std::nullopt;
    }
}

// Nobody but root may change the program that makes root of everybody, nor put another one in its place.
void check_program(Checks& checks) {
    std::string found;
    struct stat status {};
    if (::lstat(kSession, &status))
        found = "absent";
    else if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & 07777) != 04755)
        found = "not a set-user-ID program of root's, mode 4755";
    else if (const auto open = changed_by_others(fs::path(kSession).parent_path()); !open.empty())
        found = open + " can be changed by others than root";
    checks.push_back(
        required("aloft-session", found.empty(), found.empty() ? "present" : found,
                 std::string("cmake --install as root; chown root ") + kSession + "; chmod 4755"));
}

void check_fence(Checks& checks, const std::string& slurm_conf) {
    const int abi = landlock_abi();
    checks.push_back(required("kernel", abi >= kLandlockFloor, "Landlock ABI " + std::to_string(abi),
                              "Linux 6.12 or later with Landlock enabled"));
    std::string fault;
    try {
        const Reach reach = reach_of(load_slurm_conf(slurm_conf), look_at_login_host());
        const SessionCgroup cgroup(::getuid());
        attach_session_fence(cgroup.fenced(), reach.peers, reach.closed);
    } catch (const Error& e) {
        fault = e.what();
    }
    checks.push_back(required("fence can be built", fault.empty(), fault.empty() ? "tried" : fault,
                              "no session begins on this host until then"));
}

// Where an account gets a process without passing the door.
std::string other_doors(const std::string& account, uid_t uid) {
    std::vector<std::string> doors;
    std::error_code none;
    for (const char* folder : {"/var/spool/cron/crontabs", "/var/spool/cron"})
        if (fs::is_regular_file(fs::path(folder) / account, none)) doors.push_back("a crontab");
    if (fs::exists(fs::path("/var/lib/systemd/linger") / account, none)) doors.push_back("lingers (systemd)");
    const auto lets_in = [&](const std::string& name, bool by_default) {
        const auto allow = text_of("/etc/" + name + ".allow"), deny = text_of("/etc/" + name + ".deny");
        return is_let_in(allow ? &*allow : nullptr, deny ? &*deny : nullptr, account, by_default);
    };
    if (fs::exists("/usr/bin/crontab", none) && lets_in("cron", true)) doors.push_back("may use cron");
    if (fs::exists("/usr/bin/at", none) && lets_in("at", false)) doors.push_back("may use at");
    for (const auto& entry : fs::directory_iterator("/proc", none)) {
        struct stat owner {};
        const std::string name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        if (::stat(entry.path().c_str(), &owner) || owner.st_uid != uid) continue;
        std::ifstream file(entry.path() / "cgroup");
        const std::string own{std::istreambuf_iterator<char>(file), {}};
        if (own.empty() || own.find("/aloft/session_") != std::string::npos) continue;
        if (is_sshd_of_session(name)) continue;
        doors.push_back("a process outside any session");
        break;
    }
    return core::joined(doors);
}

void check_sshd(Checks& checks, const Sshd& sshd, const std::string& account, const std::string& home) {
    auto open = open_in_sshd(sshd.said);
    if (const auto block = block_before_force_command(sshd.said); !block.empty())
        open.push_back(block + " comes before its own block");
    for (const std::string& file : values_of(sshd.said, "authorizedkeysfile"))
        if (const auto path = keys_file(file, account, home); !path.empty())
            if (const auto others = changed_by_others(path); !others.empty())
                open.push_back("others can change its keys: " + others);
    checks.push_back(required(sshd.name() + " for " + account, open.empty(),
                              open.empty() ? "closed" : core::joined(open),
                              "include configs/clusters/sshd-enclave.conf in its file, first of all"));
}

// Programs take a shell that is listed there for one that a person may leave, and choose.
void check_shells(Checks& checks) {
    const std::string shells = text_of("/etc/shells").value_or("");
    const bool is_listed =
        ("\n" + shells + "\n").find(std::string("\n") + kSession + "\n") != std::string::npos;
    checks.push_back(required("/etc/shells", !is_listed,
                              is_listed ? "has aloft-session" : "without aloft-session",
                              "take it out: else su --shell and chsh give its account another shell"));
}

void check_account(Checks& checks, const std::string& account) {
    const auto entry = core::account_named(account);
    if (!entry) return;  // not an account of this host
    const std::string shell = entry->shell, home = entry->home;
    const uid_t uid = entry->uid;
    checks.push_back(
        required("login shell of " + account, shell == kSession, shell,
                 "usermod --shell " + std::string(kSession) + " " + account +
                     ": sshd starts another shell outside the fence, even for its ForceCommand"));
    const std::string open_home = changed_by_others(home);
    const bool is_roots = open_home.empty();
    checks.push_back(required("home folder of " + account, is_roots,
                              is_roots ? "root's, or none" : "others can change " + open_home,
                              "chown root:root " + home +
                                  "; chmod 755: what is read there (.ssh, "
                                  ".pam_environment) is read outside the fence. Its home is the workspace"));
    const std::string doors = other_doors(account, uid);
    checks.push_back(required("other doors of " + account, doors.empty(), doors.empty() ? "none" : doors,
                              "name it in /etc/cron.deny and /etc/at.deny; crontab -r -u; loginctl "
                              "disable-linger; end its processes"));
    for (const Sshd& sshd : ask_sshd(account)) check_sshd(checks, sshd, account, home);
}

}  // namespace

std::vector<std::string> open_in_sshd(std::string_view settings) {
    std::map<std::string, std::string> values;
    std::istringstream lines{std::string(settings)};
    for (std::string line; std::getline(lines, line);) {
        if (line.ends_with('\r')) line.pop_back();  // what sshd says of its blocks ends so
        const auto blank = line.find(' ');
        if (blank != std::string::npos) values.emplace(line.substr(0, blank), line.substr(blank + 1));
    }
    std::vector<std::string> open;
    for (const Wanted& wanted : kSshdWanted) {
        const auto found = values.find(wanted.name);
        if (found == values.end())
            open.push_back(std::string(wanted.name) + " is not known");
        else if (found->second != wanted.value)
            open.push_back(std::string(wanted.name) + " " + found->second);
    }
    return open;
}

bool is_let_in(const std::string* allow, const std::string* deny, const std::string& account,
               bool by_default) {
    const auto names = [&](const std::string& text) {
        std::istringstream words(text);
        for (std::string word; words >> word;)
            if (word == account) return true;
        return false;
    };
    if (allow) return names(*allow);
    if (deny) return !names(*deny);
    return by_default;
}

std::string keys_file(std::string name, const std::string& account, const std::string& home) {
    if (name == "none") return {};
    std::string path;
    for (std::size_t at = 0; at < name.size(); ++at) {
        if (name[at] != '%' || at + 1 == name.size()) {
            path += name[at];
            continue;
        }
        const char what = name[++at];
        path += what == 'u' ? account : what == 'h' ? home : std::string(1, what);
    }
    return path.starts_with('/') ? path : home + "/" + path;
}

Checks check_login_host(const core::Site& site, const std::string& slurm_conf) {
    Checks checks;
    check_program(checks);
    check_shells(checks);
    check_fence(checks, slurm_conf);
    for (Check& check : check_kernel_settings()) checks.push_back(std::move(check));
    try {
        for (const core::Enclave& enclave : core::load_enclaves(site)) {
            checks.push_back(check_own_numbers(enclave));
            for (const std::string& account : enclave.accounts) check_account(checks, account);
        }
    } catch (const Error& e) {
        checks.push_back(required("policies", false, e.what(),
                                  "is aloft-mirror running here, and does the name service answer?"));
    }
    for (Check& check : checks) check.layer = "login";
    return checks;
}

namespace {

// A record has 16 KiB, and an enclave may have hundreds of accounts: what holds is counted, what does not is told.
void leave_report(const core::Site& site, const Checks& checks, bool is_ready) {
    Checks told;
    for (const Check& one : checks)
        if (one.verdict != core::Verdict::good) told.push_back(one);
    const auto held = std::to_string(checks.size() - told.size()) + " of " + std::to_string(checks.size());
    told.insert(told.begin(),
                required("login host", is_ready, held + " checks hold", "aloft-session --check"));
    told.front().layer = "login";
    report(site, told);
}

}  // namespace

int print_login_checks(Report reports) {
    if (::getuid() != 0) throw Error(Fault::refused, "--check is for root");
    bool is_ready = true;
    const core::Site site = core::Site::load("/etc/aloft/site.toml");
    const Checks checks = check_login_host(site, "/etc/slurm/slurm.conf");
    for (const Check& one : checks) {
        std::cout << std::left << std::setw(9)
                  << (one.verdict == core::Verdict::bad ? "BAD" : core::name_of(one.verdict)) << one.what
                  << ": " << one.found << '\n';
        if (!one.remedy.empty()) std::cout << "         -> " << one.remedy << '\n';
        is_ready = is_ready && !one.is_miss();
    }
    if (reports == Report::yes) leave_report(site, checks, is_ready);
    if (!is_ready) std::cerr << "aloft-session: this host cannot be an enclave's login host yet\n";
    return is_ready ? 0 : static_cast<int>(Fault::refused);
}

}  // namespace slurm
