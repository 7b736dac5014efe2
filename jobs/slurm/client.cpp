#include "jobs/slurm/client.h"

#include <sys/wait.h>

#include "core/base/child.h"
#include "core/base/message.h"
#include "core/policy/slurm_states.h"

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::string_view kOurs =
    "aloft: ";  // how a comment begins that is ours; a researcher's own is not taken

// What `squeue --json` lists, each to `take`.
template <class Take>
void for_each_job(Take take) {
    const core::Finished listed = core::run_program({"squeue", "--json"}, "");
    if (listed.code != 0) throw failure(Fault::system, "squeue failed: {}", listed.errors.substr(0, 500));
    try {
        const auto all = json::parse(listed.output);
        for (const auto& one : all.at("jobs")) take(one.at("job_id").get<std::int64_t>(), one);
    } catch (const json::exception&) {
        throw failure(Fault::system, "squeue --json prints something else than Slurm's JSON");
    }
}

// Since 23.11 numbers may be {"set": true, "infinite": false, "number": 7}.
std::int64_t number_of(const json& value) {
    if (value.is_object()) return value.value("set", false) ? value.at("number").get<std::int64_t>() : 0;
    return value.get<std::int64_t>();
}

std::string exit_of(const json& exit) {
    std::int64_t code = 0, signal = 0;
    if (exit.is_object()) {
        code = number_of(exit.at("return_code"));
        if (exit.contains("signal")) signal = number_of(exit.at("signal").value("id", json(0)));
    } else {  // as wait() tells it
        const int status = exit.get<int>();
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    return std::to_string(code) + ":" + std::to_string(signal);
}

}  // namespace

bool is_final(const std::string& state) {
    return !core::outcome_of_state(state).empty();
}

SlurmJob read_job(const json& job) {
    SlurmJob out;
    const json& state = job.at("job_state");
    out.state = state.is_array() ? state.at(0).get<std::string>() : state.get<std::string>();
    out.name = job.value("name", std::string());
    out.account = job.value("user_name", std::string());
    out.reason = job.value("state_reason", std::string());
    if (const auto comment = job.find("admin_comment"); comment != job.end() && comment->is_string())
        if (const auto words = comment->get<std::string>(); words.starts_with(kOurs))
            out.words = words.substr(kOurs.size());
    if (job.contains("restart_cnt")) out.restarts = number_of(job.at("restart_cnt"));
    if (is_final(out.state) && job.contains("exit_code")) out.exit = exit_of(job.at("exit_code"));
    return out;
}

std::optional<json> find_job(std::int64_t job) {
    std::optional<json> found;
    for_each_job([&](std::int64_t id, const json& one) {
        if (id == job) found = one;
    });
    return found;
}

std::map<std::int64_t, SlurmJob> known_jobs() {
    std::map<std::int64_t, SlurmJob> jobs;
    for_each_job([&](std::int64_t id, const json& one) { jobs[id] = read_job(one); });
    return jobs;
}

}  // namespace jobs
