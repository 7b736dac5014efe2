#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

// The kernel's part of a job's end (cut.bpf.c): who left a job is cut from it. Root.

struct cut;  // the skeleton of cut.bpf.c

namespace slurm {

// The jobs of this node that one of their nodes has left.
class Cuts {
public:
    Cuts();
    ~Cuts();

    // From now on the job's tasks reach nothing but this node, and its slurmstepds nothing at the addresses
    // `gone` (IPv4, dotted) either. A later call adds addresses, and takes in cgroups that are new. Nothing
    // for a job without tasks here. Throws Error(system) if the kernel refuses: then the tasks must not run.
    void cut(std::uint32_t job, const std::vector<std::string>& gone);

    // The job is over.
    void forget(std::uint32_t job);

private:
    struct Destroy {
        void operator()(::cut* skeleton) const noexcept;
    };
    struct One {
        std::unique_ptr<::cut, Destroy> programs;
        std::set<std::string> attached;  // cgroups
    };
    std::map<std::uint32_t, One> jobs_;
};

// Drops what comes in from these addresses (IPv4, dotted) to a port that a job can have; all others stay open.
// Takes the place of what stood there before; none: takes it down. Throws Error(system).
void close_node_to(const std::set<std::string>& addresses, std::uint16_t slurmd_port);

}  // namespace slurm
