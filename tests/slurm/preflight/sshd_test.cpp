#include "slurm/preflight/sshd.h"

#include <catch2/catch.hpp>

using Words = std::vector<std::string>;

TEST_CASE("a listener's own file and settings are taken from its title") {
    const auto options = [](const std::string& title) { return slurm::listener_options(title); };
    CHECK(options("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups") == std::vector<Words>{{}});
    CHECK(
        options("sshd: /usr/sbin/sshd -D -f /etc/ssh/other -E /var/log/x [listener] 0 of 10-100 startups") ==
        std::vector<Words>{{"-f", "/etc/ssh/other"}});
    CHECK(
        options(
            "sshd: /usr/sbin/sshd -f/etc/ssh/other -oPort=22 -o UsePAM=no [listener] 1 of 10-100 startups") ==
        std::vector<Words>{{"-f", "/etc/ssh/other", "-o", "Port=22", "-o", "UsePAM=no"}});
    CHECK(options("sshd: e-alice [priv]").empty());
    CHECK(options("sshd: e-alice@pts/0 ").empty());
    CHECK(options("vim notes on sshd: [listener]").empty());
}

TEST_CASE("a setting's values: of each of its lines") {
    const std::string said = "port 22\nacceptenv LANG\nacceptenv LC_*\ndenygroups a b\ndebug1: port 23\n";
    CHECK(slurm::values_of(said, "acceptenv") == Words{"LANG", "LC_*"});
    CHECK(slurm::values_of(said, "denygroups") == Words{"a", "b"});
    CHECK(slurm::values_of(said, "denyusers").empty());
}

namespace {

// As OpenSSH 9.2 says it with -ddd; `first` before the account's own block.
std::string blocks(const std::string& first) {
    const std::string who = "' user e-alice host localhost addr 127.0.0.1 laddr 127.0.0.1 lport 22\r\n";
    return "debug3: checking syntax for 'Match Address 10.0.0.0/8'\r\n"
           "debug2: parse_server_config_depth: config reprocess config len 72\r\n" +
           (first.empty() ? ""
                          : "debug3: checking match for '" + first + who + "debug3: match not found\r\n") +
           "debug3: checking match for 'Group enclave-hel" + who +
           "debug1: user e-alice matched group list enclave-hel at line 21\r\ndebug3: match found\r\n"
           "debug3: /etc/ssh/sshd_config.d/10-aloft.conf:22 setting ForceCommand /opt/aloft/x\r\n"
           "debug3: checking match for 'Address 10.0.0.0/8" +
           who;
}

}  // namespace

TEST_CASE("a block that looks at a connection before an account's own makes the answer one of many") {
    CHECK(slurm::block_before_force_command(blocks("")).empty());
    CHECK(slurm::block_before_force_command(blocks("User e-alice")).empty());
    CHECK(slurm::block_before_force_command(blocks("Group address")).empty());
    for (const char* criteria :
         {"Address 10.0.0.0/8", "user e-alice address 10.*", "LocalPort 2222", "Host *.org",
          "LOCALADDRESS 10.0.0.1", "RDomain x", "Group enclave-hel Address *,!10.0.0.1"})
        CHECK(slurm::block_before_force_command(blocks(criteria)) == std::string("Match ") + criteria);
}

TEST_CASE("an sshd that tells nothing of its blocks is not known to be closed") {
    CHECK_FALSE(slurm::block_before_force_command("").empty());
    CHECK_FALSE(slurm::block_before_force_command("forcecommand /opt/aloft/x\n").empty());
}
