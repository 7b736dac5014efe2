#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"
#include "core/base/site.h"
#include "slurm/decide/policy.h"

// A container image that a job asked for: a SquashFS file of its enclave's policy, which stands in place of the node's
// own system in the job's tasks. No runtime starts it, nothing of it runs before the fence stands, and what it brings
// as set-user-ID, as devices or as file capabilities is inert there.

namespace slurm {

// In slurmstepd as root, before the view: the image mounted read-only, not yet anywhere; it is gone with the last mount of
// it. The file must be root's alone to change and have the policy's bytes. Its digest is computed once for a file that
// stays as it is (SITE.run/images remembers it, right or wrong), since large ones take seconds. Throws Error(refused) with
// what to tell the admin, whatever the cause: a job that may name any image must not take a node out of service.
core::Fd mount_image(const core::Site& site, const core::Image& image);

// Where the daemon's view holds it, and what of our own programs' libraries an image need not bring.
inline constexpr const char* kImagePlace = "/aloft/image";
inline constexpr const char* kLibraries = "/aloft/lib";
// File names of those libraries, as the dynamic linker asks for them; all but the C and C++ libraries. One that the image
// has itself is not brought.
std::vector<std::string> own_libraries();

// In each task, still root, in a mount namespace of its own: a new root out of the image's files, folders and links, and
// over them /aloft and what the view holds already at `kept`, at the same paths: mounts, outermost first. Of /etc the
// image's, but for who is who (accounts, names of hosts, name services). The working folder stays, if it is there. Throws
// Error(system).
void enter_image(const std::vector<std::filesystem::path>& kept);

}  // namespace slurm
