#include "slurm/session/reach.h"

#include <arpa/inet.h>

#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"
#include "slurm/fence/judge.h"

namespace {

constexpr std::uint32_t kEth = 2;

slurm::LoginNetwork login_host() {
    slurm::LoginNetwork network;
    network.hosts = {{"ctld", "10.0.0.2"}, {"self", "127.0.1.1"}};
    network.own = {"127.0.0.1", "10.0.0.3"};
    network.interface_to = [](const std::string& address) -> std::optional<std::uint32_t> {
        if (address.starts_with("10.0.")) return kEth;
        return std::nullopt;
    };
    return network;
}

slurm::SlurmConf conf(const std::string& text) {
    return slurm::parse_slurm_conf(text);
}

// What the fence's program in the kernel decides for a session, by the same lines of judge.h.
class Session {
public:
    explicit Session(const slurm::Reach& reach) : closed_(reach.closed) {
        for (const slurm::Peer& one : reach.peers) {
            peer value{};
            value.kind = static_cast<unsigned>(one.kind);
            std::copy(one.interfaces.begin(), one.interfaces.end(), value.interface);
            peers_[ip(one.address)] = value;
        }
    }
    bool reaches(const std::string& address, std::uint16_t port, std::uint32_t interface) const {
        const auto found = peers_.find(ip(address));
        const peer* at = found == peers_.end() ? nullptr : &found->second;
        packet p{ip("10.0.0.3"), ip(address), 40000, port, JUDGE_TCP};
        return may_reach(at, ip(address), port, 0, 0, closed_.data()) &&
               judge_out(&p, at, interface, 0, closed_.data()) == VERDICT_PASS;
    }

private:
    static std::uint32_t ip(const std::string& text) {
        in_addr address{};
        REQUIRE(inet_pton(AF_INET, text.c_str(), &address) == 1);
        return address.s_addr;
    }
    std::map<std::uint32_t, peer> peers_;
    std::vector<std::uint8_t> closed_;
};

}  // namespace

TEST_CASE("a session reaches slurmctld on its port and nothing else") {
    const Session session(slurm::reach_of(conf("SlurmctldHost=ctld\n"), login_host()));
    CHECK(session.reaches("10.0.0.2", 6817, kEth));
    CHECK_FALSE(session.reaches("10.0.0.2", 6817, kEth + 1));  // who has that address on another network
    for (const int port : {1, 22, 53, 80, 443, 1024, 6816, 6818, 6819, 8080, 40000, 65535})
        CHECK_FALSE(session.reaches("10.0.0.2", static_cast<std::uint16_t>(port), kEth));
    for (const char* address : {"10.0.0.11", "10.0.0.4", "203.0.113.5", "10.0.0.255", "224.0.0.1"})
        for (const int port : {22, 53, 443, 6817, 6818, 50000})
            CHECK_FALSE(session.reaches(address, static_cast<std::uint16_t>(port), kEth));
}

TEST_CASE("this host's own sockets are asked for, one by one") {
    const slurm::Reach reach = slurm::reach_of(conf("SlurmctldHost=ctld\n"), login_host());
    const Session session(reach);
    for (const char* address : {"127.0.0.1", "10.0.0.3"})
        for (const int port : {22, 631, 6817, 8080})
            CHECK_FALSE(session.reaches(address, static_cast<std::uint16_t>(port), LOOPBACK_INTERFACE));
}

TEST_CASE("several controllers and a range of ports are slurm.conf's to name") {
    const Session session(slurm::reach_of(
        conf("SlurmctldHost=ctld\nSlurmctldHost=back(10.0.0.9)\nSlurmctldPort=7000-7002\n"), login_host()));
    CHECK(session.reaches("10.0.0.2", 7000, kEth));
    CHECK(session.reaches("10.0.0.9", 7002, kEth));
    CHECK_FALSE(session.reaches("10.0.0.2", 7003, kEth));
    CHECK_FALSE(session.reaches("10.0.0.2", 6817, kEth));
}

TEST_CASE("ports of slurmctld that are none are refused") {
    CHECK(slurm::controller_ports("6817") == std::vector<std::uint16_t>{6817});
    CHECK(slurm::controller_ports("65535").size() == 1);
    for (const char* text :
         {"", "0", "65536", "x", "6817-", "-1", "6820-6817", "1-65535", "6817,6818", " 6817"})
        CHECK_THROWS_AS(slurm::controller_ports(text), core::Error);
}

TEST_CASE("a controller that is here, unknown or out of reach is no session") {
    for (const char* host :
         {"SlurmctldHost=self\n", "SlurmctldHost=x(10.0.0.3)\n", "SlurmctldHost=x(127.0.0.1)\n",
          "SlurmctldHost=unknown\n", "SlurmctldHost=far(203.0.113.9)\n"})
        CHECK_THROWS_AS(slurm::reach_of(conf(host), login_host()), core::Error);
}
