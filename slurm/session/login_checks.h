#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"
#include "core/policy/check.h"

// May this host be an enclave's login host? Its accounts must have one door, aloft-session, and that door
// must hold. "To check one more": a function in login_checks.cpp.

namespace slurm {

// Looked at now, as root. Never throws for what it finds. Layer "login".
std::vector<core::Check> check_login_host(const core::Site& site, const std::string& slurm_conf);

// Prints them; with Report::yes, leaves them as this host's signed record for aloftd, too. Returns 0, or 5 if a required
// one is bad. Throws Error(refused) if the caller is not root, and as spool_record.
enum class Report { no, yes };
int print_login_checks(Report report);

// Parts of the checks that tests call.
// What `sshd -T -C user=NAME` says that an enclave's account must not have: "allowtcpforwarding yes".
std::vector<std::string> open_in_sshd(std::string_view settings);
// A file of sshd's AuthorizedKeysFile as a path: %u, %h, or from the account's home. Empty for "none".
std::string keys_file(std::string name, const std::string& account, const std::string& home);
// Whether cron or at (their allow and deny files; nothing: there is none) let an account in. `by_default`:
// where there is neither file.
bool is_let_in(const std::string* allow, const std::string* deny, const std::string& account,
               bool by_default);

}  // namespace slurm
