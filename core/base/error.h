#pragma once
#include <stdexcept>
#include <string>

namespace core {

// Whose move it is when something fails. The value is the program's exit code.
enum class Fault {
    bug = 1,       // ours: anything not foreseen
    usage = 2,     // the caller: a flag or a configuration file
    data = 3,      // the data's owner: damaged, or not what the manifest says
    system = 4,    // the operator: disk, network, MPI, HDF5, GPU
    refused = 5,   // nobody: policy says no (no grant, no key, not releasable)
    requeue = 75,  // Slurm: the state is saved, run again (RequeueExit=75)
};

// A failure that was foreseen. The text says what failed, why, and what to do; it never carries the value
// that did not parse, nor anything that identifies a person.
class Error : public std::runtime_error {
public:
    Error(Fault fault, const std::string& text) : std::runtime_error(text), fault_(fault) {}
    Fault fault() const noexcept { return fault_; }

private:
    Fault fault_;
};

// "cannot open FILE: No such file or directory", from `errno_value`.
std::string with_errno(const std::string& doing, int errno_value);

}  // namespace core
