#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/check.h"

// What is wrong on this host, and the remedy: what `aloft doctor` shows. It looks at the host it runs on and changes nothing;
// whether an enclave may open is asked elsewhere (jobs/wire/preflight.h).

namespace jobs {

using core::Check;

// What a host of a site can be. `every` holds for all of them.
enum class HostRole { every, service, login, node, controller, intake, trainer };
std::string_view name_of(HostRole role);

struct Host {
    std::filesystem::path prefix = ALOFT_PREFIX;  // where Aloft is installed
    std::filesystem::path site_file;              // empty: as core::Site::load finds it
    std::filesystem::path slurm_conf = "/etc/slurm/slurm.conf";
    std::string name;      // as slurm.conf and policies know it
    std::int64_t now = 0;  // seconds since 1970
};

// What this host is, by what is installed on it and what the site's configuration and slurm.conf say of it. Never throws for
// what it finds; `every` is always among them.
std::vector<HostRole> roles_of(const Host& host);

// One list, the layer of each check its role. Each question to a shared folder or another program ends within seconds. Never
// throws for what it finds. What only root can see, and the caller is not root, is a warning that says so.
std::vector<Check> examine(const Host& host, const std::vector<HostRole>& roles);

}  // namespace jobs
