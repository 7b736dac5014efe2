// The ledger over a disk that fails and a machine that loses power, at every call that it makes.
#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/ledger.h"
#include "core/ledger/loss.h"
#include "core/ledger/verify.h"
#include "support/faulty_env.h"
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
    Ledger open(Env& env, const std::optional<Ledger::Position>& known = std::nullopt) const {
        return Ledger(path, SigningKey::load(scratch / "key"), 1000, known, env);
    }
};

// Three batches of two records; tells how many records somebody was told of.
std::uint64_t write_batches(const Desk& desk, Env& env) {
    std::uint64_t told = 0;
    try {
        Ledger ledger = desk.open(env);
        for (int batch = 0; batch < 3; ++batch) {
            for (int i = 0; i < 2; ++i)
                ledger.add("e-alice", "job.submitted", "job:1", {{"pad", std::string(3000, 'x')}});
            ledger.commit();
            told = ledger.committed().seq;
        }
    } catch (const Error&) {  // aloftd ends, or refuses; here nothing more is asked
    }
    return told;
}

}  // namespace

TEST_CASE(
    "whichever call fails, what somebody was told of survives a loss of power, and the chain is whole") {
    const int error = GENERATE(EIO, ENOSPC);
    int calls = 0;
    for (int n = 1;; ++n) {
        const Desk desk;
        test::FaultyEnv env(n, error);
        const std::uint64_t told = write_batches(desk, env);
        calls = env.calls();
        env.lose_power();
        if (std::filesystem::exists(desk.path)) {
            const Head head = desk.open(Env::real()).head();  // cuts what was torn
            CHECK(head.seq >= told);
            CHECK(verify_ledger(desk.path, {desk.key}).head == head);
        } else {
            CHECK(told == 0);
        }
        if (n > calls) {
            CHECK(told == 6);
            break;
        }
    }
    CHECK(calls >= 8);  // opening, three writes, three flushes, and the folder's
}

TEST_CASE("a batch of which only later pages reached the disk is cut where it stops to chain") {
    const Desk desk;
    Ledger::Position known;
    std::uint64_t begin = 0;
    {
        Ledger ledger = desk.open(Env::real());
        for (int i = 0; i < 3; ++i) ledger.add("e-alice", "job.submitted", "job:1", {});
        ledger.commit();
        known = {ledger.head(), ledger.last_line_offset()};
        begin = std::filesystem::file_size(desk.path);
        for (int i = 0; i < 40; ++i)
            ledger.add("e-alice", "job.submitted", "job:2", {{"pad", std::string(500, 'x')}});
        ledger.commit();
    }
    const std::string whole = read_text(desk.path);
    const std::size_t at = GENERATE(0u, 1u, 2u, 3u);
    const std::size_t page = (begin / 4096 + 1 + at) * 4096;
    REQUIRE(page + 4096 < whole.size());
    std::string torn = whole;
    std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(page), 4096, '\0');
    std::ofstream(desk.path, std::ios::binary | std::ios::trunc) << torn;
    CHECK_THROWS(verify_ledger(desk.path, {desk.key}));
    Ledger ledger = desk.open(Env::real(), known);
    CHECK(ledger.head().seq >= 3);
    CHECK(ledger.head().seq < 43);
    CHECK(ledger.cut_bytes() > 4096);
    CHECK(std::filesystem::file_size(desk.path.string() + ".cut") == ledger.cut_bytes());
    ledger.add("e-alice", "job.submitted", "job:3", {});
    ledger.commit();
    CHECK(verify_ledger(desk.path, {desk.key}).head == ledger.head());
}

TEST_CASE("zeros at the very end are cut, and a megabyte of them too") {
    const Desk desk;
    Ledger::Position known;
    {
        Ledger ledger = desk.open(Env::real());
        ledger.add("e-alice", "job.submitted", "job:1", {});
        ledger.commit();
        known = {ledger.head(), ledger.last_line_offset()};
    }
    const std::size_t size = GENERATE(std::size_t{10}, std::size_t{4096}, std::size_t{3} << 20);
    std::ofstream(desk.path, std::ios::binary | std::ios::app) << std::string(size, '\0');
    Ledger ledger = desk.open(Env::real(), known);
    CHECK(ledger.head() == known.head);
    CHECK(verify_ledger(desk.path, {desk.key}).head.seq == 1);
}

TEST_CASE("what is known to be on disk is never cut, and a position of another file says nothing") {
    const Desk desk;
    Head head;
    Ledger::Position first;
    {
        Ledger ledger = desk.open(Env::real());
        for (int i = 0; i < 5; ++i) {
            ledger.add("e-alice", "job.submitted", "job:1", {});
            ledger.commit();
            if (i == 0) first = {ledger.head(), ledger.last_line_offset()};
        }
        head = ledger.head();
    }
    CHECK(desk.open(Env::real(), first).head() == head);
    Ledger::Position other = first;
    other.head.sha256[0] ^= 1;
    CHECK(desk.open(Env::real(), other).head() == head);
    other = first;
    other.line_at = 1 << 30;
    CHECK(desk.open(Env::real(), other).head() == head);
}

TEST_CASE("a ledger that lacks what a witness saw is told apart from one that grew since") {
    const Desk desk;
    std::vector<Witness> seen;
    {
        Ledger ledger = desk.open(Env::real());
        for (int i = 0; i < 400; ++i) {
            ledger.add("e-alice", "job.submitted", "job:1", {{"n", i}, {"pad", std::string(700, 'x')}});
            ledger.commit();
            seen.push_back(ledger.witness());
        }
    }
    const auto check = [&](const Witness& witness) {
        check_witness(desk.path, desk.open(Env::real()).head(), witness, {desk.key});
    };
    for (const Witness& witness : seen) {
        CHECK_NOTHROW(check(witness));
        CHECK(digest_of(desk.path, witness.head.seq) == to_hex(witness.head.sha256));
    }
    CHECK(digest_of(desk.path, 401).empty());
    CHECK_NOTHROW(check(Witness::sign({}, SigningKey::load(desk.scratch / "key"))));
    CHECK_THROWS_WITH(check(Witness::sign({1, {}}, SigningKey::generate())), Contains("not signed"));
    // Yesterday's copy is put back, and other records are made under the old numbers.
    std::string old;
    for (std::size_t at = 0, lines = 0; lines < 300; ++lines) {
        const std::string all = read_text(desk.path);
        const std::size_t end = all.find('\n', at) + 1;
        if (lines == 299) old = all.substr(0, end);
        at = end;
    }
    std::ofstream(desk.path, std::ios::binary | std::ios::trunc) << old;
    CHECK_NOTHROW(check(seen[299]));
    CHECK_THROWS_WITH(check(seen[300]),
                      Contains("ends at record 300, but record 301 was seen") && Contains("README"));
    {
        Ledger ledger = desk.open(Env::real());
        for (int i = 0; i < 200; ++i) ledger.add("e-bob", "job.submitted", "job:9", {});
        ledger.commit();
    }
    CHECK_NOTHROW(check(seen[299]));
    CHECK_THROWS_WITH(check(seen[300]), Contains("record 301 is not the one that was seen"));
    CHECK_THROWS_WITH(check(seen[399]), Contains("record 400 is not the one that was seen"));
}
