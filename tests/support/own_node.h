#pragma once
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/base/child.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "support/published.h"
#include "support/scratch.h"

namespace test {

inline bool is_root() {
    if (::geteuid() == 0) return true;
    WARN("skipped: needs root");
    return false;
}

inline bool run(const std::vector<std::string>& words) {
    return core::output_of(words, std::chrono::seconds(20)).has_value();
}

// Does `work` on a node of its own: a network with two interfaces, a tmpfs, a cgroup, a key of the enclave hel. It
// returns 0, or the number of what is wrong.
inline int on_own_node(const std::function<int(const core::Site&)>& work) {
    const Scratch scratch;
    const pid_t child = ::fork();
    if (child == 0) {
        core::Site site = host_site(scratch.path());
        site.run = scratch / "run";
        site.known = scratch / "known";
        core::make_directories(site.run);
        if (::unshare(CLONE_NEWNET | CLONE_NEWNS)) ::_exit(100);
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr)) ::_exit(101);
        if (::mount("tmpfs", site.run.c_str(), "tmpfs", 0, "size=1M,mode=0755")) ::_exit(102);
        if (!run({"/usr/sbin/ip", "link", "set", "lo", "up"}) ||
            !run({"/usr/sbin/ip", "link", "add", "one", "type", "veth", "peer", "name", "two"}))
            ::_exit(103);
        core::make_directories(site.config / "keys");
        core::OpeningKey::generate().save(site.config / "keys" / "hel.enclave.key");
        try {
            ::_exit(work(site));
        } catch (const std::exception& e) {
            core::Event("error", "test").with("text", e.what());
            ::_exit(104);
        }
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

}  // namespace test
