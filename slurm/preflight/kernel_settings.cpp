#include "slurm/preflight/kernel_settings.h"

#include <cstdlib>
#include <fstream>

namespace slurm {
namespace {

constexpr const char* kFolder = "/proc/sys/";

struct Sysctl {
    const char* name;
    int least, most;
    bool required;
    const char* remedy;
};

constexpr int kAny = 1 << 30;
constexpr Sysctl kWanted[] = {
    // A task that crashes writes its name, an address and bytes of its code into the kernel's log: 120 bytes a second.
    {"kernel/dmesg_restrict", 1, kAny, true,
     "sysctl -w kernel.dmesg_restrict=1: a job's crashes write what it likes into that log"},
    {"debug/exception-trace", 0, 0, true,
     "sysctl -w debug.exception-trace=0: a job's crashes write what it likes into the kernel's log"},
    // The fence's seccomp closes these doors inside; closed for everybody they are closed twice.
    {"kernel/unprivileged_bpf_disabled", 1, kAny, false, "sysctl -w kernel.unprivileged_bpf_disabled=1"},
    {"kernel/yama/ptrace_scope", 1, kAny, false,
     "sysctl -w kernel.yama.ptrace_scope=1, with a kernel that has Yama"},
    {"user/max_user_namespaces", 0, 0, false,
     "sysctl -w user.max_user_namespaces=0, unless other jobs need them"}};

}  // namespace

std::string first_line(const std::string& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

std::vector<core::Check> check_kernel_settings() {
    std::vector<core::Check> checks;
    for (const Sysctl& one : kWanted) {
        const std::string value = first_line(std::string(kFolder) + one.name);
        const int number = std::atoi(value.c_str());
        const bool good = !value.empty() && number >= one.least && number <= one.most;
        std::string name = one.name;
        for (char& c : name)
            if (c == '/') c = '.';
        checks.push_back(
            (one.required ? &core::required : &core::advised)(name, good, value.empty() ? "absent" : value, one.remedy));
    }
    const std::string pattern = first_line("/proc/sys/kernel/core_pattern");
    checks.push_back(
        core::required("kernel.core_pattern", !pattern.starts_with('|'), pattern,
                       "sysctl -w kernel.core_pattern=core: a handler behind a pipe sees memory of "
                       "jobs, and the kernel logs "
                       "the name of each process that it does not start for"));
    return checks;
}

void apply_kernel_settings() {
    for (const Sysctl& one : kWanted) {
        const std::string file = std::string(kFolder) + one.name;
        const int number = std::atoi(first_line(file).c_str());
        if (!one.required || (number >= one.least && number <= one.most)) continue;
        std::ofstream(file) << one.least << '\n';
    }
}

}  // namespace slurm
