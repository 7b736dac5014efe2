#pragma once
#include <chrono>
#include <cstdint>

#include "core/base/files.h"
#include "core/base/site.h"

// How the node's agent shows that it runs: it holds a lock, and writes the time of its last round into the locked file.

namespace slurm {

// A clock that nobody sets, and that goes on while the machine sleeps.
std::int64_t boot_seconds();

// What Prolog asks: does an agent hold its lock, and has it made its round within the last minute? Waits up
// to `patience` for one that is being started again.
bool has_agent(const core::Site& site, std::chrono::milliseconds patience);

class Heartbeat {
public:
    // Takes the agent's lock. Throws Error(usage) if another agent holds it, Error(system) if it cannot be made.
    explicit Heartbeat(const core::Site& site);

    // One more round was made. Throws Error(system) if that cannot be written.
    void beat();

private:
    core::Fd lock_;
};

// SITE.run and in it jobs/, root's alone. Throws Error(system) unless it is on a tmpfs: keys never touch a
// disk.
void make_run_folder(const core::Site& site);

}  // namespace slurm
