#pragma once
#include "jobs/cli/commands.h"

namespace jobs {

void add_backup(CLI::App& admin, Common& common);  // of aloft admin: backup and restore

}  // namespace jobs
