#include "core/ledger/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/ledger/ledger.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

// Ten records and a checkpoint after each third one, the last line a checkpoint.
struct Book {
    test::Scratch scratch;
    SigningKey key = SigningKey::generate();
    std::filesystem::path path = scratch / "ledger.jsonl";
    std::vector<std::string> lines;
    Witness witness;

    Book() {
        Ledger ledger(path, SigningKey(copy(key)), 3);
        for (int i = 0; i < 10; ++i)
            ledger.add("e-alice", "job.submitted", "job:" + std::to_string(i),
                       {{"nodes", i}, {"note", "a\"b\\c\n"}});
        ledger.checkpoint();
        ledger.commit();
        witness = ledger.witness();
        std::ifstream in(path);
        for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
    }
    SigningKey copy(const SigningKey& original) {
        original.save(scratch / "key");
        return SigningKey::load(scratch / "key");
    }
    std::string text() const {
        std::string all;
        for (const auto& line : lines) all += line;
        return all;
    }
    void put(const std::string& bytes) const {
        // ext4 writes a file to disk at once that is cut to nothing and filled again.
        std::filesystem::remove(path);
        std::ofstream(path, std::ios::binary) << bytes;
    }
    VerifiedLedger check() const { return verify_ledger(path, {key.verify_key()}); }
    VerifiedLedger check_with_witness() const { return verify_ledger(path, {key.verify_key()}, witness); }
    std::string complaint() const {
        try {
            check();
        } catch (const Error& e) {
            return e.fault() == Fault::data ? e.what() : "wrong fault";
        }
        return "";
    }
};

}  // namespace

TEST_CASE("an untouched ledger verifies, with and without a witness") {
    const Book book;
    CHECK(book.lines.size() == 14);
    CHECK(book.check().head == book.witness.head);
    CHECK(book.check().checkpoints == 4);
    CHECK(book.check().unsigned_records == 0);
    CHECK_NOTHROW(book.check_with_witness());
}

TEST_CASE("every changed byte is found, and its record named") {
    const Book book;
    const std::string good = book.text();
    const std::uint8_t flip = GENERATE(0x01, 0x20, 0x80);
    std::size_t record = 0, begin = 0, wrong = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
        if (at >= begin + book.lines[record].size()) begin += book.lines[record++].size();
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ flip);
        book.put(bad);
        const std::string complaint = book.complaint();
        if (complaint.find("record " + std::to_string(record + 1) + " ") == std::string::npos && ++wrong < 5)
            UNSCOPED_INFO("byte " << at << " of record " << record + 1 << ": " << complaint);
    }
    CHECK(wrong == 0);
}

TEST_CASE("a dropped record is named") {
    const Book book;
    const std::size_t gone = GENERATE(range(0, 12));
    auto lines = book.lines;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(gone));
    std::string bad;
    for (const auto& line : lines) bad += line;
    book.put(bad);
    CHECK_THAT(book.complaint(), Contains("record " + std::to_string(gone + 1) + " was dropped"));
}

TEST_CASE("a moved record is named") {
    const Book book;
    const std::size_t first = GENERATE(range(0, 12));
    auto lines = book.lines;
    std::swap(lines[first], lines[first + 1]);
    std::string bad;
    for (const auto& line : lines) bad += line;
    book.put(bad);
    CHECK_THAT(book.complaint(), Contains("record " + std::to_string(first + 1) + " was moved"));
}

TEST_CASE("a repeated record is named") {
    const Book book;
    auto lines = book.lines;
    lines.insert(lines.begin() + 5, lines[2]);
    std::string bad;
    for (const auto& line : lines) bad += line;
    book.put(bad);
    CHECK_THAT(book.complaint(), Contains("record 3 stands a second time, at line 6"));
}

TEST_CASE("a cut at the end is invisible alone and shows against a witness") {
    const Book book;
    const std::size_t keep = GENERATE(0, 1, 4, 13);
    std::string cut;
    for (std::size_t i = 0; i < keep; ++i) cut += book.lines[i];
    book.put(cut);
    CHECK_NOTHROW(book.check());
    CHECK_THROWS_WITH(book.check_with_witness(),
                      Contains("record " + std::to_string(keep + 1) + " to 14 are missing"));
}

TEST_CASE("a ledger that somebody chained again fails at the next checkpoint") {
    const Book book;
    const SigningKey other = SigningKey::generate();
    std::string forged;
    Head head;
    for (const auto& line : book.lines) {
        Record record = parse_record(std::string_view(line).substr(0, line.size() - 1));
        if (record.seq == 2) record.details["nodes"] = 99;
        const bool checkpoint = record.kind == kCheckpoint;
        const std::string again =
            checkpoint ? checkpoint_line(record.time, head, other) : to_line(record, head);
        head = {record.seq, sha256(view(again))};
        forged += again;
    }
    book.put(forged);
    CHECK_THAT(book.complaint(),
               Contains("record 4 (line 4), a checkpoint, is not signed by this ledger's key"));
}

TEST_CASE("records after the last checkpoint are counted as unsigned, and a witness sees them rewritten") {
    const Book book;
    const Record last = parse_record(std::string_view(book.lines[12]).substr(0, book.lines[12].size() - 1));
    std::string cut;
    for (std::size_t i = 0; i < 13; ++i) cut += book.lines[i];
    book.put(cut);
    CHECK(book.check().unsigned_records == 1);
    const Witness at_13 = Witness::sign({13, sha256(view(book.lines[12]))}, book.key);
    Record forged = last;
    forged.actor = "e-bob";
    const Head head{12, sha256(view(book.lines[11]))};
    book.put(cut.substr(0, cut.size() - book.lines[12].size()) + to_line(forged, head));
    CHECK_NOTHROW(book.check());
    CHECK_THROWS_WITH(verify_ledger(book.path, {book.key.verify_key()}, at_13),
                      Contains("record 13 is not the one that the witness saw"));
}

TEST_CASE("a witness with another signature is refused") {
    const Book book;
    const Witness forged = Witness::sign(book.witness.head, SigningKey::generate());
    CHECK_THROWS_WITH(verify_ledger(book.path, {book.key.verify_key()}, forged), Contains("not signed"));
    CHECK(Witness::parse(book.witness.to_json()).is_signed_by(book.key.verify_key()));
}
