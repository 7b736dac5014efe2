// aloft submit: checks the grant, records, and calls sbatch as the researcher; aloft cancel, aloft requeue.
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/message.h"
#include "core/base/printable.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "core/policy/job_options.h"
#include "core/policy/list.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/submit.h"
#include "jobs/slurm/client.h"
#include "jobs/slurm/cluster_checks.h"
#include "jobs/slurm/fits.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

std::string script_of(const Wish& wish) {
    std::string script = "#!/bin/sh\nexec";
    for (const std::string& word : wish.program) script += " " + shell_quoted(word);
    return script + "\n";
}

// What a command of Slurm has to say, as a terminal may have it: the words may be those of a plugin, or of a job.
std::string words_of(const core::Finished& said) {
    return core::printable_text(said.errors.substr(0, 3000), "\n\t");
}

std::vector<std::string> sbatch_line(const Wish& wish, const std::string& partition) {
    std::vector<std::string> line{"sbatch", "--parsable", "--export=ALL", "--partition=" + partition};
    for (const std::string& option : sbatch_options(wish, core::now_seconds())) line.push_back(option);
    if (!wish.name.empty()) line.push_back("--job-name=" + wish.name);
    return line;
}

std::string account_name() {
    const struct passwd* entry = ::getpwuid(::getuid());
    if (!entry) throw failure(Fault::refused, "this account has no name on this host; ask the admin");
    return entry->pw_name;
}

// Slurm adds KillWait to a time limit, so the limit depends on it; where Slurm cannot be asked, on its
// default.
std::int64_t kill_wait_seconds() {
    try {
        return ask_slurm().value_or(SlurmSettings()).kill_wait_seconds();
    } catch (const Error&) {
        return SlurmSettings().kill_wait_seconds();
    }
}

// What admission would refuse is refused here, before Slurm hears of it: grant, enclave, and the policy as it would be.
struct Judged {
    core::Grant grant;
    core::Enclave enclave;
    json policy;
};

Judged judged(const core::Site& site, const Wish& wish) {
    const std::int64_t now = core::now_seconds();
    const core::Grant grant = core::open_grant(site, ::getuid(), now, {wish.grant, {}});
    const auto enclave = core::enclave_of_account(site, account_name());
    if (!enclave || enclave->name != grant.enclave)
        throw failure(Fault::refused, "this account is not in the enclave of grant {}", grant.id);
    return {grant, *enclave, job_policy(site, *enclave, grant, wish, kill_wait_seconds(), now)};
}

// Throws Error(refused) if no node could ever run it. What Slurm does not tell here, its controller judges.
void check_fits(const std::string& partition, const Wish& wish) {
    if (const auto nodes = ask_nodes(partition)) require_fit(wish, *nodes);
    if (const auto limits = ask_limits(partition)) require_within(wish, *limits);
}

}  // namespace

void tell_submission(const Common& common, const Wish& wish) {
    const Judged job = judged(common.site(), wish);
    check_fits(job.enclave.partition, wish);
    const auto line = sbatch_line(wish, job.enclave.partition);
    std::string shown;
    for (const std::string& word : line) shown += (shown.empty() ? "" : " ") + word;
    print(common,
          {{"grant", job.grant.id},
           {"enclave", job.enclave.name},
           {"policy", job.policy},
           {"sbatch", line},
           {"script", script_of(wish)}},
          tr("{}\nNothing was submitted. This would be, by {}:\n{}", in_words(job.policy), shown,
             script_of(wish)));
}

