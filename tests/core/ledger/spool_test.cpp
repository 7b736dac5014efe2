#include "core/ledger/spool.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/record.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

struct Node {
    test::Scratch scratch;
    Site site;
    SigningKey key = SigningKey::generate();
    Node() {
        site.config = scratch / "etc";
        site.spool = scratch / "spool";
        site.mirror = scratch / "published";
        for (const auto& folder : {site.config / "keys", site.spool, site.mirror}) make_directories(folder);
        key.save(site.config / "keys" / "node.key");
    }
    std::vector<std::string> spooled() const {
        std::vector<std::filesystem::path> files;
        for (const auto& entry : std::filesystem::directory_iterator(site.spool / "n1"))
            files.push_back(entry.path());
        std::sort(files.begin(), files.end());
        std::vector<std::string> out;
        for (const auto& file : files) out.push_back(read_text(file));
        return out;
    }
};

}  // namespace

TEST_CASE("what a node spools is what aloftd opens, in order, each with an id of its own") {
    const Node node;
    const SigningKey ledger_key = SigningKey::generate();
    write_atomically(node.site.mirror / "witness.json", Witness::sign({41, {}}, ledger_key).to_json());
    for (int job = 1; job <= 3; ++job)
        spool_record(node.site, "job-started", "job:" + std::to_string(job), {{"job", job}}, "n1");
    const auto envelopes = node.spooled();
    REQUIRE(envelopes.size() == 3);
    std::set<std::string> ids;
    for (int job = 1; job <= 3; ++job) {
        nlohmann::json details;
        const auto record = open_node_record(envelopes[static_cast<std::size_t>(job - 1)],
                                             {node.key.verify_key()}, "n1", details);
        CHECK(record.subject == "job:" + std::to_string(job));
        CHECK(record.kind == "job-started");
        CHECK(details.at("job") == job);
        CHECK(Witness::parse(details.at("witness").dump()).to_json() ==
              Witness::sign({41, {}}, ledger_key).to_json());
        ids.insert(record.id);
    }
    CHECK(ids.size() == 3);
}

TEST_CASE("a record of another node, or by another key, is refused") {
    const Node node;
    spool_record(node.site, "job-started", "job:1", nlohmann::json::object(), "n1");
    nlohmann::json details;
    const std::string envelope = node.spooled().front();
    CHECK_THROWS_WITH(open_node_record(envelope, {node.key.verify_key()}, "n2", details),
                      Contains("another host"));
    CHECK_THROWS_WITH(open_node_record(envelope, {SigningKey::generate().verify_key()}, "n1", details),
                      Contains("signature"));
    CHECK_THROWS_AS(open_node_record("{}", {node.key.verify_key()}, "n1", details), Error);
}

TEST_CASE("a node cannot write outside its folder, nor too much") {
    const Node node;
    CHECK_THROWS_AS(spool_record(node.site, "k", "s", nlohmann::json::object(), "../n1"), Error);
    CHECK_THROWS_AS(spool_record(node.site, "k k", "s", nlohmann::json::object(), "n1"), Error);
    CHECK_THROWS_AS(spool_record(node.site, "k", "s", {{"x", std::string(20000, 'x')}}, "n1"), Error);
    std::filesystem::create_directory_symlink("/tmp", node.site.spool / "n2");
    CHECK_THROWS_WITH(spool_record(node.site, "k", "s", nlohmann::json::object(), "n2"),
                      Contains("not a folder"));
}
