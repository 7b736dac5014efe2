#include "slurm/step/again.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/step/mark.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

// What lies there may be anything that a job can make.
int number_in(const fs::path& file) noexcept {
    const core::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.is_open()) return errno == ENOENT ? 0 : kMostInARow;
    struct stat status {};
    char text[16];
    if (::fstat(fd.get(), &status) || !S_ISREG(status.st_mode)) return kMostInARow;
    const ssize_t got = ::read(fd.get(), text, sizeof text);
    int number = kMostInARow;
    if (got < 1 || std::from_chars(text, text + got, number).ec != std::errc{} || number < 0)
        return kMostInARow;
    return number;
}

}  // namespace

Again::Again(std::uint32_t job, const fs::path& workspace)
    : file_(workspace / (".aloft-again-" + std::to_string(job))) {}

int Again::take() const noexcept {
    const int before = number_in(file_);
    ::unlink(file_.c_str());
    return before;
}

bool Again::count(int before, int restarts) const noexcept {
    if (before >= kMostInARow) return false;
    try {
        core::write_atomically(file_, std::to_string(before + 1), 0600);
        return true;
    } catch (const std::exception&) {
        return restarts <= kMostInARow;
    }
}

bool ask_to_run_again(std::uint32_t job, int restarts) noexcept {
    return (leave_word(job, kAgainMark) && leave_word(job, kRequeueMark)) || restarts <= kMostInARow;
}

}  // namespace slurm
