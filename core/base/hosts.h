#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace core {

// "n[1-2,07],gpu[1-2]x" as single names, in order, as Slurm writes its lists of hosts; "" and "(null)" are none.
// What is not written so stays one name as it is, and so does an item of more than 65,536 names (Slurm's own
// limit, MAX_RANGE): no host is called that, so whoever compares names finds a foreign one.
// Slurm's own (slurm_hostlist_*) would bring libslurm into aloft and aloftd, where each version of Slurm has
// another one, and slurm.conf with it.
std::vector<std::string> expand_hosts(std::string_view list);

}  // namespace core
