#include "slurm/node/reconcile.h"

#include <chrono>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/node/controller.h"
#include "slurm/node/end.h"
#include "slurm/node/leftovers.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kAnswer{5000};

void clear_leftovers(const std::string& slurm_conf, const std::string& host) {
    const fs::path spool = spool_on(load_slurm_conf(slurm_conf), host);
    for (const std::uint32_t job : jobs_with_leftovers(spool))
        if (!ask_about(job, kAnswer).may_be_on(host, "")) remove_leftovers(spool, job);
}

}  // namespace

void clear_lost_jobs(const core::Site& site, const std::string& slurm_conf, const std::string& host,
                     const std::map<std::uint32_t, std::string>& urgent, Thoroughly how) {
    std::map<std::uint32_t, std::string> found = urgent;
    for (const auto& [job, trace] : jobs_with_traces(site))
        if (!trace.is_open || how == Thoroughly::yes) found.emplace(job, trace.start);
    for (const auto& [job, start] : found) try {
            if (!ask_about(job, kAnswer).may_be_on(host, start))
                end_lost_job(site, job, start, core::now_seconds());
        } catch (const std::exception& e) {
            core::Event("error", "job_not_cleared").with("job", job).with("text", e.what());
        }
    try {
        clear_leftovers(slurm_conf, host);
    } catch (const std::exception& e) {
        core::Event("error", "leftovers_not_cleared").with("text", e.what());
    }
}

}  // namespace slurm
