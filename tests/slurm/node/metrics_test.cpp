#include "slurm/node/metrics.h"

#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "slurm/decide/policy.h"
#include "slurm/preflight/last_look.h"
#include "support/scratch.h"

using Catch::Contains;

TEST_CASE(
    "a node's metrics count an enclave's jobs by what became of them, and what waits; they name nobody") {
    const test::Scratch scratch;
    core::Site site;
    site.run = scratch.path() / "run";
    const auto state = scratch.path() / "state";
    const auto says = [&](bool is_closed = true) {
        return slurm::node_metrics(site, is_closed, state).text();
    };
    CHECK_THAT(says(), Contains("\naloft_node_jobs{state=\"running\"} 0\n") &&
                           Contains("\naloft_node_looked 0\n") && Contains("\naloft_node_misses 0\n") &&
                           Contains("\naloft_node_records_waiting 0\n"));

    const auto job = [&](std::uint32_t number, slurm::Ruling ruling) {
        slurm::Policy policy;
        policy.job = number, policy.ruling = ruling, policy.account = "e-alice", policy.reason = "a reason";
        const slurm::JobFiles files(site, number);
        core::make_directories(files.folder);
        core::write_atomically(files.policy, slurm::to_json(policy));
        return files.folder;
    };
    job(1, slurm::Ruling::enclave);
    job(2, slurm::Ruling::enclave);
    core::write_atomically(job(3, slurm::Ruling::enclave) / "held", "100");
    job(4, slurm::Ruling::ended);
    job(5, slurm::Ruling::deny);
    job(6, slurm::Ruling::unfenced);
    core::write_atomically(job(7, slurm::Ruling::enclave) / "policy.json", "{");
    core::make_directories(site.run / "closing");
    core::write_atomically(site.run / "closing" / "1.0", "");
    const auto spool = state / "spool" / core::short_host_name();
    core::make_directories(spool);
    core::write_atomically(spool / "1.json", "");
    core::write_atomically(spool / "2.json", "");
    slurm::keep_look(site, {core::required("KillWait", false, "60", "less"),
                            core::required("a", true, "", ""), core::advised("b", false, "", "")});
    const std::string text = says(false);
    CHECK_THAT(text, Contains("{state=\"running\"} 2\n") && Contains("{state=\"held\"} 1\n") &&
                         Contains("{state=\"ended\"} 1\n") && Contains("{state=\"refused\"} 1\n") &&
                         Contains("{state=\"unknown\"} 1\n"));
    CHECK_THAT(text, Contains("\naloft_node_looked 1\n") && Contains("\naloft_node_misses 1\n") &&
                         Contains("\naloft_node_closed_after_boot 0\n") &&
                         Contains("\naloft_node_farewells_waiting 1\n") &&
                         Contains("\naloft_node_records_waiting 2\n"));
    for (const char* word : {"alice", "reason", "KillWait"}) CHECK_THAT(text, !Contains(word));
}
