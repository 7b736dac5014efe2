// aloft watch, aloft logs, aloft jobs.
#include <pwd.h>
#include <unistd.h>

#include <iostream>
#include <map>

#include "core/base/error.h"
#include "jobs/cli/commands.h"
#include "jobs/shell/exchange.h"
#include "jobs/slurm/client.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Where the job's output can be read from here. Slurm names it as nodes see it: in the shared workspaces, of
// which this session sees its own part at /aloft/workspace.
fs::path output_of(const core::Site& site, const json& job) {
    std::string name = job.value("standard_output", std::string());
    const std::string id = std::to_string(job.at("job_id").get<std::int64_t>());
    for (const char* pattern : {"%j", "%A"})
        for (std::size_t at; (at = name.find(pattern)) != std::string::npos;) name.replace(at, 2, id);
    const std::string shared = site.workspaces.string() + "/";
    if (name.starts_with(shared)) {  // ENCLAVE/ACCOUNT/rest
        std::size_t rest = name.find('/', shared.size());
        if (rest != std::string::npos) rest = name.find('/', rest + 1);
        std::error_code none;
        if (rest != std::string::npos && fs::exists("/aloft/workspace", none))
            return "/aloft/workspace" + name.substr(rest);
    }
    return name;
}

// Prints what has been added since `at`. A file that shrank (a requeued job that begins anew) is read from
// its start. False if it is no regular file that this account may read.
bool follow(const fs::path& file, std::uint64_t& at) {
    try {
        while (shell::follow(file, at, [](std::string_view piece) { std::cout << piece; })) {
        }
    } catch (const Error&) {
        return false;
    }
    std::cout.flush();
    std::error_code none;
    return fs::is_regular_file(fs::symlink_status(file, none));
}

// What the fence stopped, once every node has said so: their records arrive a few seconds after the end.
// Nothing for a job that aloftd does not know.
json blocked_of(const core::Site& site, std::int64_t number) {
    constexpr int kTries = 20;  // half a second each
    json known = json::object();
    try {
        for (int i = 0; i < kTries; ++i) {
            known = ask(site.socket, {{"op", "job.show"}, {"job", number}}).body;
            if (known.at("complete") == true) break;
            ::usleep(500'000);
        }
    } catch (const Error& e) {
        if (e.fault() != Fault::usage) std::cerr << "what was blocked is not known: " << e.what() << '\n';
    }
    return {{"blocked", known.value("blocked", json::object())},
            {"attempts", known.value("attempts", json::array())}};
}

// The last words: what became of the job. Throws Error(data) unless it completed.
void tell_end(const Common& common, std::int64_t number, const SlurmJob& job, const fs::path& output) {
    json end = blocked_of(common.site(), number);
    const std::string blocked = describe_blocked(end.at("blocked"), end.at("attempts"));
    end.update({{"job", number}, {"state", job.state}, {"exit", job.exit}, {"output", output.string()}});
    if (!blocked.empty())
        std::cerr << blocked
                  << "an enclave has no network but the job's own nodes; how often is in the ledger\n";
    if (common.json) print(common, end, "");
    if (job.state != "COMPLETED")
        throw Error(Fault::data, "job " + std::to_string(number) + " ended as " + job.state + ", exit code " +
                                     job.exit + "; its output: " + output.string());
}

void watch(const Common& common, std::int64_t number) {
    const core::Site site = common.site();
    std::string last;
    std::uint64_t at = 0;
    fs::path output;
    for (;;) {
        const auto job = find_job(number);
        if (!job) {
            if (last.empty())
                throw Error(Fault::usage,
                            "Slurm knows no job " + std::to_string(number) + "; see: aloft jobs");
            throw Error(Fault::system, "Slurm has forgotten job " + std::to_string(number) +
                                           " while it was watched; its output is in the workspace");
        }
        const SlurmJob now = read_job(*job);
        const std::string& state = now.state;
        if (output.empty() || state != last) output = output_of(site, *job);
        if (!common.json) follow(output, at);
        if (state != last) {
            std::cerr << "job " << number << ": " << state
                      << (now.reason.empty() || now.reason == "None" ? "" : " (" + now.reason + ")") << '\n';
            last = state;
        }
        if (is_final(state)) {
            if (!common.json) follow(output, at);
            return tell_end(common, number, now, output);
        }
        ::usleep(500'000);
    }
}

// The output as it is now. What Slurm has forgotten lies where admission puts every job's.
void print_log(const Common& common, std::int64_t number) {
    if (common.json)
        throw Error(Fault::usage, "a job's output is what it wrote, and no JSON; leave --json out");
    const core::Site site = common.site();
    std::optional<json> job;
    try {
        job = find_job(number);
    } catch (const Error&) {  // no Slurm here
    }
    fs::path output = "/aloft/workspace/slurm-" + std::to_string(number) + ".out";
    if (job) output = output_of(site, *job);
    std::uint64_t at = 0;
    if (!follow(output, at))
        throw Error(Fault::usage,
                    "job " + std::to_string(number) +
                        " has no output here: it has not begun, is another's, or its file was removed");
}

// Names are their author's own words: shown to nobody else (they are in no record either).
void list_jobs(const Common& common, bool all) {
    Listing jobs = list_of(common, "job.list", all ? Pages::all : Pages::first);
    std::map<std::int64_t, SlurmJob> known;
    try {
        known = known_jobs();
    } catch (const Error&) {  // no Slurm here: the ledger's view stands
    }
    const passwd* own = ::getpwuid(::getuid());
    for (json& row : jobs.rows) {
        row["name"] = row["exit"] = json();
        const auto found = known.find(row.at("job").get<std::int64_t>());
        // Slurm begins its numbers again some day: what ended, or is another's, is not the job that it knows by this number.
        if (found == known.end() || row.at("account") != found->second.account) continue;
        if (!row.value("ended", json()).is_null() && !is_final(found->second.state) &&
            found->second.restarts == 0)
            continue;
        row["state"] = found->second.state;
        row["restarts"] = found->second.restarts;
        if (!found->second.exit.empty()) row["exit"] = found->second.exit;
        if (own && row.at("account") == own->pw_name) row["name"] = found->second.name;
    }
    print_rows(common, "jobs", jobs.rows,
               {"job", "name", "account", "enclave", "state", "exit", "outcome", "exit_class", "nodes",
                "submitted", "started", "ended", "node_seconds", "gpu_seconds", "blocked", "grant"});
    if (jobs.has_more && !common.json) std::cout << "there are older ones: aloft jobs --all\n";
}

}  // namespace

void add_watch(CLI::App& app, Common& common) {
    static std::int64_t job = 0;
    CLI::App* follow_one = add_verb(app, common, "watch",
                                    "Follow a job's state and output until it ends; exit 0 if it completed",
                                    "aloft watch 17", Changes::nothing, [&common] { watch(common, job); });
    follow_one->add_option("job", job, "Its number")->required();
    CLI::App* log = add_verb(app, common, "logs", "A job's output as it is now, also after its end",
                             "aloft logs 17", Changes::nothing, [&common] { print_log(common, job); });
    log->add_option("job", job, "Its number")->required();
    static bool all = false;
    CLI::App* list =
        add_verb(app, common, "jobs",
                 "Your jobs, as the ledger knows them, with how each ended; name, state and exit code "
                 "(CODE:SIGNAL) while Slurm knows them",
                 "aloft jobs", Changes::nothing, [&common] { list_jobs(common, all); });
    list->add_flag("--all", all, "The older ones, too");
}

}  // namespace jobs
