#include "jobs/wire/caller.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"

using namespace jobs;

TEST_CASE("what a relay says of a caller is read as it was written") {
    const Relayed said{"login-hel", HostKind::researchers, {"hel"}, 70001, "e-alice", "", {true, false}};
    CHECK(to_json(relayed_of(to_json(said))) == to_json(said));
}

TEST_CASE("a process is in a session by the fence's own cgroup, and by no other of that name") {
    CHECK(is_session_cgroup("5:memory:/x\n0::/aloft/session_70001_345/session\n", 70001));
    CHECK(is_session_cgroup("0::/aloft/session_70001_345/session", 70001));
    CHECK_FALSE(is_session_cgroup("", 70001));
    CHECK_FALSE(is_session_cgroup("0::/", 70001));
    CHECK_FALSE(is_session_cgroup("0::/aloft/session_70002_345/session\n", 70001));
    CHECK_FALSE(is_session_cgroup("0::/aloft/session_7000\n", 70001));
    CHECK_FALSE(is_session_cgroup("1:memory:/aloft/session_70001_345/session\n", 70001));
    CHECK_FALSE(
        is_session_cgroup("0::/user.slice/user@70001.service/aloft/session_70001_345/session\n", 70001));
}

TEST_CASE("the kernel says who is at the other end") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const core::Fd one(ends[0]), other(ends[1]);
    Peer peer = peer_of(one.get());
    CHECK(peer.uid == ::getuid());
    CHECK(peer.pid == ::getpid());
    CHECK(peer.account.empty());
    name_peer(peer);
    CHECK(peer.account == ::getpwuid(::getuid())->pw_name);
    CHECK(account_of(0) == "root");
    CHECK(account_of(4123456789) == "uid:4123456789");
    CHECK_FALSE(peer.in_session);
    CHECK_FALSE(peer.relayed);
    CHECK_THROWS_AS(peer_of(-1), core::Error);
}
