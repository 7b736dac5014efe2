#include "jobs/slurm/job_policy.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/policy/job_options.h"
#include "jobs/wire/duration.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using core::marked;
using core::tr;
using core::translated_text;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kWorkspace = "/aloft/workspace";

std::string joined(const json& words) {
    std::string out;
    for (const json& word : words) out += (out.empty() ? "" : ", ") + word.get<std::string>();
    return out;
}

std::string minutes(std::int64_t number) {
    return number == 1 ? tr("1 minute") : tr("{} minutes", number);
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
    for (const json& one : data) {
        const auto text = [&](const char* key) { return one.at(key).get<std::string>(); };
        out +=
            tr("data      {}, read-only at {}, its key at {}", text("dataset"), text("path"), text("key")) +
            "\n";
        if (one.at("sealed") != true)
            out +=
                "          " +
                tr("but its key is not sealed for this enclave: the job would be refused. Tell the admin") +
                "\n";
    }
    return out.empty() ? tr("data      none: the grant names no dataset") + "\n" : out;
}

// Behind the warning that jobs have without a wish, in the policy.
constexpr std::string_view kForListeners = ", which only programs that listen for it notice,";

std::string signal_in_words(std::string_view signal) {
    if (!signal.ends_with(kForListeners)) return tr("signal    {} before its time is over", signal);
    signal.remove_suffix(kForListeners.size());
    return tr("signal    {}, which only programs that listen for it notice, before its time is over", signal);
}

std::string wishes_in_words(const json& policy) {
    std::string out;
    const auto is_set = [&](const char* key) { return policy.at(key).is_string() && policy.at(key) != ""; };
    const auto text = [&](const char* key) { return policy.at(key).get<std::string>(); };
    const auto line = [&](const std::string& words) { out += words + "\n"; };
    if (is_set("begin")) line(tr("begin     at {}: jobs begin at full hours", text("begin")));
    if (is_set("array")) line(tr("array     tasks {}", text("array")));
    if (is_set("gpus")) line(tr("gpus      {} for the job", text("gpus")));
    if (is_set("gpus_per_node")) line(tr("gpus      {} on each node", text("gpus_per_node")));
    if (is_set("gpus_per_task")) line(tr("gpus      {} for each process", text("gpus_per_task")));
    if (policy.at("cpus_per_task") != 0)
        line(tr("cores     {} for each process", policy.at("cpus_per_task").dump()));
    if (is_set("constraint")) line(tr("features  of each node: {}", text("constraint")));
    if (is_set("memory")) line(tr("memory    {} on each node", text("memory")));
    if (is_set("signal")) line(signal_in_words(text("signal")));
    line(policy.at("requeue") == true
             ? tr("again     after exit code 75 (state saved) or a lost node, Slurm runs it again")
             : tr("again     after exit code 75 (state saved) only, not after a lost node"));
    return out;
}

void check_gpus(const std::string& asked) {
    if (!asked.empty()) core::allowed_gpus("gpu:" + asked);
}

std::string signal_of(const JobWish& wish, std::int64_t minutes) {
    if (!wish.signal.empty()) return wish.signal;
    return "URG@" + std::to_string(core::warning_seconds(minutes)) + std::string(kForListeners);
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
        throw failure(Fault::refused, "--grant must be a grant's name, such as G-12. See: aloft grant list");
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
        throw failure(
            Fault::usage,
            "--begin must be a duration from now on (30m, 2h, 7d) or a moment such as 2026-11-27T06:00:00Z");
    }
}

