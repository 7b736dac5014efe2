#include "core/base/file_lock.h"

#include <fcntl.h>

#include <cerrno>

#include "core/base/error.h"

namespace core {

FileLock::FileLock(std::filesystem::path path, mode_t mode)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode)) {
    if (!fd_.is_open()) throw Error(Fault::system, with_errno("cannot open " + path_.string(), errno));
}

// Of the open file and not of the process, which would lose it with any other descriptor of the file that it closes.
FileLock::Answer FileLock::ask() {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd_.get(), F_OFD_SETLK, &whole) == 0) return Answer::ours;
    switch (errno) {
        case EAGAIN:
        case EACCES:
            return Answer::anothers;
        case ENOLCK:      // NFS without its lock service
        case ENOSYS:      // Lustre without -o flock
        case EOPNOTSUPP:  // others
        case EINVAL:
            return Answer::no_locks;
        default:
            throw Error(Fault::system, with_errno("cannot lock " + path_.string(), errno));
    }
}

}  // namespace core
