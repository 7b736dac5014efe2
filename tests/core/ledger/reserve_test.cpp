#include "core/ledger/reserve.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/ledger.h"
#include "support/scratch.h"

using namespace core;

TEST_CASE("a reserve holds space, gives it back and takes it again") {
    const test::Scratch scratch;
    Reserve reserve(scratch / "reserve", 1 << 20);
    if (!reserve.is_full()) {
        WARN("this file system cannot hold space back");
        return;
    }
    reserve.give_back();
    CHECK_FALSE(reserve.is_full());
    CHECK(reserve.take());
    CHECK(Reserve(scratch / "reserve", 1 << 20).is_full());  // as it was, after a restart
}

// In a mount namespace of its own, in a child: 0 all held, 77 not possible here.
static int on_a_full_disk(const std::filesystem::path& folder) {
    if (::unshare(CLONE_NEWNS) || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=1m"))
        return 77;
    Ledger ledger(folder / "ledger.jsonl", SigningKey::generate());
    Reserve reserve(folder / "reserve", 256 << 10);
    if (!reserve.is_full()) return 1;
    {
        const Fd filler(::open((folder / "filler").c_str(), O_RDWR | O_CREAT, 0600));
        const std::string page(4096, 'x');
        while (::write(filler.get(), page.data(), page.size()) > 0) {
        }
    }
    ledger.add("admin", "grant.revoked", "G-1", {{"pad", std::string(20000, 'x')}});
    try {
        ledger.commit();
        return 2;  // the disk is not full
    } catch (const Error& e) {
        if (e.fault() != Fault::system) return 3;
    }
    reserve.give_back();
    ledger.add("admin", "grant.revoked", "G-1", {{"pad", std::string(20000, 'x')}});
    ledger.commit();
    if (ledger.committed().seq != 1) return 4;
    if (reserve.take() || reserve.is_full()) return 5;  // there is no room for all of it any more
    return std::filesystem::remove(folder / "filler") && reserve.take() ? 0 : 6;
}

TEST_CASE("a full disk takes a revocation all the same") {
    const test::Scratch scratch;
    const pid_t child = ::fork();
    if (child == 0) {
        int result = 7;
        try {
            result = on_a_full_disk(scratch.path());
        } catch (const std::exception&) {
        }
        ::_exit(result);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WEXITSTATUS(status) == 77) {
        WARN("skipped: needs root");
        return;
    }
    CHECK(WEXITSTATUS(status) == 0);
}
