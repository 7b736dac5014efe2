#include "slurm/step/mark.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/admit/admission.h"

namespace slurm {
namespace {

[[noreturn]] void outside(const std::string& what) {
    throw core::Error(core::Fault::refused,
                      "this node started the job outside the fence (" + what +
                          "; is aloft_fence.so in its plugstack.conf?). Tell the admin");
}

std::string text_of(const core::Fd& file) {
    std::string text(256, '\0');
    const ssize_t got = ::read(file.get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
}

// The root itself is the plugin's: a tmpfs that can no longer be written, with the mark in it, which says what the
// plugin fenced.
Fenced require_view(std::uint32_t job, Part part) {
    const core::Fd file(::open(kMark, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.is_open()) outside("no view");
    struct stat mark {
    }, root{};
    struct statfs kind {};
    struct statvfs flags {};
    if (::fstat(file.get(), &mark) || ::stat("/", &root) || ::statfs("/", &kind) || ::statvfs("/", &flags))
        outside("its view cannot be looked at");
    if (!S_ISREG(mark.st_mode) || mark.st_uid != 0 || mark.st_dev != root.st_dev || root.st_uid != 0 ||
        kind.f_type != TMPFS_MAGIC)
        outside("another view");
    if (!(flags.f_flag & ST_RDONLY)) outside("a view that is not sealed");
    const std::string text = text_of(file);
    for (const Fenced fenced : {Fenced::ours, Fenced::slurms})
        if (text == mark_text(job, part, fenced)) return fenced;
    if (is_mark_of_other_version(text, job, part))
        throw core::Error(core::Fault::requeue,
                          "this node was given another version of Aloft as the job began; the job waits for "
                          "another start");
    outside("the view of another job");
}

// Only root puts a process into either.
void require_cgroup(std::uint32_t job, Part part, Fenced fenced) {
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    while (std::getline(file, line))
        if (line.starts_with("0::") && is_fenced_cgroup(std::string_view(line).substr(3), job, part, fenced))
            return;
    outside("another cgroup");
}

// Two answers that only our filter gives: neither call does anything with these arguments.
void require_filter() {
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || ::prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER)
        outside("no seccomp filter");
    if (::syscall(SYS_unshare, 0) != -1 || errno != EPERM) outside("another seccomp filter");
    if (::syscall(SYS_clone3, nullptr, 0) != -1 || errno != ENOSYS) outside("another seccomp filter");
    rlimit core{};
    if (::getrlimit(RLIMIT_CORE, &core) || core.rlim_max != 1) outside("core dumps are allowed");
}

}  // namespace

std::string mark_text(std::uint32_t job, Part part, Fenced fenced, std::string_view version) {
    return "aloft " + std::string(version) + " job " + std::to_string(job) +
           (part == Part::batch ? " batch" : " step") +
           (fenced == Fenced::slurms ? " in Slurm's cgroup\n" : "\n");
}

bool is_mark_of_other_version(std::string_view text, std::uint32_t job, Part part) {
    if (!text.starts_with("aloft ")) return false;
    text.remove_prefix(6);
    const std::string_view version = text.substr(0, text.find(' '));
    for (const Fenced fenced : {Fenced::ours, Fenced::slurms})
        if (version != core::version() &&
            "aloft " + std::string(text) == mark_text(job, part, fenced, version))
            return true;
    return false;
}

bool is_fenced_cgroup(std::string_view cgroup, std::uint32_t job, Part part, Fenced fenced) {
    const std::string folder = "/job_" + std::to_string(job);
    if (fenced == Fenced::ours)
        return cgroup.ends_with("/aloft" + folder + (part == Part::batch ? "/batch/tasks" : "/step/tasks"));
    // .../job_N/step_M/user/task_K; M is a number, or "batch".
    const auto at = cgroup.rfind(folder + "/step_");
    if (at == std::string_view::npos) return false;
    const std::string_view step = cgroup.substr(at + folder.size() + 6);
    const std::string_view name = step.substr(0, step.find('/'));
    const bool is_named =
        part == Part::batch ? name == "batch"
                            : !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    return is_named && step.substr(name.size()).starts_with("/user/task_");
}

std::filesystem::path marks_of(std::uint32_t job) {
    return std::filesystem::path(kWorkspace) / (".aloft-job-" + std::to_string(job));
}

bool leave_word(std::uint32_t job, const char* mark) noexcept {
    const core::Fd file(
        ::open((marks_of(job) / mark).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
    return file.is_open();
}

void require_mark(std::uint32_t job, Part part) {
    require_cgroup(job, part, require_view(job, part));
    require_filter();
}

}  // namespace slurm