namespace {

// The number that Slurm gave to the job. Throws Error(refused) with Slurm's reason.
std::int64_t hand_to_slurm(const Common& common, const Wish& wish, const std::string& script,
                           const json& granted) {
    // What admission would refuse is refused here, in the same words. In a session nothing that is published is to
    // be seen: there admission alone decides.
    const std::string partition = granted.at("partition").get<std::string>();
    try {
        judged(common.site(), wish);
    } catch (const core::ListIsStale& stale) {
        if (stale.issued != 0) throw;
    }
    check_fits(partition, wish);
    const auto line = sbatch_line(wish, partition);
    // A newer grant may come between: the job runs under the one on record.
    if (!wish.grant.empty()) ::setenv(core::kGrantVariable.data(), wish.grant.c_str(), 1);
    if (wish.image.empty())
        ::unsetenv(core::kImageVariable.data());
    else
        ::setenv(core::kImageVariable.data(), wish.image.c_str(), 1);
    const core::Finished sbatch = core::run_program(line, script);
    std::int64_t job = 0;
    try {
        job = std::stoll(sbatch.output);
    } catch (const std::exception&) {
    }
    if (sbatch.code != 0 || job <= 0)
        throw failure(Fault::refused, "Slurm did not take the job of request {}: {}",
                      granted.at("request").get<std::string>(), words_of(sbatch));
    std::cerr << words_of(sbatch);  // what the site's plugin has to say
    return job;
}

}  // namespace

json submit_job(const Common& common, const Wish& wish) {
    const core::Site site = common.site();
    check_wish(wish, core::now_seconds());
    const std::string script = script_of(wish);
    if (script.size() > core::kJobTextLimitBytes)
        throw failure(Fault::refused,
                      "the command is longer than 90 KiB. Put it into a file in your workspace and run that");
    const std::string hash = core::to_hex(core::sha256(core::view(script)));
    // aloftd checks the grant, and a refusal is in the ledger like a permission.
    json request = {{"op", "job.request"}, {"nodes", wish.nodes}, {"script_sha256", hash}};
    if (!wish.grant.empty()) request["grant"] = wish.grant;
    if (wish.minutes > 0) request["minutes"] = wish.minutes;
    if (const std::int64_t gpus = gpus_asked(wish)) request["gpus"] = gpus;
    const json granted = ask(site.socket, request).body;
    std::int64_t job = 0;
    try {
        job = hand_to_slurm(common, wish, script, granted);
    } catch (const Error&) {
        ask(site.socket, {{"op", "job.rejected"}, {"id", granted.at("request")}});
        throw;
    }
    ask(site.socket, {{"op", "job.submitted"}, {"id", granted.at("request")}, {"job", job}});
    return {{"job", job}, {"grant", granted.at("grant")}, {"enclave", granted.at("enclave")}};
}

void add_wishes(CLI::App& command, Wish& wish) {
    command.add_option("--name", wish.name, "The job's name");
    command.add_option("--time", wish.minutes, "At most this many minutes (default: the enclave's)")
        ->check(CLI::Range(1, 10000000));
    command.add_option("--gpus-per-node", wish.gpus_per_node, "GPUs on each node: 2, a100:2");
    command.add_option("--cpus-per-task", wish.cpus_per_task, "Cores for each process")
        ->check(CLI::Range(1, 4096));
    command.add_option("--constraint", wish.constraint, "Features that each node must have: a100&nvme");
    command.add_option("--mem", wish.memory, "Memory on each node: 32G (default: the partition's)");
    command.add_option("--grant", wish.grant, "Under this grant of yours (default: the newest)")
        ->envname(std::string(core::kGrantVariable));
    command
        .add_option("--image", wish.image,
                    "In this container image of your enclave, in place of the nodes' own system")
        ->envname(std::string(core::kImageVariable));
}

