#include "slurm/session/login_checks.h"

#include <catch2/catch.hpp>

#include "slurm/session/request.h"

namespace {

// As `sshd -T -C user=e-alice` prints it with configs/clusters/sshd-enclave.conf.
std::string closed_sshd() {
    return std::string("port 22\nforcecommand ") + slurm::kSession +
           "\nallowtcpforwarding no\nallowstreamlocalforwarding no\nallowagentforwarding no\nx11forwarding "
           "no\n"
           "permittunnel no\npermituserrc no\npermituserenvironment no\ndisableforwarding yes\n";
}

}  // namespace

TEST_CASE("sshd's settings for an enclave's account: each that is open is named") {
    CHECK(slurm::open_in_sshd(closed_sshd()).empty());
    for (const char* name : {"allowtcpforwarding", "allowstreamlocalforwarding", "allowagentforwarding",
                             "x11forwarding", "permituserrc", "permituserenvironment", "permittunnel"}) {
        std::string text = closed_sshd();
        const auto at = text.find(std::string(name) + " no");
        REQUIRE(at != std::string::npos);
        text.replace(at + std::string(name).size() + 1, 2, "yes");
        CHECK(slurm::open_in_sshd(text) == std::vector<std::string>{std::string(name) + " yes"});
    }
    std::string other = closed_sshd();
    other.replace(other.find(slurm::kSession), std::string(slurm::kSession).size(), "internal-sftp");
    CHECK(slurm::open_in_sshd(other) == std::vector<std::string>{"forcecommand internal-sftp"});
}

TEST_CASE("an sshd that does not answer is open") {
    CHECK(slurm::open_in_sshd("").size() >= 9);
    CHECK(slurm::open_in_sshd("forcecommand none\n").front() == "forcecommand none");
}

TEST_CASE("cron and at: the allow file decides, then the deny file, then the default") {
    const std::string with = "root\ne-alice\n", without = "root\n", empty;
    for (const bool by_default : {false, true}) {
        CHECK(slurm::is_let_in(&with, nullptr, "e-alice", by_default));
        CHECK_FALSE(slurm::is_let_in(&without, nullptr, "e-alice", by_default));
        CHECK_FALSE(slurm::is_let_in(&empty, &empty, "e-alice", by_default));
        CHECK_FALSE(slurm::is_let_in(nullptr, &with, "e-alice", by_default));
        CHECK(slurm::is_let_in(nullptr, &without, "e-alice", by_default));
        CHECK(slurm::is_let_in(nullptr, nullptr, "e-alice", by_default) == by_default);
    }
    const std::string longer = "e-alice2\n";
    CHECK_FALSE(slurm::is_let_in(&longer, nullptr, "e-alice", true));
}

TEST_CASE("the files of an account's keys: by name, by home") {
    CHECK(slurm::keys_file("/etc/ssh/authorized_keys/%u", "e-alice", "/var/empty") ==
          "/etc/ssh/authorized_keys/e-alice");
    CHECK(slurm::keys_file(".ssh/authorized_keys", "e-alice", "/home/e-alice") ==
          "/home/e-alice/.ssh/authorized_keys");
    CHECK(slurm::keys_file("%h/keys%%", "e-alice", "/home/e-alice") == "/home/e-alice/keys%");
    CHECK(slurm::keys_file("none", "e-alice", "/home/e-alice").empty());
}
