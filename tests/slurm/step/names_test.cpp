#include "slurm/step/names.h"

#include <catch2/catch.hpp>

namespace {

slurm::Policy policy() {
    slurm::Policy policy;
    policy.nodes = {"node1", "node2"};
    policy.peers = {{"10.9.0.2", 0, {}}, {"10.9.0.11", 0, {}}, {"10.9.0.12", 0, {}}};
    return policy;
}

}  // namespace

TEST_CASE("names are looked up in files only, whatever else the host asks") {
    const std::string text = slurm::nsswitch_text(
        "passwd: files sss\n  hosts:  files dns myhostname\n# hosts: of old\ngroup: files\nhosts: ldap\n");
    CHECK(text == "group: files\nhosts: files\npasswd: files\n");
    CHECK(slurm::nsswitch_text("") == "group: files\nhosts: files\npasswd: files\n");
    CHECK(slurm::nsswitch_text("shadow: files sss\nservices:\tdb files # ldap:\n#netgroup: nis\n") ==
          "group: files\nhosts: files\npasswd: files\nservices: files\nshadow: files\n");
}

TEST_CASE("the job's own account has a name inside, also one that the node knows from a directory only") {
    const std::string files = "root:x:0:0:root:/root:/bin/sh\ncarol:x:70010:70010::/home/carol:/bin/sh\n";
    const slurm::Owner alice{"e-alice", 70001, 70000};
    const std::string line = "e-alice:x:70001:70000::/aloft/workspace:/bin/sh\n";
    CHECK(slurm::passwd_text(files, alice) == line + files);
    CHECK(slurm::passwd_text("", alice) == line);
    const std::string local = files + "e-alice:x:70001:70001::/home/e-alice:/bin/bash\n";
    CHECK(slurm::passwd_text(local, alice) == local);
    // The first line counts, by name and by number.
    const std::string other = "e-alice:x:1:1::/:/bin/sh\nmallory:x:70001:1::/:/bin/sh\n+::::::\n";
    CHECK(slurm::passwd_text(other, alice) == line + other);
    CHECK(slurm::group_text("root:x:0:\nusers:x:100:e-alice\n", alice) ==
          "e-alice:x:70000:\nroot:x:0:\nusers:x:100:e-alice\n");
    CHECK(slurm::group_text("hel:x:70000:\n", alice) == "hel:x:70000:\n");
}

TEST_CASE("the job's hosts are its nodes and controller, by the host's own names, and nobody else") {
    const std::string text = slurm::hosts_text(
        "127.0.0.1 localhost\n127.0.1.1 node1.site node1\n10.9.0.2 ctld # the controller\n"
        "10.9.0.11\tnode1.site node1\n10.9.0.13 node3\n10.9.0.99 storage\n# 10.9.0.12 commented\n10.9.0.12\n",
        policy(), {{"10.9.0.12", "node2"}});
    CHECK(text == "127.0.0.1 localhost\n10.9.0.2 ctld\n10.9.0.11 node1.site node1\n10.9.0.12 node2\n");
}

TEST_CASE("only nodes that the file does not have are resolved, and only the policy's addresses are taken") {
    CHECK(slurm::resolve_others("10.9.0.11 node1\n10.9.0.12 node2\n", policy()).empty());
    slurm::Policy own = policy();
    own.nodes = {"localhost"};
    CHECK(slurm::resolve_others("", own).empty());  // 127.0.0.1 is no peer
    own.peers = {{"127.0.0.1", 0, {}}};
    const auto found = slurm::resolve_others("", own);
    REQUIRE(found.size() >= 1);
    CHECK(found[0] == std::pair<std::string, std::string>("127.0.0.1", "localhost"));
}
