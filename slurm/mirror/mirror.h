#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "core/base/site.h"

namespace slurm {

// Brings SITE.mirror up to what SITE.published says, once. Nothing is laid down that was not verified
// first, each file is whole or not there, and the list comes after what it names and before what it no
// longer names goes. A list that is forged, or older than the one that is here, changes nothing; a file
// that is damaged keeps its predecessor. Tells such things as events. Throws Error if the list cannot be
// read at all. SITE.known follows: the signed files (recall), and whose is what (core/policy/known.h). One
// at a time per host. May hang as long as the file system of SITE.published does.
void mirror_once(const core::Site& site);

// At a host's start, before anything else can be read: lays down the list and the policies that SITE.known
// remembers, unless the mirror has a list. They are as old as they are: no grant counts by them, but
// enclaves stay enclaves.
void recall(const core::Site& site);

// Runs `work` in a child process again and again, one child at a time. A child that does not end in time is
// killed, and while it cannot die (a file system that hangs holds it) no other is started: the parent never
// waits.
class Attempts {
public:
    Attempts(std::function<void()> work, std::chrono::milliseconds limit);
    ~Attempts();  // kills a child at work

    // Starts an attempt if none is at work, ends one that is over. Never blocks. Call it every so often.
    void tick();

    bool is_stuck() const noexcept { return killed_; }  // the child was killed, and is not gone yet
    int started() const noexcept { return started_; }
    std::int64_t succeeded() const noexcept {
        return succeeded_;
    }  // when the last good one was over, seconds since 1970; 0: none

private:
    bool is_over();

    std::function<void()> work_;
    std::chrono::milliseconds limit_;
    std::chrono::steady_clock::time_point begun_;
    pid_t child_ = -1;
    bool killed_ = false;
    int started_ = 0, failures_ = 0;  // in a row
    std::int64_t succeeded_ = 0;
};

}  // namespace slurm
