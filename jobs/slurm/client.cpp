#include "jobs/slurm/client.h"

#include "core/base/child.h"
#include "core/base/error.h"

namespace jobs {

using core::Error;
using core::Fault;

std::optional<nlohmann::json> find_job(std::int64_t job) {
    const core::Finished listed = core::run_program({"squeue", "--json"}, "");
    if (listed.code != 0) throw Error(Fault::system, "squeue failed: " + listed.errors.substr(0, 500));
    try {
        const auto all = nlohmann::json::parse(listed.output);
        for (const auto& one : all.at("jobs"))
            if (one.at("job_id").get<std::int64_t>() == job) return one;
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::system, "squeue --json prints something else than Slurm 22.05's JSON");
    }
    return std::nullopt;
}

}  // namespace jobs
