#include "jobs/wire/preflight.h"

#include <catch2/catch.hpp>

using namespace jobs;
using Catch::Contains;
using nlohmann::json;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;
const std::string kPolicy(64, 'a');

core::Enclave hel() {
    core::Enclave enclave;
    enclave.name = enclave.partition = "hel";
    enclave.nodes = {"n1"};
    return enclave;
}

json check(const char* layer, const char* what, const char* verdict, bool required,
           const std::string& found) {
    return {{"layer", layer},       {"check", what},  {"verdict", verdict},
            {"required", required}, {"found", found}, {"remedy", std::string("mend ") + what}};
}

// What a node in order reports.
json body() {
    return {{"version", "0.1.0"},
            {"enclaves", {"hel"}},
            {"checks",
             {check("node", "kernel", "good", true, "6.12"), check("site", "routes", "warning", false, "one"),
              check("node", "policy of enclave hel", "good", true, kPolicy)}}};
}

Report report(json content = body(), std::int64_t time = kNow - 60) {
    return {"n1", time, std::max(time, kNow - 60), std::move(content)};
}

// The misses, "CHECK: FOUND", joined; "" for an enclave that may open.
std::string misses(const std::vector<Report>& reports, const core::Enclave& enclave = hel(),
                   const std::string& version = "0.1.0") {
    std::string out;
    for (const Check& one : checks_of_nodes(enclave, kPolicy, reports, version, kNow)) {
        if (!one.is_miss()) continue;
        CHECK_FALSE(one.remedy.empty());
        out += one.host + ": " + one.what + ": " + one.found + "; ";
    }
    return out;
}

}  // namespace

TEST_CASE("an enclave whose nodes are in order has no miss") {
    CHECK(misses({report()}) == "");
    const auto checks = checks_of_nodes(hel(), kPolicy, {report()}, "0.1.0", kNow);
    CHECK(checks.size() == 6);  // report, version, node of the enclave, and the three reported
    for (const Check& one : checks) CHECK(one.host == "n1");
}

TEST_CASE("a node that has not reported, or long ago, or from the future, is a miss") {
    CHECK(misses({}) == "n1: report: none; ");
    Report other = report();
    other.node = "n2";
    CHECK(misses({other}) == "n1: report: none; ");
    CHECK(misses({report(body(), kNow - kReportSeconds)}) == "");
    CHECK_THAT(misses({report(body(), kNow - kReportSeconds - 1)}), Contains("24 h old"));
    Report early = report();
    early.time = early.received + 3600;
    CHECK_THAT(misses({early}), Contains("from the future"));
}

TEST_CASE("every node must be in order") {
    core::Enclave enclave = hel();
    enclave.nodes = {"n1", "n2"};
    CHECK(misses({report()}, enclave) == "n2: report: none; ");
    Report second = report();
    second.node = "n2";
    CHECK(misses({report(), second}, enclave) == "");
    enclave.nodes.clear();
    CHECK_THAT(misses({report()}, enclave), Contains("nodes: none"));
}

TEST_CASE("a required check that is bad is a miss; a warning, or one that is not required, is none") {
    json content = body();
    content["checks"][0]["verdict"] = "bad";
    CHECK(misses({report(content)}) == "n1: kernel: 6.12; ");
    content["checks"][0]["required"] = false;
    CHECK(misses({report(content)}) == "");
    content["checks"][0]["required"] = true;
    content["checks"][0]["verdict"] = "warning";
    CHECK(misses({report(content)}) == "");
}

TEST_CASE("another version, another policy, a node that does not count itself in, a layer left out: misses") {
    json content = body();
    CHECK(misses({report()}, hel(), "0.2.0") == "n1: version: 0.1.0; ");
    SECTION("policy") {
        content["checks"][2]["found"] = std::string(64, 'b');
        CHECK_THAT(misses({report(content)}),
                   Contains("policy of enclave hel: another than on the login host"));
        content["checks"].erase(2);
        CHECK_THAT(misses({report(content)}), Contains("policy of enclave hel: not reported"));
    }
    SECTION("its own word for the policy does not count") {
        content["checks"][2]["found"] = std::string(64, 'b');
        content["checks"][2]["required"] = false;
        CHECK_THAT(misses({report(content)}), Contains("another than on the login host"));
    }
    SECTION("enclaves") {
        content["enclaves"] = {"other"};
        CHECK_THAT(misses({report(content)}), Contains("node of the enclave"));
    }
    SECTION("site layer") {
        content["checks"].erase(1);
        CHECK(misses({report(content)}) == "n1: site layer: not reported; ");
    }
    SECTION("nothing at all") {
        content["checks"] = json::array();
        CHECK_THAT(misses({report(content)}),
                   Contains("node layer") && Contains("site layer") && Contains("policy of enclave hel"));
    }
    SECTION("another enclave's policy is that enclave's affair") {
        content["checks"].push_back(check("node", "policy of enclave other", "bad", true, "x"));
        CHECK(misses({report(content)}) == "");
    }
}

TEST_CASE("a report that is not of the form is a miss, never a crash") {
    for (const char* text : {"{}", R"({"version":7,"enclaves":[],"checks":[]})",
                             R"({"version":"0.1.0","enclaves":"hel","checks":[]})",
                             R"({"version":"0.1.0","enclaves":["hel"],"checks":[{"layer":"node"}]})",
                             R"({"version":"0.1.0","enclaves":["hel"],"checks":["x"]})",
                             R"({"version":"0.1.0","enclaves":["hel"],"checks":[{"layer":"node","check":"c",
                                "verdict":"fine","required":true,"found":"","remedy":""}]})"})
        CHECK_THAT(misses({report(json::parse(text))}), Contains("report's form"));
}

TEST_CASE("a login host is fit if it has said so lately, and by this version") {
    const json good{{"layer", "login"}, {"check", "login host"}, {"verdict", "good"},
                    {"required", true}, {"found", "12 of 12"},   {"remedy", ""}};
    const auto misses = [&](const std::vector<std::string>& hosts, const std::vector<Report>& reports) {
        std::string out;
        for (const Check& check : checks_of_logins(hosts, reports, "0.1.0", kNow)) {
            CHECK(check.layer == "login");
            if (check.is_miss()) out += check.host + ":" + check.what + ";";
        }
        return out;
    };
    const auto of = [&](const json& checks, std::int64_t age = 60, const std::string& version = "0.1.0") {
        return Report{"login",
                      kNow - age,
                      kNow,
                      {{"version", version}, {"enclaves", json::array()}, {"checks", checks}}};
    };
    CHECK(misses({"login"}, {of(json::array({good}))}).empty());
    CHECK(misses({}, {of(json::array({good}))}) == "-:login hosts;");
    CHECK(misses({"login", "other"}, {of(json::array({good}))}) == "other:report;");
    CHECK(misses({"login"}, {of(json::array({good}), kReportSeconds + 1)}) == "login:report;");
    CHECK(misses({"login"}, {of(json::array({good}), -3600)}) == "login:report;");
    CHECK(misses({"login"}, {of(json::array({good}), 60, "0.0.9")}) == "login:version;");
    CHECK(misses({"login"}, {of(json::array())}) == "login:login layer;");
    CHECK(misses({"login"}, {of("none")}) == "login:report's form;");
    json bad = good, of_a_node = good;
    bad["verdict"] = "bad";
    of_a_node["layer"] = "node";
    CHECK(misses({"login"}, {of(json::array({bad}))}) == "login:login host;");
    CHECK(misses({"login"}, {of(json::array({of_a_node}))}) == "login:login layer;");
}
