#include "slurm/step/written.h"

#include <filesystem>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"

extern "C" {
#include <slurm/spank.h>
}

namespace slurm {
namespace {

std::optional<Policy> written_policy(const std::filesystem::path& file, std::uint32_t job, std::uint32_t uid,
                                     std::string_view version) {
    Policy policy = parse_policy(core::read_text(file));
    if (policy.version != version && policy.ruling != Ruling::unfenced) {
        policy.ruling = Ruling::deny;
        policy.is_of_other_version = true;
        policy.reason = "this node's fence is of version " + std::string(version) +
                        ", its aloft-node of another (" + policy.version +
                        "). Tell the admin: install both together";
    }
    if (policy.job != job || policy.uid != uid) return std::nullopt;
    return policy;
}

// By the numbers that policies were signed with: slurmstepd must not wait for a name service.
std::optional<core::Enclave> enclave_of_number(const core::Site& site, std::uint32_t uid) {
    try {
        for (core::Enclave& enclave : core::load_enclaves(site))
            if (!enclave.account_of(uid).empty()) return std::move(enclave);
    } catch (const core::Error&) {
    }
    return std::nullopt;
}

}  // namespace

Policy read_policy(const core::Site& site, std::uint32_t job, std::uint32_t uid, std::string_view version) {
    try {
        if (auto policy = written_policy(JobFiles(site, job).policy, job, uid, version)) return *policy;
    } catch (const core::Error& e) {
        slurm_error("aloft: job %u: %s", job, e.what());
    }
    Policy policy;
    policy.job = job;
    policy.uid = uid;
    policy.reason =
        "this node has no policy for the job (did Slurm's Prolog run here?). Tell the admin; the job can be "
        "submitted again";
    if (const auto enclave = enclave_of_number(site, uid)) {
        policy.account = enclave->account_of(uid);
        policy.enclave = enclave->name;
        policy.software = enclave->software;
        if (const auto workspace = site.workspaces / enclave->name / policy.account;
            std::filesystem::is_directory(workspace))
            policy.workspace = workspace;
    }
    return policy;
}

core::Site load_site(std::uint32_t job, std::uint32_t uid, std::string_view version) {
    try {
        return core::Site::load("/etc/aloft/site.toml");
    } catch (const core::Error&) {
        core::Site site;
        site.run = "/run/aloft-node";
        const auto policy = written_policy(JobFiles(site, job).policy, job, uid, version);
        if (policy && policy->ruling == Ruling::unfenced) return site;
        throw;
    }
}

}  // namespace slurm
