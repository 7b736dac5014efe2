#include "core/ledger/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {

Reserve::Reserve(std::filesystem::path file, std::uint64_t size_bytes)
    : file_(std::move(file)), size_bytes_(size_bytes) {
    take();
}

bool Reserve::is_full() const {
    struct stat status {};
    return ::lstat(file_.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::uint64_t>(status.st_blocks) * 512 >= size_bytes_;
}

void Reserve::give_back() {
    if (::truncate(file_.c_str(), 0) && errno != ENOENT)
        throw Error(Fault::system, with_errno("cannot give back the space of " + file_.string(), errno));
}

bool Reserve::take() noexcept {
    const Fd fd(::open(file_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.is_open()) return false;
    // Not the loop of writes that glibc makes of it where the file system cannot: blocks are the point.
    if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(size_bytes_))) {
        (void)!::ftruncate(fd.get(), 0);
        return false;
    }
    return is_full();
}

}  // namespace core
