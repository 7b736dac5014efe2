#include "slurm/preflight/preflight.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

TEST_CASE("what is not required only warns") {
    const auto bad = core::required("key", false, "absent", "make one");
    const auto warning = core::advised("swap", false, "plain", "swapoff");
    const auto good = core::required("kernel", true, "6.12", "a newer one");
    CHECK(bad.verdict == slurm::Verdict::bad);
    CHECK(warning.verdict == slurm::Verdict::warning);
    CHECK(good.remedy.empty());
    CHECK(slurm::is_ready({warning, good}));
    CHECK_FALSE(slurm::is_ready({good, bad}));
}

TEST_CASE("the outcome changes with verdicts and policies, not with what is merely found") {
    using Checks = std::vector<slurm::Check>;
    const auto outcome = [](bool good, const std::string& policy, const std::string& ports) {
        return slurm::outcome_of(Checks{core::required("key", good, "x", "y"),
                                        core::required("policy of enclave hel", true, policy, ""),
                                        core::advised("services", false, ports, "z")});
    };
    const auto before = outcome(true, "aa", "tcp 2000");
    CHECK(outcome(true, "aa", "tcp 3000") == before);
    CHECK(outcome(false, "aa", "tcp 2000") != before);
    CHECK(outcome(true, "bb", "tcp 2000") != before);
}

TEST_CASE("a report fits into a node's record, whatever was found") {
    const std::vector<slurm::Check> checks(
        50, core::required(std::string(24, 'w'), false, std::string(5000, 'f'), std::string(5000, 'r')));
    const auto json = slurm::to_json(checks);
    CHECK(json.dump().size() < (16 << 10) - 512);
    CHECK(json.at(0).at("verdict") == "bad");
    CHECK(json.at(0).at("required") == true);
}

TEST_CASE("a plugin tells its version without being loaded") {
    CHECK(slurm::plugin_version(std::string_view("\177ELF\0aloft-fence-version=0.1.0\0more", 34)) == "0.1.0");
    CHECK(slurm::plugin_version("\177ELF").empty());
    CHECK(slurm::plugin_version("").empty());
}

TEST_CASE("only a chain on output that drops keeps packets in") {
    const auto rules = [](const std::string& hook, const std::string& policy) {
        return R"({"nftables":[{"metainfo":{"version":"1"}},{"table":{"name":"t"}},{"chain":{"name":"c","hook":")" +
               hook + R"(","policy":")" + policy + R"("}}]})";
    };
    CHECK(slurm::drops_output(rules("output", "drop")));
    CHECK_FALSE(slurm::drops_output(rules("output", "accept")));
    CHECK_FALSE(slurm::drops_output(rules("input", "drop")));
    CHECK_FALSE(slurm::drops_output(R"({"nftables":[{"chain":7}]})"));
    CHECK_FALSE(slurm::drops_output("not json"));
    CHECK_FALSE(slurm::drops_output(""));
}

TEST_CASE("the default partition is not an enclave's own") {
    CHECK_FALSE(slurm::has_own_partition({}));
    CHECK_FALSE(slurm::has_own_partition({"0xffff", "0x7fff"}));
    CHECK(slurm::has_own_partition({"0xffff", "0x8012"}));
}

TEST_CASE("a version is compared number by number") {
    CHECK(slurm::is_at_least("0.5.18", "0.5.18"));
    CHECK(slurm::is_at_least("25.05.10", "25.05.9"));
    CHECK(slurm::is_at_least("1", "0.5.18"));
    CHECK_FALSE(slurm::is_at_least("0.5.15", "0.5.18"));
    CHECK_FALSE(slurm::is_at_least("22.05.8", "23.11.11"));
    CHECK_FALSE(slurm::is_at_least("23.11", "23.11.11"));
    CHECK_FALSE(slurm::is_at_least("", "0"));
}
