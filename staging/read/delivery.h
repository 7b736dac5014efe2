#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "core/base/files.h"
#include "staging/read/reason.h"

namespace staging {

// Whether a failed call says that the machine is in trouble (a disk, a file system, a lack of memory or
// descriptors), not that something is wrong with the file: such a file must be tried again.
bool is_machines_fault(int errno_value) noexcept;

// A file of a delivery, open for reading and known to be regular; or the reason why it is not.
struct Opened {
    core::Fd fd;
    Reason reason = Reason::none;
    int trouble = 0;          // the machine's errno: the reason is then no verdict
    std::uint64_t bytes = 0;  // its size when it was opened
};

// A hospital's folder. Nothing outside it can be reached through it: every open is relative to the folder's
// descriptor, follows no symbolic link and no "..", and never opens (so never blocks on, never triggers) a
// FIFO or a device. Names may hold identifiers: they are for open() only, never for a log.
class Delivery {
public:
    // Throws Error(usage) if it is not a folder, Error(system) if it cannot be opened. The message does not
    // hold the path.
    explicit Delivery(const std::filesystem::path& folder);

    // `name` is relative to the folder. Never throws for what it finds there. A name that walk() gave for a
    // folder that it could not list opens as the reason why.
    Opened open(const std::string& name) const;

    // Calls `entry` with the name of everything that is not a folder, in byte order of the whole relative
    // path (folders and files of a level sorted together), the same on every run and file system. Symbolic
    // links are named, not followed. A folder that may not be read, or that lies more than 64 levels deep, is
    // named itself, with a slash at its end. Memory grows with the largest folder, not with the delivery.
    // Throws Error(system) if the machine cannot read one.
    void walk(const std::function<void(const std::string& name)>& entry) const;

private:
    core::Fd folder_;
};

}  // namespace staging
