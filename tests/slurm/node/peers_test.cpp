#include "slurm/node/peers.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "slurm/fence/fence_bpf.h"

using Catch::Contains;

namespace {

std::uint32_t ip(const char* text) {
    return core::parse_ip4(text);
}

// n1 with two cards on the cluster's networks and one on another.
struct World {
    slurm::NodeNetwork network;
    slurm::SlurmConf conf = slurm::parse_slurm_conf("SlurmctldHost=ctld(10.0.0.2)\n");
    core::Enclave enclave;
    slurm::Job job{17, 70001, "e-alice", "hel", {"n1", "n2"}};
    std::map<std::string, std::string> slurm_knows = {{"n2", "10.0.0.12"}};

    World() {
        enclave.name = "hel";
        network.own = {{ip("127.0.0.1"), 8, 1, "lo"},
                       {ip("10.0.0.11"), 24, 2, "eth0"},
                       {ip("10.1.0.11"), 24, 3, "ib0"},
                       {ip("10.0.0.111"), 24, 4, "ib1"},
                       {ip("192.0.2.1"), 31, 5, "bmc"}};
        network.route = [](std::uint32_t address) -> std::optional<slurm::Route> {
            if (address >> 24 == 127) return slurm::Route{1, true};
            if (address >> 8 == ip("10.0.0.0") >> 8) return slurm::Route{2, true};
            if (address >> 8 == ip("10.1.0.0") >> 8) return slurm::Route{3, true};
            if (address >> 16 == ip("10.7.0.0") >> 16) return slurm::Route{2, false};
            return std::nullopt;
        };
        network.slurm_address = [this](const std::string& node) { return slurm_knows.at(node); };
    }
    std::vector<slurm::Peer> peers() const { return slurm::peers_of(job, conf, enclave, "n1", network); }
    // As the map has it: the last one counts.
    slurm::Peer peer(const std::string& address) const {
        slurm::Peer found;
        for (const auto& one : peers())
            if (one.address == address) found = one;
        return found;
    }
};

}  // namespace

TEST_CASE("without a word in the policy, peers are where Slurm says, on a network of this node") {
    const World world;
    CHECK(world.peer("10.0.0.12").kind == PEER_FELLOW);
    CHECK(world.peer("10.0.0.12").interfaces == std::vector<std::uint32_t>{2});
    CHECK(world.peer("10.0.0.2").kind == PEER_CONTROLLER);
    CHECK(world.peer("10.0.0.11").kind == PEER_SELF);
    CHECK(world.peer("10.1.0.11").kind == PEER_SELF);
    CHECK(world.peer("127.0.0.1").kind == 0);  // loopback needs no entry
}

TEST_CASE("broadcasts of this node's own networks are nobody's address") {
    World world;
    for (const char* never : {"10.0.0.255", "10.0.0.0", "10.1.0.255", "127.255.255.255", "127.0.0.0"})
        CHECK(world.peer(never).kind == PEER_NEVER);
    CHECK(world.peer("192.0.2.0").kind == 0);  // two hosts and no broadcast: RFC 3021
    world.slurm_knows["n2"] = "10.0.0.255";
    CHECK(world.peer("10.0.0.255").kind == PEER_NEVER);
}

TEST_CASE("the policy's addresses are all a node has, each by the interface of its route") {
    World world;
    world.enclave.networks = {core::parse_network("10.0.0.0/24"), core::parse_network("10.1.0.0/24")};
    world.enclave.addresses["n2"] = {ip("10.0.0.12"), ip("10.1.0.12")};
    world.slurm_knows["n2"] = "10.0.0.99";
    CHECK(world.peer("10.1.0.12").interfaces == std::vector<std::uint32_t>{3});
    CHECK(world.peer("10.0.0.12").interfaces == std::vector<std::uint32_t>{2});
    CHECK(world.peer("10.0.0.99").kind == 0);
}

TEST_CASE("interfaces of the policy on the same network carry a fellow's packets too") {
    World world;
    world.enclave.interfaces = {"eth0", "ib1", "ib0"};
    CHECK(world.peer("10.0.0.12").interfaces == std::vector<std::uint32_t>{2, 4});
    world.enclave.interfaces = {"ib0"};
    CHECK_THROWS_WITH(world.peers(), Contains("by none of the interfaces"));
}

TEST_CASE("an address outside the policy's networks is refused, wherever it comes from") {
    World world;
    world.enclave.networks = {core::parse_network("10.1.0.0/24")};
    CHECK_THROWS_WITH(world.peers(), Contains("none of the networks of enclave hel"));
}

TEST_CASE("a fellow behind a router needs a network in the policy") {
    World world;
    world.slurm_knows["n2"] = "10.7.3.12";
    CHECK_THROWS_WITH(world.peers(), Contains("not on a network of this node"));
    world.enclave.networks = {core::parse_network("10.7.0.0/16")};
    CHECK(world.peer("10.7.3.12").interfaces == std::vector<std::uint32_t>{2});
}

TEST_CASE("a name is looked for in /etc/hosts and nowhere else") {
    World world;
    world.slurm_knows["n2"] = "n2";
    CHECK_THROWS_WITH(world.peers(), Contains("name services are not asked"));
    world.network.hosts.emplace("n2", ip("10.0.0.12"));
    world.network.hosts.emplace("n2", ip("10.1.0.12"));
    CHECK(world.peer("10.1.0.12").kind == PEER_FELLOW);
    CHECK(world.peer("10.0.0.12").kind == PEER_FELLOW);
}

TEST_CASE("a fellow whose address is this node's own, or has no route, is no fellow") {
    World world;
    const std::string bad = GENERATE("127.0.1.1", "10.0.0.11", "10.1.0.11");
    world.slurm_knows["n2"] = bad;
    CHECK_THROWS_WITH(world.peers(), Contains("this node's own"));
    world.slurm_knows["n2"] = "203.0.113.5";
    CHECK_THROWS_WITH(world.peers(), Contains("no route"));
}

TEST_CASE("a controller on this node is this node") {
    World world;
    world.conf = slurm::parse_slurm_conf("SlurmctldHost=n1(10.0.0.11)\n");
    CHECK(world.peer("10.0.0.11").kind == PEER_SELF);
}