json job_policy(const core::Site& site, const core::Enclave& enclave, const core::Grant& grant,
                const JobWish& wish, std::int64_t kill_wait_seconds, std::int64_t now) {
    check_wish(wish, now);
    const std::int64_t begin = core::allowed_begin(wish.begin, now);
    if (wish.nodes > static_cast<std::int64_t>(enclave.nodes.size()))
        throw failure(Fault::usage, "enclave {} has {} nodes; ask for no more with --nodes", enclave.name,
                      enclave.nodes.size());
    if (wish.minutes > enclave.max_minutes)
        throw wish.minutes == 1
            ? failure(Fault::refused,
                      "this job could never run: --time asks for 1 minute; enclave {} gives a job {} at most",
                      enclave.name, enclave.max_minutes)
            : failure(Fault::refused,
                      "this job could never run: --time asks for {} minutes; enclave {} gives a job {} at "
                      "most",
                      wish.minutes, enclave.name, enclave.max_minutes);
    const std::int64_t left = (core::last_limit(grant, kill_wait_seconds) - std::max(now, begin)) / 60;
    if (left < 1)
        throw failure(Fault::refused,
                      "grant {} ends at {}: no job can end in time. Apply for a new one (aloft apply create)",
                      grant.id, core::rfc3339(grant.not_after));
    const std::int64_t most = std::min(enclave.max_minutes, left);
    const bool as_wished = wish.minutes > 0 && wish.minutes <= most;
    const std::string_view why = as_wished ? marked("as asked for")
                                 : left < enclave.max_minutes
                                     ? marked("what is left of the grant, less a margin to end in time")
                                     : marked("the enclave's longest");
    json image;
    if (!wish.image.empty()) image = enclave.asked_image(wish.image).name;
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
            {"image", image},
            {"network", marked("this job's own nodes")},
            {"blocked",
             {marked("every other address and name"), marked("other kinds of sockets"),
              marked("Slurm's commands"), "ssh", marked("home folders"), marked("other workspaces"),
              marked("the host's /tmp and /dev/shm")}},
            {"kept", kWorkspace},
            {"gone_afterwards", {"/tmp", "/var/tmp", "/dev/shm"}},
            {"output", std::string(kWorkspace) + "/slurm-JOB.out"}};
}

std::string in_words(const json& policy) {
    const auto text = [&](const char* key) { return policy.at(key).get<std::string>(); };
    const std::int64_t asked = policy.at("minutes_asked").get<std::int64_t>();
    const bool is_cut = asked > policy.at("minutes").get<std::int64_t>();
    const json &nodes = policy.at("nodes"), &processes = policy.at("tasks_per_node");
    std::string out;
    const auto line = [&](const std::string& words) { out += words + "\n"; };
    line(tr("enclave   {}, under grant {}, which ends at {}", text("enclave"), text("grant"),
            text("grant_ends")));
    line(tr("nodes     {} of {}, whole: no other job runs beside yours; {} on each",
            nodes == 1 ? tr("1 node") : tr("{} nodes", nodes.dump()), joined(policy.at("node_names")),
            processes == 1 ? tr("1 process") : tr("{} processes", processes.dump())));
    line(tr("time      {} at most: {}", minutes(policy.at("minutes").get<std::int64_t>()),
            translated_text(text("minutes_why"))) +
         (is_cut ? " " + tr("(you asked for {})", asked) : ""));
    out += wishes_in_words(policy) + data_in_words(policy.at("data"));
    line(tr("software  read-only: {}", joined(policy.at("software"))) +
         (policy.at("image").is_null() ? "" : tr("; in place of the system's, image {}", text("image"))));
    line(
        tr("network   {} only (MPI and NCCL between them run as outside)", translated_text(text("network"))));
    json blocked = json::array();
    for (const json& one : policy.at("blocked")) blocked.push_back(translated_text(one.get<std::string>()));
    line(
        tr("blocked   {}. What is tried is told in the job's output, counted and recorded", joined(blocked)));
    line(tr("writes    {} is your workspace and stays; {} are the job's own and gone afterwards",
            text("kept"), joined(policy.at("gone_afterwards"))));
    line(tr("output    {}; the one way out of the enclave is aloft release request", text("output")));
    return out;
}

}  // namespace jobs
