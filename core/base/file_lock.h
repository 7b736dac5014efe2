#pragma once
#include <filesystem>

#include "core/base/files.h"

namespace core {

// An exclusive lock by means of a file, which stays. The lock ends with this object or with the process, however that
// ends; it holds between hosts where the file system has such locks (NFS; Lustre mounted with -o flock).
class FileLock {
public:
    // Makes the file if it is not there. Throws Error(system) if it cannot be opened.
    explicit FileLock(std::filesystem::path path, mode_t mode = 0640);

    enum class Answer { ours, anothers, no_locks };  // the last: the file system has none
    // Asks for the lock, without waiting. Throws Error(system) if the answer is none of these.
    Answer ask();

private:
    std::filesystem::path path_;
    Fd fd_;
};

}  // namespace core
