#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "slurm/decide/policy.h"
#include "slurm/step/names.h"
#include "slurm/step/root.h"

// The file system as a job sees it: a root built from a list of what is allowed, in a mount and IPC namespace
// of its own. Two steps, because slurmstepd itself must go on working in between.

namespace slurm {

struct SlurmPlaces {
    std::filesystem::path spool = "/var/lib/slurm/slurmd";  // SlurmdSpoolDir
    std::filesystem::path munge = "/run/munge";
};

// How large the job's private folders may grow, in bytes: what is in them is the job's memory (its cgroup's,
// where Slurm limits memory), and all of them together leave an eighth of it.
struct MemoryShares {
    std::uint64_t shm, tmp, var_tmp;
};
MemoryShares memory_shares(std::uint64_t job_bytes, Part part);

// What the view is made for.
struct ViewPlan {
    Part part = Part::step;
    SlurmPlaces places;
    std::uint64_t job_bytes = 0;                             // memory of the job on this node
    std::vector<std::pair<std::string, std::string>> names;  // {address, name}: resolve_others of names.h
    std::uint32_t gid = 0;                                   // the job's
    int image = -1;  // a mount that the view takes over: mount_image of image.h
};

// What every view has, a job's or a session's. Programs, libraries and configuration, with name services that
// know the policy's peers and the owner alone; and the devices, with a /dev/shm of its own. Throws Error(system).
void show_system(const Root& root, const Policy& policy,
                 const std::vector<std::pair<std::string, std::string>>& names, const Owner& owner);
void show_devices(const Root& root, const Policy& policy, std::uint64_t shm_bytes);
// Over /proc: one in which other users' processes are not seen. Then nothing more can be added to the root.
void seal_view();

// In slurmstepd, before it opens the job's output files: they, and whatever it runs later, lie in the job's
// view. Besides what the job sees, this view holds Slurm's spool, munge and the cgroups, and for an enclave's
// job the mark by which the wrapper knows it (mark.h). Throws Error(system).
void enter_daemon_view(const core::Site& site, const Policy& policy, const ViewPlan& plan);

// In each task, still root: takes Slurm's own places away again. A step keeps its PMIx folder only, the batch
// wrapper its script, munge and the configuration that slurmd has fetched, if it has. `script`: the spooled script's
// path (batch only). `over_image`: the trees that stand over the image of the view (a step with an image only, else empty).
void enter_task_view(std::uint32_t job, std::uint32_t step, Part part, const SlurmPlaces& places,
                     const std::filesystem::path& script,
                     const std::vector<std::filesystem::path>& over_image);

}  // namespace slurm
