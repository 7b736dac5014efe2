#pragma once
#include <cstdint>
#include <string_view>

#include "core/base/site.h"
#include "slurm/decide/policy.h"

// What was written for a job before its step begins: by the site's admin, and by Prolog. `version` is the plugin's own: it
// obeys no Prolog of another one.

namespace slurm {

// A job of no enclave needs nothing of ours: where the site's configuration cannot be read, Prolog's word at
// the usual place is enough for it. Throws as Site::load.
core::Site load_site(std::uint32_t job, std::uint32_t uid, std::string_view version);

// What Prolog wrote. Without that: a refusal, with a workspace to write it into if the account has one.
Policy read_policy(const core::Site& site, std::uint32_t job, std::uint32_t uid, std::string_view version);

}  // namespace slurm