namespace {

void submit(const Common& common, const Wish& wish) {
    const json job = submit_job(common, wish);
    const std::string number = std::to_string(job.at("job").get<std::int64_t>());
    print(common, job,
          tr("job {} in enclave {}. Follow it: aloft watch {}", number, job.at("enclave").get<std::string>(),
             number));
}

// A job's number, or NUMBER_TASK for one of an array. Whose it is, Slurm knows. Throws Error(usage).
void check_job_name(const std::string& job) {
    const auto is_digits = [](std::string_view text) {
        return !text.empty() && text.size() <= 10 &&
               text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    const std::string_view all = job;
    const auto cut = all.find('_');
    if (!is_digits(all.substr(0, cut)) || (cut != std::string_view::npos && !is_digits(all.substr(cut + 1))))
        throw failure(Fault::usage, "a job is named by its number, or NUMBER_TASK for one task of an array");
}

// What Slurm has against it; nothing if it is done.
std::optional<std::string> refused_by_slurm(const std::vector<std::string>& line) {
    const core::Finished said = core::run_program(line, "");
    if (said.code == 0) return std::nullopt;
    return words_of(said);
}

void cancel(const Common& common, const std::string& job) {
    check_job_name(job);
    const std::vector<std::string> line{"scancel", "--verbose", job};
    if (only_tells(common, {{line.front(), line}})) return;
    if (const auto why = refused_by_slurm(line))
        throw failure(Fault::refused, "Slurm did not cancel job {}: {}", job, *why);
    print(common, {{"job", job}, {"cancelled", true}}, tr("job {} is being ended. See: aloft jobs", job));
}

void requeue(const Common& common, const std::string& job) {
    check_job_name(job);
    const std::vector<std::string> line{"scontrol", "requeue", job};
    if (only_tells(common, {{line.front(), line}})) return;
    if (const auto why = refused_by_slurm(line))
        throw failure(Fault::refused, "Slurm did not requeue job {}: {}", job, *why);
    print(common, {{"job", job}, {"requeued", true}}, tr("job {} is queued again. See: aloft jobs", job));
}

}  // namespace

void add_submit(CLI::App& app, Common& common) {
    static Wish wish;
    static std::string begin;
    CLI::App* command = add_verb(
        app, common, "submit", "Run a program in your enclave, on whole nodes, with MPI between them",
        "aloft submit --nodes 2 --ntasks-per-node 2 --time 60 -- aloft-train fit --recipe digits.toml "
        "--dataset /aloft/data/digits@1 ...",
        Changes::something, [&common] {
            if (!begin.empty()) wish.begin = parse_begin(begin, core::now_seconds());
            common.dry_run ? tell_submission(common, wish) : submit(common, wish);
        });
    add_wishes(*command, wish);
    command->add_option("--nodes", wish.nodes, "Nodes")->capture_default_str()->check(CLI::Range(1, 100000));
    command->add_option("--ntasks-per-node", wish.tasks_per_node, "Processes (MPI ranks) on each node")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    command->add_option("--gpus", wish.gpus, "GPUs for the job: 4, a100:4");
    command->add_option("--gpus-per-task", wish.gpus_per_task, "GPUs for each process: 1, a100:1");
    command->add_option("--array", wish.array,
                        "Run it once for each number: 0-N or 1-N, at most M at a time: 1-N%M");
    command->add_option("--signal", wish.signal,
                        "Signal it before its time is over: USR1@120 (seconds). Default: URG@120, which ends "
                        "no program and which aloft-train and aloft.requeue_if_asked listen for");
    command->add_flag("--requeue,!--no-requeue", wish.requeue,
                      "Run it again after a lost node, too (the default); after exit code 75 (state saved) "
                      "Slurm always does");
    command->add_option("--begin", begin, "Not before: 2h, 7d, 2026-11-27T06:00:00Z; rounded up to the hour");
    command->add_option("program", wish.program, "The program and its arguments, after --")->required();

    static std::string job;
    CLI::App* stop = add_verb(app, common, "cancel", "End a job of yours, waiting or running",
                              "aloft cancel 17", Changes::something, [&common] { cancel(common, job); });
    stop->add_option("job", job, "Its number, or NUMBER_TASK for one task of an array")->required();
    CLI::App* again = add_verb(app, common, "requeue",
                               "End a running job of yours and queue it again, from the state that it saved",
                               "aloft requeue 17", Changes::something, [&common] { requeue(common, job); });
    again->add_option("job", job, "Its number, or NUMBER_TASK for one task of an array")->required();
}

}  // namespace jobs
