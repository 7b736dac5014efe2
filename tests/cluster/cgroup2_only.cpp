// LD_PRELOAD of slurmd on a machine that has cgroup v1 beside v2: what it reads of a process's cgroups is the line of v2 alone. Slurm 23.11 and
// later do not start on such a machine otherwise, though the hosts of a test cluster have v2 alone mounted.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdarg>
#include <cstring>
#include <string>

namespace {

bool is_cgroup_file(const char* path) {
    const std::string name = path ? path : "";
    return name.starts_with("/proc/") && name.ends_with("/cgroup");
}

// A file in memory with that line; -1 if there is none.
int line_of_cgroup2(int all) {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(all, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    const std::size_t at = text.starts_with("0::") ? 0 : text.find("\n0::") + 1;
    if (!text.substr(at).starts_with("0::")) return -1;
    const std::string line = text.substr(at, text.find('\n', at) + 1 - at);
    const int file = ::memfd_create("cgroup", MFD_CLOEXEC);
    if (file >= 0 && (::write(file, line.data(), line.size()) < 0 || ::lseek(file, 0, SEEK_SET) != 0))
        return -1;
    return file;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
    va_end(more);
    static const auto real = reinterpret_cast<int (*)(const char*, int, ...)>(::dlsym(RTLD_NEXT, "open"));
    const int file = real(path, flags, mode);
    if (file < 0 || !is_cgroup_file(path)) return file;
    const int line = line_of_cgroup2(file);
    ::close(file);
    return line;
}
