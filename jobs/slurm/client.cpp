#include "jobs/slurm/client.h"

#include "core/base/child.h"
#include "core/base/error.h"

namespace jobs {

using core::Error;
using core::Fault;

namespace {

// What `squeue --json` lists, each to `take`.
template <class Take>
void for_each_job(Take take) {
    const core::Finished listed = core::run_program({"squeue", "--json"}, "");
    if (listed.code != 0) throw Error(Fault::system, "squeue failed: " + listed.errors.substr(0, 500));
    try {
        const auto all = nlohmann::json::parse(listed.output);
        for (const auto& one : all.at("jobs")) take(one.at("job_id").get<std::int64_t>(), one);
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::system, "squeue --json prints something else than Slurm 22.05's JSON");
    }
}

}  // namespace

std::optional<nlohmann::json> find_job(std::int64_t job) {
    std::optional<nlohmann::json> found;
    for_each_job([&](std::int64_t id, const nlohmann::json& one) {
        if (id == job) found = one;
    });
    return found;
}

std::map<std::int64_t, std::string> job_states() {
    std::map<std::int64_t, std::string> states;
    for_each_job([&](std::int64_t id, const nlohmann::json& one) {
        states[id] = one.at("job_state").get<std::string>();
    });
    return states;
}

}  // namespace jobs
