#include "slurm/preflight/kernel_settings.h"

#include <charconv>
#include <fstream>
#include <optional>

namespace slurm {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFolder = "proc/sys";

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

// Nothing if it is no number: what cannot be told is not as it should be.
std::optional<int> number_in(const std::string& value) {
    int number = 0;
    const char* const end = value.data() + value.size();
    const auto read = std::from_chars(value.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return number;
}

bool is_as_wanted(const Sysctl& one, const std::string& value) {
    const auto number = number_in(value);
    return number && *number >= one.least && *number <= one.most;
}

}  // namespace

std::string first_line(const std::string& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

std::vector<core::Check> check_kernel_settings(const fs::path& root) {
    std::vector<core::Check> checks;
    for (const Sysctl& one : kWanted) {
        const std::string value = first_line(root / kFolder / one.name);
        std::string name = one.name;
        for (char& c : name)
            if (c == '/') c = '.';
        checks.push_back((one.required ? &core::required : &core::advised)(
            name, is_as_wanted(one, value), value.empty() ? "absent" : value, one.remedy));
    }
    const std::string pattern = first_line(root / kFolder / "kernel/core_pattern");
    checks.push_back(core::required("kernel.core_pattern", !pattern.empty() && !pattern.starts_with('|'),
                                    pattern.empty() ? "absent" : pattern,
                                    "sysctl -w kernel.core_pattern=core: a handler behind a pipe sees memory "
                                    "of jobs, and the kernel logs "
                                    "the name of each process that it does not start for"));
    return checks;
}

void apply_kernel_settings(const fs::path& root) {
    for (const Sysctl& one : kWanted) {
        const fs::path file = root / kFolder / one.name;
        if (one.required && !is_as_wanted(one, first_line(file))) std::ofstream(file) << one.least << '\n';
    }
}

}  // namespace slurm
