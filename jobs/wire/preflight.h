#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/policy/check.h"
#include "core/policy/enclave.h"

// Whether an enclave may open: what its nodes have reported about themselves and their site, judged. Both
// sides use it: aloftd decides by it, `aloft admin preflight` shows it.

namespace jobs {

using core::Check;
using core::Verdict;

// One host's newest report, as aloftd's state holds it.
struct Report {
    std::string node;
    std::int64_t time = 0, received = 0;  // by the node's clock; by aloftd's
    nlohmann::json body;  // {"version", "enclaves": [...], "checks": [...]}: core/ledger/spool.h
};

inline constexpr std::int64_t kReportSeconds = 24 * 3600;  // an older report proves nothing

// What `now` is known of the enclave's nodes, node by node: whether there is a report, fresh, of `version`,
// from a node that knows the enclave, with checks of both layers, of the policy with hash `policy_sha256`;
// and the checks in it. A required check that is missing is a miss. An enclave without nodes has a miss too.
std::vector<Check> checks_of_nodes(const core::Enclave& enclave, const std::string& policy_sha256,
                                   const std::vector<Report>& reports, const std::string& version,
                                   std::int64_t now);

// The same of an enclave's login hosts, where its accounts log in apart from all others: whether each has
// reported, lately, of `version`, that it is fit, and the checks of layer "login" in it. No host is a miss.
std::vector<Check> checks_of_logins(const std::vector<std::string>& hosts, const std::vector<Report>& reports,
                                    const std::string& version, std::int64_t now);

// Both: whether the enclave may be open, but for Slurm's settings. `logins`: none where accounts do not log in apart.
std::vector<Check> checks_of_enclave(const core::Enclave& enclave, const std::string& policy_sha256,
                                     const std::optional<std::vector<std::string>>& logins,
                                     const std::vector<Report>& reports, const std::string& version,
                                     std::int64_t now);

// Hex SHA-256 of the enclave's policy file on this host.
std::string policy_sha256(const core::Site& site, const std::string& enclave);

}  // namespace jobs
