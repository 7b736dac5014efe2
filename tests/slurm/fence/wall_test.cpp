#include "slurm/fence/wall.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/fence/fence_bpf.h"
#include "support/scratch.h"

using Catch::Contains;

namespace {

slurm::Policy a_policy() {
    slurm::Policy policy;
    policy.job = 17;
    policy.slurmd_port = 7000;
    policy.peers = {{"10.0.0.2", PEER_CONTROLLER, {2}},
                    {"10.0.0.12", PEER_FELLOW, {2, 3}},
                    {"10.0.0.11", PEER_SELF, {}},
                    {"10.0.0.255", PEER_NEVER, {}}};
    policy.allowed = {{core::parse_network("10.0.0.0/24"), true, true, 8004},
                      {core::parse_network("10.0.0.0/24"), false, false, 53}};
    return policy;
}

}  // namespace

// What the kernel makes of it: tests/cluster/layers_test.
TEST_CASE("the wall names each peer with its interfaces, and replaces one that stands") {
    const std::string table = slurm::wall_table(a_policy());
    CHECK_THAT(table, Contains("table ip aloft_17\ndelete table ip aloft_17\n"));
    CHECK_THAT(table, Contains("set fellows_2 { type ipv4_addr; size 1; elements = { 10.0.0.12 }; }") &&
                          Contains("set fellows_3 { type ipv4_addr; size 1; elements = { 10.0.0.12 }; }"));
    CHECK_THAT(table,
               Contains("set peers_2 { type ipv4_addr; size 2; elements = { 10.0.0.2, 10.0.0.12 }; }") &&
                   Contains("set peers_3 { type ipv4_addr; size 1; elements = { 10.0.0.12 }; }"));
    CHECK_THAT(
        table,
        Contains(
            "    oif 2 ip daddr @fellows_2 th dport >= 1024 th dport != 7000 th dport != 8004 accept\n"
            "    oif 3 ip daddr @fellows_3 th dport >= 1024 th dport != 7000 th dport != 8004 accept\n"));
    CHECK_THAT(table, Contains("    iif 2 ip saddr @peers_2 accept\n    iif 3 ip saddr @peers_3 accept\n"));
    CHECK_THAT(
        table,
        Contains("set peers { typeof oif . ip daddr; size 3; elements = { 2 . 10.0.0.2, 2 . 10.0.0.12, "
                 "3 . 10.0.0.12 }; }"));
    CHECK_THAT(table, Contains("set own { type ipv4_addr; size 1; elements = { 10.0.0.11 }; }"));
    CHECK_THAT(table, Contains("set never { type ipv4_addr; size 1; elements = { 10.0.0.255 }; }"));
    CHECK_THAT(table, Contains("set closed { type inet_service; size 1026; elements = { 0, 1, 2") &&
                          Contains(", 1023, 7000, 8004 }; }"));
}

TEST_CASE(
    "what comes back to this node passes the wall to a socket only, and where there is none it is refused") {
    const std::string table = slurm::wall_table(a_policy());
    const auto begin = table.find("chain relayed {\n") + 16;
    const std::string relayed = table.substr(begin, table.find("  }\n", begin) - begin);
    CHECK_THAT(relayed, Catch::StartsWith("    jump ours\n"));
    CHECK_THAT(relayed, Catch::EndsWith(
                            "reject with tcp reset\n    counter reject with icmp type port-unreachable\n"));
}

TEST_CASE("a job of one node has empty sets, not all addresses") {
    auto policy = a_policy();
    policy.peers.clear();
    const std::string table = slurm::wall_table(policy);
    CHECK_THAT(table, Contains("set peers { typeof oif . ip daddr; size 1; }\n"));
    CHECK_THAT(table, !Contains("fellows") && !Contains("peers_"));
    CHECK_THAT(table, Contains("hook output priority filter; policy accept;\n  }\n"));
}

TEST_CASE("an account is named by a word, since nft looks numbers up as names, in a directory, too") {
    const std::string table = slurm::wall_table(a_policy());
    CHECK_THAT(table, Contains("meta skuid root") && !Contains("skuid 0"));
}

TEST_CASE("many closed ports are looked up, a few compared") {
    auto policy = a_policy();
    for (std::uint16_t port = 9000; port < 9003; ++port)
        policy.allowed.push_back({core::parse_network("10.0.0.0/24"), true, true, port});
    CHECK_THAT(slurm::wall_table(policy),
               Contains("oif 2 ip daddr @fellows_2 th dport >= 1024 th dport != @closed accept"));
}

TEST_CASE("a cgroup is matched at its own depth, and only below where cgroups are") {
    const auto cgroup = slurm::part_cgroup(17, slurm::Part::step);
    const std::string path = cgroup.lexically_relative("/sys/fs/cgroup").string();
    const std::string rules = slurm::wall_rules(17, {cgroup, slurm::Part::step});
    CHECK_THAT(rules, Contains("out socket cgroupv2 level 3 \"" + path + "\" goto from_step"));
    CHECK_THAT(rules, Contains("in socket cgroupv2 level 3 \"" + path + "\" counter drop"));
    CHECK_THAT(rules,
               Contains("ours socket cgroupv2 level 2 \"" + path.substr(0, path.rfind('/')) + "\" accept"));
    CHECK_THROWS_AS(slurm::wall_rules(17, {"/tmp/aloft", slurm::Part::step}), core::Error);
    CHECK_THROWS_AS(slurm::wall_rules(17, {"/sys/fs/cgroup/a\"b", slurm::Part::step}), core::Error);
}

TEST_CASE("a job without a wall needs no nft to be without one") {
    const test::Scratch scratch;
    core::Site site;
    site.run = scratch.path();
    CHECK_NOTHROW(slurm::take_wall_down(site, 17));
}
