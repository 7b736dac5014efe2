#pragma once
#include <sys/types.h>

#include <filesystem>

namespace slurm {

// A cgroup (version 2) for one session: the fence's programs are on it, and with it all that the session left
// running is found and killed.
class SessionCgroup {
public:
    // Makes it, empty. Removes those of sessions whose processes are all gone, which a lost aloft-session
    // could not. Throws Error(system).
    explicit SessionCgroup(uid_t uid);
    SessionCgroup(const SessionCgroup&) = delete;
    SessionCgroup& operator=(const SessionCgroup&) = delete;
    ~SessionCgroup();  // as remove, but never throws

    // Where the fence goes and the session's processes are: below the cgroup that they know each other by.
    std::filesystem::path fenced() const { return folder_ / "session"; }
    void signal(int number) const noexcept;  // to each process that is not root's
    // Kills what is in it and removes it. Throws Error(system) if processes do not die within ten seconds.
    void remove() const;

private:
    std::filesystem::path folder_;
};

}  // namespace slurm
