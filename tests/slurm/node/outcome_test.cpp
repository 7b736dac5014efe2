#include "slurm/node/outcome.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "slurm/node/made_node.h"

namespace {

namespace fs = std::filesystem;
using slurm::Outcome;
using slurm::parse_outcome;
using Known = slurm::Outcome::Known;

// Of job 17, its second run, as squeue -O prints it.
Outcome of(const std::string& state, const std::string& status, const std::string& run = "1") {
    return parse_outcome(17, "1",
                         "17          " + run + "           " + state + "           " + status + "\nrc=0\n");
}

struct Node : test::MadeNode {
    Node() { site.published = site.mirror = scratch / "published"; }
    void ended(std::uint32_t job, const std::string& first = core::short_host_name()) const {
        slurm::Policy policy;
        policy.job = job;
        policy.start = "1";
        policy.account = "e-alice";
        policy.enclave = "hel";
        policy.grant = "G-1";
        policy.nodes = {first, "another"};
        slurm::remember_end(policy, state());
    }
    std::size_t waiting() const {
        std::error_code none;
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(state() / "ended", none), {}));
    }
    std::vector<nlohmann::json> records() const {
        std::vector<nlohmann::json> found;
        std::error_code none;
        for (const auto& entry : fs::directory_iterator(state() / "spool" / core::short_host_name(), none)) {
            nlohmann::json details;
            const auto record = core::open_node_record(core::read_text(entry.path()), {key.verify_key()},
                                                       core::short_host_name(), details);
            CHECK(record.kind == "job-outcome");
            CHECK(record.subject == "job:" + std::to_string(details.at("job").get<int>()));
            details.erase("witness");
            found.push_back(details);
        }
        return found;
    }
};

}  // namespace

TEST_CASE("what Slurm says of an ended job becomes words of ours") {
    for (const auto& [state, outcome] : {std::pair{"COMPLETED", "completed"},
                                         {"FAILED", "failed"},
                                         {"CANCELLED", "cancelled"},
                                         {"TIMEOUT", "timeout"},
                                         {"DEADLINE", "timeout"},
                                         {"NODE_FAIL", "node-fail"},
                                         {"OUT_OF_MEMORY", "out-of-memory"},
                                         {"PREEMPTED", "preempted"}}) {
        CHECK(of(state, "0").known == Known::yes);
        CHECK(of(state, "0").outcome == outcome);
    }
}

TEST_CASE("of the number that a program ended with a class is kept") {
    CHECK(of("COMPLETED", "0").exit == "zero");
    for (int code = 1; code < 256; ++code)
        CHECK(of("FAILED", std::to_string(code << 8)).exit == (code == 75 ? "requeue" : "nonzero"));
    for (int signal : {1, 9, 15}) CHECK(of("CANCELLED", std::to_string(signal)).exit == "signal");
    // As squeue of Slurm 24.11 prints it: the code, then the signal.
    CHECK(of("COMPLETED", "0:0").exit == "zero");
    for (int code = 1; code < 256; ++code)
        CHECK(of("FAILED", std::to_string(code) + ":0").exit == (code == 75 ? "requeue" : "nonzero"));
    for (int signal : {1, 9, 15}) CHECK(of("CANCELLED", "0:" + std::to_string(signal)).exit == "signal");
    for (const char* odd : {"", "x", "1x", "99999999999", "0:", ":0", "0:0:0", "0:x"})
        CHECK(of("FAILED", odd).exit == "unknown");
}

TEST_CASE("a job that is not over is asked about again") {
    for (const char* state : {"COMPLETING", "RUNNING", "STAGE_OUT", "SUSPENDED", "a state of a later Slurm"})
        CHECK(of(state, "0").known == Known::not_yet);
}

TEST_CASE("a run that was followed by another was queued again, whatever the other does") {
    for (const char* state : {"PENDING", "RUNNING", "COMPLETED"}) {
        CHECK(of(state, "768", "2").outcome == "requeued");
        CHECK(of(state, "768", "2").exit == "unknown");
    }
}

TEST_CASE("a job that Slurm has forgotten is unknown; a controller that does not answer says nothing") {
    CHECK(parse_outcome(17, "1", "slurm_load_jobs error: Invalid job id specified\nrc=1\n").outcome ==
          "unknown");
    CHECK(parse_outcome(17, "1", "18          1           COMPLETED           0\nrc=0\n").outcome ==
          "unknown");
    CHECK(parse_outcome(17, "1", "").known == Known::no_answer);
    CHECK(parse_outcome(17, "1", "17          1           COMPLETED           0\n").known ==
          Known::no_answer);
    CHECK(parse_outcome(17, "1",
                        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\nrc=1\n")
              .known == Known::no_answer);
}

TEST_CASE("each run is told once, by the job's first node, when Slurm knows") {
    const Node node;
    node.ended(17);
    node.ended(18);
    node.ended(19, "another");
    CHECK(node.waiting() == 2);
    slurm::record_outcomes(node.site, node.state(), [](auto, auto) { return Outcome{}; });
    CHECK(node.waiting() == 2);
    CHECK(node.records().empty());
    const auto ask = [](std::uint32_t job, std::string_view start) {
        CHECK(start == "1");
        return job == 17 ? Outcome{Known::yes, "failed", "nonzero"} : Outcome{Known::not_yet, {}, {}};
    };
    for (int twice = 0; twice < 2; ++twice) slurm::record_outcomes(node.site, node.state(), ask);
    CHECK(node.waiting() == 1);
    CHECK(node.records() == std::vector<nlohmann::json>{{{"job", 17},
                                                         {"account", "e-alice"},
                                                         {"enclave", "hel"},
                                                         {"grant", "G-1"},
                                                         {"outcome", "failed"},
                                                         {"exit", "nonzero"}}});
}

TEST_CASE("what an agent was telling of when it was killed is told again") {
    const Node node;
    node.ended(17);
    fs::rename(node.state() / "ended" / "17-1.json", node.state() / "ended" / "17-1.json.telling");
    slurm::record_outcomes(node.site, node.state(), [](auto, auto) {
        return Outcome{Known::yes, "completed", "zero"};
    });
    CHECK(node.waiting() == 0);
    CHECK(node.records().size() == 1);
}

TEST_CASE("what lies there and is no job's end keeps none from being told") {
    const Node node;
    node.ended(17);
    core::write_atomically(node.state() / "ended" / "16-0.json", std::string_view("{\"job\":"), 0600);
    std::filesystem::create_directories(node.state() / "ended" / "15-0.json");
    slurm::record_outcomes(node.site, node.state(), [](auto, auto) {
        return Outcome{Known::yes, "completed", "zero"};
    });
    CHECK(node.waiting() == 1);  // the folder
    CHECK(node.records().size() == 1);
}
