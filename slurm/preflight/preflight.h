#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/accounts.h"
#include "core/base/site.h"
#include "core/policy/check.h"
#include "core/policy/enclave.h"

// Can this node hold an enclave's jobs? Two layers: what the node itself does, and what it sees of the site
// around it, which must hold where the node fails.

namespace slurm {

using core::Check;
using core::Verdict;

// Looked at now. `slurm_conf`: path of slurm.conf. Never throws for what it finds. With `node`: what
// check_node has just found.
std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf);
std::vector<Check> preflight(const core::Site& site, const std::string& slurm_conf, std::vector<Check> node);

// What no enclave's job may begin on if it is bad: the node itself is at fault (last_look.h).
std::vector<Check> check_node(const core::Site& site, const std::string& slurm_conf);

// node_checks.cpp. What Prolog can look at: files of this host, no other program, no shared file system;
// and the rest of check_node.
std::vector<Check> check_quickly(const core::Site& site, const std::string& slurm_conf);
std::vector<Check> check_slowly(const core::Site& site);
// What was published to this node for its enclaves, and its agent: Prolog judges these job by job.
std::vector<Check> check_published(const core::Site& site);
std::vector<Check> check_site(const core::Site& site, const std::string& slurm_conf);  // site_checks.cpp

// patches.cpp: the versions of munge's and Slurm's programs below `root`, and what their packages' changelogs say was mended.
std::vector<Check> check_patches(const std::filesystem::path& root = "/");
// programs.cpp: what root starts on a node, below `root`; and whether nft and this kernel can put up a wall.
std::vector<Check> check_programs(const std::filesystem::path& root = "/");
Check check_wall();

// accounts.cpp. Is the number of one of the enclave's accounts another account's as well, in `passwd_file` or by the name
// service (core::accounts_of, or `ask`)? That would be somebody's ordinary account by another name. Or has one another number
// than the policy was signed with? A name service that does not answer is a miss.
using AskForAccounts = std::function<std::vector<core::Account>(const std::vector<std::string>& keys)>;
Check check_own_numbers(const core::Enclave& enclave,
                        const std::filesystem::path& passwd_file = "/etc/passwd",
                        const AskForAccounts& ask = {});

bool is_ready(const std::vector<Check>& checks);  // nothing is bad

// What does not change by itself: names and verdicts, and the digests of policies.
std::string outcome_of(const std::vector<Check>& checks);

nlohmann::json to_json(const std::vector<Check>& checks);

// Spools the signed record "preflight" of this node: {"version", "enclaves": [...], "checks": [...]}. Throws
// as core::spool_record.
void report(const core::Site& site, const std::vector<Check>& checks);

// plugin.cpp. The fence's plugin: of this version, and root's alone to change, with every folder and link on its way.
inline constexpr const char* kPlugin = ALOFT_PREFIX "/lib/slurm/aloft_fence.so";
Check check_plugin(const std::filesystem::path& plugin = kPlugin);
// Of a path and the folders above it, what others than root can change or make; empty if nothing. A link is.
std::string changed_by_others(std::filesystem::path path);

// Parts of the checks that tests call.
// The version of a fence plugin, from its bytes; empty if they are none's.
std::string plugin_version(std::string_view bytes);
// True if `version` has a fault mended that `from` names the first mended release for, of each series ("24.05.8", "24.11.5"), in ascending order.
// A series between them was never mended; a later one began so.
bool is_mended(const std::string& version, const std::vector<std::string>& from);

// Does Slurm give out memory by these SelectTypeParameters? Since 23.02 it holds a job to its memory only then, whatever
// ConstrainRAMSpace says (task/cgroup).
bool gives_out_memory(const std::string& select_type_parameters);

// True if `version` ("22.05.8") is `floor` or later.
bool is_at_least(const std::string& version, const std::string& floor);
// True if nftables (the JSON of `nft -j list ruleset`) keeps what is not allowed from leaving this host.
bool drops_output(const std::string& ruleset);
// True if a P_Key beside the default partition's (0x7fff, 0xffff) is among them.
bool has_own_partition(const std::vector<std::string>& pkeys);

}  // namespace slurm
