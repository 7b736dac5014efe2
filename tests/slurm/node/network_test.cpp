#include "slurm/node/network.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/policy/network.h"

TEST_CASE("a node's address is what slurm.conf has for it, line by line") {
    const auto conf = slurm::parse_slurm_conf(
        "SlurmctldHost=ctld\n"
        "NodeName=n[1-3] nodeaddr=10.0.0.[11-13] CPUs=4\n"
        "NodeName=m1 CPUs=4\n"
        "NodeName=k[1-2] NodeAddr=10.0.0.21\n");
    CHECK(slurm::configured_address(conf, "n2") == "10.0.0.12");
    CHECK(slurm::configured_address(conf, "m1") == "m1");
    CHECK_FALSE(slurm::configured_address(conf, "n4"));
    CHECK_THROWS_AS(slurm::configured_address(conf, "k1"), core::Error);
}

TEST_CASE("/etc/hosts is read for IPv4, all names of a line") {
    const auto hosts = slurm::parse_hosts(
        "127.0.0.1 localhost\n::1 n1\n10.0.0.11 n1.site n1 # n9\n\nrubbish\n10.1.0.11\tn1\n");
    CHECK(hosts.count("n1") == 2);
    CHECK(hosts.count("n9") == 0);
    CHECK(hosts.find("n1.site")->second == core::parse_ip4("10.0.0.11"));
}

TEST_CASE("the kernel names the interface of an address of this host's own") {
    const auto network = slurm::look_at_network({});
    REQUIRE_FALSE(network.own.empty());
    const auto route = network.route(core::parse_ip4("127.0.0.1"));
    REQUIRE(route);
    CHECK(route->interface == 1);
    CHECK(route->is_direct);
    CHECK(network.own.front().interface != 0);
}
