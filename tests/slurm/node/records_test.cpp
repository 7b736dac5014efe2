#include "slurm/node/records.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "slurm/node/made_node.h"

namespace {

namespace fs = std::filesystem;

struct Node : test::MadeNode {
    Node() {
        site.spool = scratch / "shared";
        site.published = scratch / "published";
        site.mirror = scratch / "mirror";
    }
    void record(std::uint32_t job) const {
        slurm::Policy policy;
        policy.job = job;
        policy.account = "e-alice";
        slurm::record_job(site, "job-ended", policy, {{"seconds", 3}}, state());
    }
    static std::size_t count(const fs::path& folder) {
        std::size_t found = 0;
        std::error_code none;
        for (const auto& entry : fs::recursive_directory_iterator(folder, none))
            found += entry.path().extension() == ".json";
        return found;
    }
};

}  // namespace

TEST_CASE("a spool that is not there loses no record and keeps no job from ending") {
    const Node node;
    node.record(17);
    node.record(18);
    CHECK_THROWS_AS(slurm::forward_records(node.site, node.state()), core::Error);
    CHECK(Node::count(node.state()) == 2);
    core::make_directories(node.site.spool);
    slurm::forward_records(node.site, node.state());
    CHECK(Node::count(node.state()) == 0);
    CHECK(Node::count(node.site.spool) == 2);
}

TEST_CASE("a record arrives as it was signed") {
    const Node node;
    core::make_directories(node.site.spool);
    node.record(17);
    slurm::forward_records(node.site, node.state());
    for (const auto& entry : fs::directory_iterator(node.site.spool / core::short_host_name())) {
        nlohmann::json details;
        const auto record = core::open_node_record(core::read_text(entry.path()), {node.key.verify_key()},
                                                   core::short_host_name(), details);
        CHECK(record.subject == "job:17");
        CHECK(details.at("account") == "e-alice");
    }
}

TEST_CASE("what was half written when the node lost power goes, and what is being written stays") {
    const Node node;
    node.record(17);
    const fs::path here = node.state() / "spool" / core::short_host_name(),
                   there = node.site.spool / core::short_host_name();
    core::make_directories(there);
    const auto half = [](const fs::path& folder, const char* name, std::chrono::minutes age) {
        core::write_atomically(folder / name, "{");
        fs::last_write_time(folder / name, fs::file_time_type::clock::now() - age);
        return folder / name;
    };
    const fs::path old_here = half(here, ".tmp-1.json-a", std::chrono::minutes(5)),
                   old_there = half(there, ".tmp-1.json-b", std::chrono::minutes(5)),
                   young_here = half(here, ".tmp-2.json-c", std::chrono::minutes(0)),
                   young_there = half(there, ".tmp-2.json-d", std::chrono::minutes(0));
    slurm::forward_records(node.site, node.state());
    CHECK_FALSE(fs::exists(old_here));
    CHECK_FALSE(fs::exists(old_there));
    CHECK(fs::exists(young_here));
    CHECK(fs::exists(young_there));
}
