#include "jobs/slurm/job_policy.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/policy/job_options.h"
#include "jobs/wire/duration.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kWorkspace = "/aloft/workspace";

std::string joined(const json& words) {
    std::string out;
    for (const json& word : words) out += (out.empty() ? "" : ", ") + word.get<std::string>();
    return out;
}

std::string count(const json& number, const std::string& thing) {
    return number.dump() + " " + thing + (number == 1 ? "" : "s");
}

json data_of(const core::Site& site, const core::Grant& grant) {
    json data = json::array();
    for (const std::string& name : grant.datasets)
        data.push_back({{"dataset", name},
                        {"path", "/aloft/data/" + name},
                        {"key", "/aloft/keys/" + name + ".key"},
                        {"sealed", fs::exists(site.mirror / "keys" / grant.enclave / (name + ".sealed"))}});
    return data;
}

std::string data_in_words(const json& data) {
    std::string out;
    for (const json& one : data)
        out +=
            "data      " + one.at("dataset").get<std::string>() + ", read-only at " +
            one.at("path").get<std::string>() + ", its key at " + one.at("key").get<std::string>() +
            (one.at("sealed") == true
                 ? "\n"
                 : "\n          but its key is not sealed for this enclave: the job would be refused. Tell "
                   "the admin\n");
    return out.empty() ? "data      none: the grant names no dataset\n" : out;
}

std::string wishes_in_words(const json& policy) {
    std::string out;
    const auto line = [&](const char* topic, const char* key, const std::string& before,
                          const std::string& after) {
        if (const json& value = policy.at(key); value.is_string() && value != "")
            out += topic + before + value.get<std::string>() + after + "\n";
    };
    line("begin     ", "begin", "at ", ": jobs begin at full hours");
    line("array     ", "array", "tasks ", "");
    line("gpus      ", "gpus", "", " for the job");
    line("gpus      ", "gpus_per_node", "", " on each node");
    line("gpus      ", "gpus_per_task", "", " for each process");
    if (policy.at("cpus_per_task") != 0)
        out += "cores     " + policy.at("cpus_per_task").dump() + " for each process\n";
    line("features  ", "constraint", "of each node: ", "");
    line("memory    ", "memory", "", " on each node");
    line("signal    ", "signal", "", " before its time is over");
    out += policy.at("requeue") == true
               ? "again     after exit code 75 (state saved) or a lost node, Slurm runs it again\n"
               : "again     after exit code 75 (state saved) only, not after a lost node\n";
    return out;
}

void check_gpus(const std::string& asked) {
    if (!asked.empty()) core::allowed_gpus("gpu:" + asked);
}

std::string signal_of(const JobWish& wish, std::int64_t minutes) {
    if (!wish.signal.empty()) return wish.signal;
    return "URG@" + std::to_string(core::warning_seconds(minutes)) +
           ", which only programs that listen for it notice,";
}

}  // namespace

void check_wish(const JobWish& wish, std::int64_t now) {
    for (const std::string* gpus : {&wish.gpus, &wish.gpus_per_node, &wish.gpus_per_task}) check_gpus(*gpus);
    core::allowed_features(wish.constraint);
    if (!wish.memory.empty()) core::memory_mib(wish.memory);
    core::allowed_array(wish.array);
    if (!wish.signal.empty()) core::check_signal(wish.signal);
    core::allowed_begin(wish.begin, now);
    if (!wish.grant.empty() && !core::is_grant_id(wish.grant))
        throw Error(Fault::refused, "--grant must be a grant's name, such as G-12. See: aloft grant list");
}

std::vector<std::string> sbatch_options(const JobWish& wish, std::int64_t now) {
    std::vector<std::string> options{"--nodes=" + std::to_string(wish.nodes),
                                     "--ntasks-per-node=" + std::to_string(wish.tasks_per_node)};
    const auto add = [&](const char* option, const std::string& value) {
        if (!value.empty()) options.push_back(std::string(option) + "=" + value);
    };
    if (wish.minutes > 0) add("--time", std::to_string(wish.minutes));
    add("--gpus", wish.gpus);
    add("--gpus-per-node", wish.gpus_per_node);
    add("--gpus-per-task", wish.gpus_per_task);
    if (wish.cpus_per_task > 0) add("--cpus-per-task", std::to_string(wish.cpus_per_task));
    add("--constraint", core::allowed_features(wish.constraint));
    if (!wish.memory.empty()) add("--mem", std::to_string(core::memory_mib(wish.memory)) + "M");
    add("--array", core::allowed_array(wish.array));
    add("--signal", wish.signal);
    if (!wish.requeue) options.push_back("--no-requeue");
    // As admission would write it. "uts": seconds since 1970, whatever the zone of this session.
    if (const std::int64_t begin = core::allowed_begin(wish.begin, now))
        add("--begin", "uts" + std::to_string(begin));
    return options;
}

