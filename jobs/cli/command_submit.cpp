// aloft submit: checks the grant, records, and calls sbatch as the researcher.
#include <pwd.h>
#include <unistd.h>

#include <iostream>

#include "core/base/bytes.h"
#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "jobs/cli/commands.h"
#include "jobs/slurm/client.h"
#include "jobs/slurm/cluster_checks.h"
#include "jobs/slurm/job_policy.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

struct Wish : JobWish {
    std::string name;
    std::vector<std::string> program;
};

std::string script_of(const Wish& wish) {
    std::string script = "#!/bin/sh\nexec";
    for (const std::string& word : wish.program) script += " " + shell_quoted(word);
    return script + "\n";
}

std::vector<std::string> sbatch_line(const Wish& wish, const std::string& partition) {
    std::vector<std::string> line{"sbatch", "--parsable", "--partition=" + partition,
                                  "--nodes=" + std::to_string(wish.nodes),
                                  "--ntasks-per-node=" + std::to_string(wish.tasks_per_node)};
    if (!wish.name.empty()) line.push_back("--job-name=" + wish.name);
    if (wish.minutes > 0) line.push_back("--time=" + std::to_string(wish.minutes));
    return line;
}

std::string account_name() {
    const struct passwd* entry = ::getpwuid(::getuid());
    if (!entry) throw Error(Fault::refused, "this account has no name on this host; ask the admin");
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

void tell(const Common& common, const Wish& wish) {
    const core::Site site = common.site();
    const std::int64_t now = core::now_seconds();
    const core::Grant grant = core::open_grant(site, ::getuid(), now);
    const auto enclave = core::enclave_of_account(site, account_name());
    if (!enclave || enclave->name != grant.enclave)
        throw Error(Fault::refused, "this account is not in the enclave of grant " + grant.id);
    const json policy = job_policy(site, *enclave, grant, wish, kill_wait_seconds(), now);
    const auto line = sbatch_line(wish, enclave->partition);
    std::string shown;
    for (const std::string& word : line) shown += (shown.empty() ? "" : " ") + word;
    print(common,
          {{"grant", grant.id},
           {"enclave", enclave->name},
           {"policy", policy},
           {"sbatch", line},
           {"script", script_of(wish)}},
          in_words(policy) + "\nNothing was submitted. This would be, by " + shown + ":\n" + script_of(wish));
}

void submit(const Common& common, const Wish& wish) {
    const core::Site site = common.site();
    const std::string script = script_of(wish);
    const std::string hash = core::to_hex(core::sha256(core::view(script)));
    // aloftd checks the grant, and a refusal is in the ledger like a permission.
    const json granted =
        ask(site.socket, {{"op", "job.request"}, {"nodes", wish.nodes}, {"script_sha256", hash}}).body;
    const core::Finished sbatch =
        core::run_program(sbatch_line(wish, granted.at("partition").get<std::string>()), script);
    std::int64_t job = 0;
    try {
        job = std::stoll(sbatch.output);
    } catch (const std::exception&) {
    }
    if (sbatch.code != 0 || job <= 0) {
        ask(site.socket, {{"op", "job.rejected"}, {"id", granted.at("request")}});
        throw Error(Fault::refused, "Slurm did not take the job: " + sbatch.errors.substr(0, 3000));
    }
    ask(site.socket, {{"op", "job.submitted"}, {"id", granted.at("request")}, {"job", job}});
    std::cerr << sbatch.errors;  // what the site's plugin has to say
    print(common, {{"job", job}, {"grant", granted.at("grant")}, {"enclave", granted.at("enclave")}},
          "job " + std::to_string(job) + " in enclave " + granted.at("enclave").get<std::string>() +
              ". Follow it: aloft watch " + std::to_string(job));
}

}  // namespace

void add_submit(CLI::App& app, Common& common) {
    static Wish wish;
    CLI::App* command = add_verb(
        app, common, "submit", "Run a program in your enclave, on whole nodes, with MPI between them",
        "aloft submit --nodes 2 --ntasks-per-node 2 --time 60 -- aloft-train fit --recipe digits.toml "
        "--dataset /aloft/data/digits@1 ...",
        Changes::something, [&common] { common.dry_run ? tell(common, wish) : submit(common, wish); });
    command->add_option("--name", wish.name, "The job's name");
    command->add_option("--nodes", wish.nodes, "Nodes")->capture_default_str()->check(CLI::Range(1, 100000));
    command->add_option("--ntasks-per-node", wish.tasks_per_node, "Processes (MPI ranks) on each node")
        ->capture_default_str()
        ->check(CLI::Range(1, 100000));
    command->add_option("--time", wish.minutes, "At most this many minutes (default: the enclave's)")
        ->check(CLI::Range(1, 10000000));
    command->add_option("program", wish.program, "The program and its arguments, after --")->required();
}

}  // namespace jobs
