#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"
#include "core/base/version.h"
#include "core/keys/keys.h"
#include "core/policy/enclave.h"

// What a node decides about a job before any of its processes starts. Prolog (aloft-node prolog) decides and
// writes it; the plugin in slurmstepd reads it and does what it says. No policy: no process.

namespace slurm {

// `unfenced`: no enclave's job, it runs as ever. `ended`: was fenced and ran here, until the node's agent ended it (its
// grant does not hold any more).
enum class Ruling { unfenced, enclave, deny, ended };
std::string_view name_of(Ruling ruling);  // as it stands in the policy's file: "open" for unfenced
enum class Part { batch, step };          // the batch script's wrapper, or the step with the user's code

struct Peer {
    std::string address;                    // IPv4, dotted
    int kind = 0;                           // enum peer_kind of fence_bpf.h
    std::vector<std::uint32_t> interfaces;  // another host's: the indices of those by which it is reached
};

// Nothing is known against a job, but its grant cannot be checked now.
struct Doubt {
    std::int64_t issued = 0;  // when the newest list was signed; 0: unknown, or the fault is another one
};

struct Policy {
    Ruling ruling = Ruling::deny;
    std::string reason;                     // of a denial or an end: one line for the user
    std::string version = core::version();  // who wrote it: the plugin obeys its own version only
    std::uint32_t job = 0, uid = 0;
    std::string start;  // which of its runs: how often Slurm started it again; empty unless fenced
    std::string account, partition;
    std::vector<std::string> nodes;
    std::string enclave, grant;  // empty for an open job
    std::int64_t not_after = 0;  // of the grant
    std::int64_t began = 0;      // when this node decided
    std::uint32_t gpus = 0;      // of this node, as slurmctld gave them to the job
    std::string token;           // what a step must show: only aloft-run can (see step_tokens)
    std::vector<std::string>
        other_tokens;                   // or one of these, shown by a node before or after a change of keys
    std::filesystem::path workspace;    // empty: there is none to show
    std::vector<std::string> datasets;  // "digits@1"
    std::vector<std::filesystem::path> software;
    std::optional<core::Image> image;            // that its tasks run in; none: the node's own system
    std::vector<std::filesystem::path> devices;  // beside those that every job has (infiniband.h)
    std::vector<Peer> peers;
    std::vector<core::Allowance> allowed;  // of the site's daemons, not of the job
    std::uint16_t slurmd_port = 6818;
    // Not written down: the whole reason of a denial.
    std::optional<Doubt> doubt;
    bool is_of_other_version = false;  // the node was changed since its Prolog ran: the job is run again
};

std::string to_json(const Policy& policy);
Policy parse_policy(std::string_view json);  // throws Error(data)

// Files of one job on this node, in a root-only folder on a tmpfs.
struct JobFiles {
    JobFiles(const core::Site& site, std::uint32_t job);
    std::filesystem::path folder, policy, token, grant, keys;
};

// The job's cgroup for one part, where cgroup2 is mounted beside version 1; on a pure version 2 Slurm's own.
std::filesystem::path cgroup_root();
bool is_pure_cgroup2();
std::filesystem::path job_cgroup(std::uint32_t job);
std::filesystem::path part_cgroup(std::uint32_t job, Part part);
// In a part's cgroup: the tasks without their slurmstepd, so that they can be frozen while it goes on
// working.
std::filesystem::path task_cgroup(std::uint32_t job, Part part);

// A job as Prolog is told of it.
struct Job {
    std::uint32_t id = 0, uid = 0;
    std::string account, partition;
    std::vector<std::string> nodes;
    std::string start{};                  // see Policy
    std::string grant{};                  // it was admitted under this one; empty: the newest of the account
    std::string asked_grant{};            // by its researcher (aloft submit --grant): under no other one
    std::string asked_image{};            // core::Image::text(), as it was admitted with; empty: none
    std::vector<std::string> datasets{};  // what it reads: another grant that covers them may take over
    std::optional<std::uint32_t> gpus = 0;  // see Policy; nothing: Slurm's list of them cannot be read
};

Job job_of(const Policy& policy);

// The ruling with its reason, its grant and its folders; peers and token are the caller's. Refusals are
// rulings, not errors: throws only where the node itself is at fault (unreadable configuration). `enclave` gets
// the enclave's policy that the ruling is by, if it is Ruling::enclave.
Policy decide(const core::Site& site, const Job& job, std::string_view host, std::int64_t now,
              core::Enclave* enclave = nullptr);

// Why a job that was admitted under `running` must not go on, decided anew.
struct Objection {
    std::string reason;
    // With it the job stands still until its grant can be checked again, or until
    // SITE.revocation_end_seconds are over. Without it the job ends.
    std::optional<Doubt> doubt;
};
// Nothing if it may go on. Never throws for what is wrong with the node's files: what cannot be checked is a
// reason too.
std::optional<Objection> objection_to(const core::Site& site, const Policy& running, std::string_view host,
                                      std::int64_t now);

// Secrets that every node of the enclave derives from its private key, and nobody else can: of the key that the node has (the first),
// and of the others that it knows while one takes over from another (core/keys/enclave_keys.h). Throws Error(refused) or Error(data)
// without the key.
std::vector<core::SecretKey> enclave_secrets(const core::Site& site, const std::string& enclave,
                                             const std::string& salt, std::string_view purpose);

// Steps never pass job_submit, and anybody may say `srun --jobid`. So a step must show a token which only the
// batch script's wrapper can read. Every node of the job derives the same ones (the first is to be shown), and others when Slurm
// starts the job again.
std::vector<std::string> step_tokens(const core::Site& site, const Policy& policy);

// Unseals the datasets' keys into `files.keys`, each 0400 and owned by the job's account. Throws
// Error(refused) if one is missing or not sealed for this enclave.
void unseal_keys(const core::Site& site, const Policy& policy, const JobFiles& files);

}  // namespace slurm