std::int64_t parse_begin(const std::string& text, std::int64_t now) {
    try {
        return text.find('T') == std::string::npos ? now + parse_duration(text) : core::parse_rfc3339(text);
    } catch (const Error&) {
        throw Error(Fault::usage,
                    "--begin must be a duration from now on (30m, 2h, 7d) or a moment such as "
                    "2026-11-27T06:00:00Z");
    }
}

json job_policy(const core::Site& site, const core::Enclave& enclave, const core::Grant& grant,
                const JobWish& wish, std::int64_t kill_wait_seconds, std::int64_t now) {
    check_wish(wish, now);
    const std::int64_t begin = core::allowed_begin(wish.begin, now);
    if (wish.nodes > static_cast<std::int64_t>(enclave.nodes.size()))
        throw Error(Fault::usage, "enclave " + enclave.name + " has " + std::to_string(enclave.nodes.size()) +
                                      " nodes; ask for no more with --nodes");
    if (wish.minutes > enclave.max_minutes)
        throw Error(Fault::refused, "this job could never run: --time asks for " +
                                        count(wish.minutes, "minute") + "; enclave " + enclave.name +
                                        " gives a job " + std::to_string(enclave.max_minutes) + " at most");
    const std::int64_t left = (core::last_limit(grant, kill_wait_seconds) - std::max(now, begin)) / 60;
    if (left < 1)
        throw Error(Fault::refused, "grant " + grant.id + " ends at " + core::rfc3339(grant.not_after) +
                                        ": no job can end in time. Apply for a new one (aloft apply create)");
    const std::int64_t most = std::min(enclave.max_minutes, left);
    const bool as_wished = wish.minutes > 0 && wish.minutes <= most;
    const char* why = as_wished                    ? "as asked for"
                      : left < enclave.max_minutes ? "what is left of the grant, less a margin to end in time"
                                                   : "the enclave's longest";
    json software = json::array({"/usr", "/etc"});
    for (const fs::path& tree : enclave.software) software.push_back(tree.string());
    return {{"enclave", enclave.name},
            {"grant", grant.id},
            {"grant_ends", core::rfc3339(grant.not_after)},
            {"purpose", grant.purpose},
            {"partition", enclave.partition},
            {"nodes", wish.nodes},
            {"tasks_per_node", wish.tasks_per_node},
            {"whole_nodes", true},
            {"node_names", enclave.nodes},
            {"minutes", as_wished ? wish.minutes : most},
            {"minutes_asked", wish.minutes},
            {"minutes_why", why},
            {"begin", begin ? json(core::rfc3339(begin)) : json()},
            {"array", core::allowed_array(wish.array)},
            {"gpus", wish.gpus},
            {"gpus_per_node", wish.gpus_per_node},
            {"gpus_per_task", wish.gpus_per_task},
            {"cpus_per_task", wish.cpus_per_task},
            {"constraint", core::allowed_features(wish.constraint)},
            {"memory", wish.memory},
            {"signal", signal_of(wish, as_wished ? wish.minutes : most)},
            {"requeue", wish.requeue},
            {"data", data_of(site, grant)},
            {"software", software},
            {"network", "this job's own nodes"},
            {"blocked",
             {"every other address and name", "other kinds of sockets", "Slurm's commands", "ssh",
              "home folders", "other workspaces", "the host's /tmp and /dev/shm"}},
            {"kept", kWorkspace},
            {"gone_afterwards", {"/tmp", "/var/tmp", "/dev/shm"}},
            {"output", std::string(kWorkspace) + "/slurm-JOB.out"}};
}

std::string in_words(const json& policy) {
    const auto text = [&](const char* key) { return policy.at(key).get<std::string>(); };
    const std::int64_t asked = policy.at("minutes_asked").get<std::int64_t>();
    const bool cut = asked > policy.at("minutes").get<std::int64_t>();
    return "enclave   " + text("enclave") + ", under grant " + text("grant") + ", which ends at " +
           text("grant_ends") + "\n" + "nodes     " + count(policy.at("nodes"), "node") + " of " +
           joined(policy.at("node_names")) + ", whole: no other job runs beside yours; " +
           (policy.at("tasks_per_node") == 1 ? "1 process"
                                             : policy.at("tasks_per_node").dump() + " processes") +
           " on each\n" + "time      " + count(policy.at("minutes"), "minute") +
           " at most: " + text("minutes_why") +
           (cut ? " (you asked for " + std::to_string(asked) + ")" : "") + "\n" + wishes_in_words(policy) +
           data_in_words(policy.at("data")) + "software  read-only: " + joined(policy.at("software")) + "\n" +
           "network   " + text("network") + " only (MPI and NCCL between them run as outside)\n" +
           "blocked   " + joined(policy.at("blocked")) +
           ". What is tried is told in the job's output, counted and recorded\n" + "writes    " +
           text("kept") + " is your workspace and stays; " + joined(policy.at("gone_afterwards")) +
           " are the job's own and gone afterwards\n" + "output    " + text("output") +
           "; the one way out of the enclave is aloft release request\n";
}

}  // namespace jobs
