#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "slurm/decide/policy.h"

// Inside there is no name service: a question to one would be a packet out, and an attempt on record. Names
// and addresses of the job's own nodes are answered from a file, both ways (torch.distributed looks addresses
// up); so is the job's own account, which the node may know from a directory only.

namespace slurm {

// Every database of the host's nsswitch.conf, and hosts, passwd and group, from files.
std::string nsswitch_text(std::string_view hosts_own);

// Whose view it is.
struct Owner {
    std::string account;
    std::uint32_t uid = 0, gid = 0;
};
// The host's /etc/passwd, first of all a line of the owner's if none has that name and number: at home in the workspace. And /etc/group
// with a line for its group, named after the account, if none has that number. Of an owner without a name: the host's.
std::string passwd_text(std::string_view hosts_own, const Owner& owner);
std::string group_text(std::string_view hosts_own, const Owner& owner);

// /etc/hosts of the job: lines of the host's own file whose address is one of the policy's peers. IPv4 only:
// the fence lets nothing else pass, not even ::1. `names`: of nodes that the file does not have, as {address,
// name}.
std::string hosts_text(std::string_view hosts_own, const Policy& policy,
                       const std::vector<std::pair<std::string, std::string>>& names);

// Nodes of the policy that `hosts_own` does not name, resolved; only addresses that are the policy's peers.
// To be called before the fence is entered: it may ask a name service.
std::vector<std::pair<std::string, std::string>> resolve_others(std::string_view hosts_own,
                                                                const Policy& policy);

}  // namespace slurm
