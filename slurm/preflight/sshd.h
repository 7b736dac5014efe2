#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"
#include "core/policy/check.h"

// What sshd would do for an account: asked of sshd itself, once for each one that listens on this host.

namespace slurm {

struct Sshd {
    std::vector<std::string>
        options;               // -f and -o, as one that listens was started with; none: sshd's own file
    std::string said;          // `sshd -ddd -T -C user=ACCOUNT`; empty if it does not answer
    std::string name() const;  // "sshd", "sshd -f /etc/ssh/other"
};

bool is_sshd_here();  // the program is
// Empty if there is no sshd here. The one that would read sshd's own file is always among them.
std::vector<Sshd> ask_sshd(const std::string& account);
// Whether a process is sshd's part of somebody's session, which runs as that account: a child of root's sshd.
bool is_sshd_of_session(const std::string& process);

// On a node: no account of an enclave is let in by an sshd that listens. Never throws.
std::vector<core::Check> check_no_logins(const core::Site& site);

// Parts that tests call.
// The values of a setting, each line's words apart: "acceptenv LANG" and "acceptenv LC_*" are two.
std::vector<std::string> values_of(std::string_view said, const std::string& setting);
// The options of a listener, from its title ("sshd: /usr/sbin/sshd -D -f FILE [listener] 0 of 10-100
// startups"); nothing if it is none.
std::vector<std::vector<std::string>> listener_options(const std::string& title);
// The Match block that looks at a connection (its address, its port) and comes before the one that sets
// ForceCommand, so that the answer for one connection is not the answer for all: its criteria. Empty: none.
std::string block_before_force_command(std::string_view said);

}  // namespace slurm
