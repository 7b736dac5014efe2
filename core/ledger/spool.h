#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/site.h"
#include "core/keys/keys.h"

// Compute nodes have no connection to aloftd: they leave signed records in SITE.spool/HOST/, and aloftd
// collects them into the ledger as kind "node.KIND", actor "node:HOST". Kinds whose details aloftd reads
// (others are recorded as they come):
//   job-started (adds "start": how often Slurm had started the job again, "most_seconds": its time limit, "gpus"), job-ended
//       {"job": 17, "account": "e-alice", "grant": "G-...", "enclave": "hel", ...}
//       job-ended adds "start", "state", "seconds" (wall clock on that node), "gpus" (of that node, as slurmctld gave them to the job),
//       "blocked": counts by kind,
//       "attempts": [{"what": "TCP", "to": "203.0.113.5:443", "count": 3}, ...]
//   job-outcome, from the job's first node, for each of its runs, once Slurm has said how it ended
//       {"job", "account", "grant", "enclave", "outcome": "completed" ..., "exit": "zero" ...} (slurm/node/outcome.h)
//   preflight, subject "node:HOST", the newest of a node counts
//       {"version": "...", "enclaves": ["hel"], "checks": [CHECK, ...]}
//       CHECK: {"layer": "node", "site" or (of a login host) "login", "check": "...", "verdict": "good", "warning" or "bad",
//               "required": true, "found": "...", "remedy": "..."}
//       the check "policy of enclave NAME" has the file's SHA-256 in hex as "found"

namespace core {

struct NodeRecord {
    std::string id;    // 32 hex digits, random: the same record is never entered twice
    std::string node;  // host name without domain
    std::int64_t time = 0;
    std::string kind;     // a plain name (names.h)
    std::string subject;  // what it is about: "job:17"
};

// Signs and writes one record, durable on return. As root; `host` empty: this host's name. `details` is a
// JSON object of at most 16 KiB when dumped. The record carries the newest witness of the ledger that this
// host saw (SITE.mirror/witness.json, which never goes back), so that a ledger cut later contradicts it.
// Throws Error(refused) without SITE.config/keys/node.key, Error(system) if it cannot be written.
void spool_record(const Site& site, std::string_view kind, std::string_view subject,
                  const nlohmann::json& details, const std::string& host = {});

// The keys by which HOST's records are known, of SITE.config/keys/nodes: HOST.pub and, while another key takes over, HOST~next.pub
// (load_host_keys). Throws Error(refused) if the first is absent.
std::vector<VerifyKey> load_node_keys(const Site& site, const std::string& host);

// aloftd's half: opens an envelope that lay in HOST's folder. Throws Error(refused) if none of `keys`
// (load_node_keys) signed it or it names another host, Error(data) if it is not a record.
NodeRecord open_node_record(std::string_view envelope, const std::vector<VerifyKey>& keys,
                            std::string_view host, nlohmann::json& details);

// This host's name up to the first dot.
std::string short_host_name();

}  // namespace core
