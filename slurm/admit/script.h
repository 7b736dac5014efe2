#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/job_options.h"

// The user's script and variables travel through the batch step as data: job_submit packs them, aloft-run
// carries them, and only inside the fence do they become a program and its environment.

namespace slurm {

// First line of every enclave job's script: the kernel starts the wrapper, whatever the user wrote.
inline constexpr std::string_view kWrapperLine = "#!" ALOFT_PREFIX "/libexec/aloft/aloft-run\n";
inline constexpr std::size_t kLimitBytes = core::kJobTextLimitBytes;

// One string of base64 for NAME=VALUE strings; those that Slurm, MPI or Aloft own are left out.
std::string pack_environment(const std::vector<std::string>& variables);
std::vector<std::string> unpack_environment(std::string_view packed);  // throws Error(data)

// How the script is to be started: in which folder of the workspace, and with which arguments. In Slurm's own
// fields everybody could read both.
struct Call {
    std::string folder;
    std::vector<std::string> arguments;
};
std::string pack_call(const Call& call);
Call unpack_call(std::string_view packed);  // throws Error(data); from "": no folder, no arguments

// The user's own text, without the wrapper's line. Throws Error(refused) if that line is not there: the job
// did not pass job_submit.
std::string_view user_script(std::string_view script);

}  // namespace slurm
