#include "core/ledger/ledger.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/error.h"
#include "core/ledger/verify.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

struct Desk {
    test::Scratch scratch;
    std::filesystem::path path = scratch / "ledger.jsonl";
    VerifyKey key;
    Desk() {
        const SigningKey made = SigningKey::generate();
        made.save(scratch / "key");
        key = made.verify_key();
    }
    Ledger open(std::uint64_t every = 1000) const {
        return Ledger(path, SigningKey::load(scratch / "key"), every);
    }
};

}  // namespace

TEST_CASE("the chain continues over openings") {
    const Desk desk;
    for (int i = 0; i < 3; ++i) {
        Ledger ledger = desk.open();
        CHECK(ledger.head().seq == std::uint64_t(i));
        ledger.add("e-alice", "job.submitted", "job:1", {});
        ledger.commit();
    }
    CHECK(verify_ledger(desk.path, {desk.key}).head.seq == 3);
}

TEST_CASE("a checkpoint follows every N records, and none a checkpoint") {
    const Desk desk;
    Ledger ledger = desk.open(2);
    for (int i = 0; i < 5; ++i) ledger.add("e-alice", "k", "s", {});
    ledger.checkpoint();
    ledger.checkpoint();
    ledger.commit();
    CHECK(verify_ledger(desk.path, {desk.key}).checkpoints == 3);
    CHECK(ledger.head().seq == 8);
}

TEST_CASE("a torn last line is cut, whatever its length") {
    const Desk desk;
    {
        Ledger ledger = desk.open();
        ledger.add("e-alice", "k", "first", {});
        ledger.add("e-alice", "k", "second", {});
        ledger.commit();
    }
    std::string whole;
    std::getline(std::ifstream(desk.path), whole, '\0');
    const std::size_t first = whole.find('\n') + 1;
    for (std::size_t size = first; size < whole.size(); ++size) {
        std::ofstream(desk.path, std::ios::trunc) << whole.substr(0, size);
        Ledger ledger = desk.open();
        CHECK(ledger.cut_bytes() == size - first);
        CHECK(ledger.head().seq == 1);
    }
    CHECK(verify_ledger(desk.path, {desk.key}).head.seq == 1);
}

TEST_CASE("a rolled back batch leaves nothing") {
    const Desk desk;
    Ledger ledger = desk.open();
    ledger.add("e-alice", "k", "kept", {});
    ledger.commit();
    const Head head = ledger.head();
    ledger.add("e-alice", "k", "dropped", {});
    ledger.roll_back();
    CHECK(ledger.head() == head);
    ledger.add("e-alice", "k", "next", {});
    ledger.commit();
    CHECK(verify_ledger(desk.path, {desk.key}).head == ledger.head());
}

TEST_CASE("a full disk refuses the batch, keeps what was there, and heals") {
    const Desk desk;
    // A limit on the file's size stands for the full disk: pwrite fails in the same place.
    ::signal(SIGXFSZ, SIG_IGN);
    Ledger ledger = desk.open();
    ledger.add("e-alice", "k", "kept", {});
    ledger.commit();
    const auto size = std::filesystem::file_size(desk.path);
    struct rlimit old {};
    ::getrlimit(RLIMIT_FSIZE, &old);
    const struct rlimit tight { size + 300, old.rlim_max };
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
    for (int i = 0; i < 4; ++i) ledger.add("e-alice", "k", "too much", {});
    CHECK_THROWS_WITH(ledger.commit(), Contains("Make room"));
    ::setrlimit(RLIMIT_FSIZE, &old);
    CHECK(std::filesystem::file_size(desk.path) == size);
    CHECK(ledger.head().seq == 1);
    ledger.add("e-alice", "k", "again", {});
    ledger.commit();
    CHECK(verify_ledger(desk.path, {desk.key}).head.seq == 2);
}

TEST_CASE("what commit returned for survives kill -9") {
    const Desk desk;
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        Ledger ledger = desk.open(7);
        for (std::uint64_t i = 0;; ++i) {
            const Record record = ledger.add("e-alice", "k", "s", {{"i", i}});
            ledger.commit();
            if (::write(pipe_ends[1], &record.seq, sizeof record.seq) < 0) ::_exit(1);
        }
    }
    ::close(pipe_ends[1]);
    std::uint64_t acknowledged = 0;
    for (int i = 0; i < 50; ++i) REQUIRE(::read(pipe_ends[0], &acknowledged, sizeof acknowledged) > 0);
    ::kill(child, SIGKILL);
    while (::read(pipe_ends[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    ::close(pipe_ends[0]);
    ::waitpid(child, nullptr, 0);
    const Ledger ledger = desk.open();
    CHECK(ledger.head().seq >= acknowledged);
    CHECK(verify_ledger(desk.path, {desk.key}).head == ledger.head());
}

TEST_CASE("only one process writes") {
    const Desk desk;
    const Ledger first = desk.open();
    CHECK_THROWS_WITH(desk.open(), Contains("another aloftd"));
}

TEST_CASE("no text of a caller can make a second line") {
    const Desk desk;
    Ledger ledger = desk.open();
    ledger.add("e\n{\"seq\":2", "k", "s\r\n\x01\xff\xe2\x80\xa8", {{"why", "line\nline\xc3"}});
    ledger.commit();
    std::ifstream in(desk.path);
    int lines = 0;
    for (std::string line; std::getline(in, line); ++lines)
        for (const unsigned char c : line) CHECK((c >= ' ' && c < 0x7f));
    CHECK(lines == 1);
}

TEST_CASE("nobody but the ledger makes a checkpoint") {
    const Desk desk;
    Ledger ledger = desk.open();
    CHECK_THROWS_AS(ledger.add("aloftd", "checkpoint", "ledger", {}), Error);
    CHECK_THROWS_AS(ledger.add("e", "k", "s", {{"key", 1}, {"signature", std::string(88, 'A')}}), Error);
    CHECK_FALSE(ledger.has_batch());
}

TEST_CASE("a clock that once was a year ahead does not keep the ledger's times there") {
    struct Clock : Env {
        std::int64_t at = 1'790'000'000;
        std::int64_t now() override { return at; }
    } clock;
    constexpr std::int64_t kYear = 365 * 86400;
    const Desk desk;
    const auto open = [&] {
        return Ledger(desk.path, SigningKey::load(desk.scratch / "key"), 1000, std::nullopt, clock);
    };
    const auto written = [&](Ledger& ledger) {
        const std::int64_t time = ledger.add("a", "k", "s", nullptr).time;
        ledger.commit();
        return time;
    };
    {
        Ledger ledger = open();
        const std::int64_t right = clock.at;
        CHECK(written(ledger) == right);
        clock.at = right - 1800;  // set back a little: the order stays
        CHECK(written(ledger) == right);
        clock.at = right + kYear;
        CHECK(written(ledger) == right + kYear);
        clock.at = right + 60;  // set right
        CHECK(written(ledger) == right + 60);
        ledger.checkpoint();
        ledger.commit();
        clock.at = right + 2 * kYear;
        CHECK(written(ledger) == right + 2 * kYear);
        clock.at = right + 120;
    }
    Ledger ledger = open();  // also by a process that did not see it jump
    CHECK(written(ledger) == clock.at);
    CHECK(verify_ledger(desk.path, {desk.key}, std::nullopt).head == ledger.head());
}
