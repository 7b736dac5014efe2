#include "staging/read/messages.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <set>

#include "core/base/files.h"
#include "staging/read/delivery.h"
#include "staging/read/dicom/syntax.h"
#include "staging/read/word.h"
#include "staging/read/worker.h"
#include "support/scratch.h"

using namespace staging;

namespace {

const Wanted kWanted = Wanted::attributes({"PatientID", "AdmittingDiagnosesCodeSequence[0].CodeValue"});

std::set<std::string> our_words() {
    std::set<std::string> all{""};
    for (const std::string_view word : kWords) all.emplace(word);
    for (const Syntax& syntax : syntaxes()) all.emplace(syntax.name);
    for (std::size_t i = 0; i < kWanted.size(); ++i) all.insert(kWanted.name(i));
    return all;
}

core::Bytes packed(const Record& record) {
    core::Bytes room(4096);
    Packer out(room);
    pack(out, record, kWanted);
    room.resize(out.size());
    return room;
}

constexpr char kName[] = "DOE^JANE";

// Workers that were taken over. What they say of a file is decided by its first bytes.
class TakenOver final : public Answers {
public:
    explicit TakenOver(const Region& region) : region_(region) {}
    std::size_t answer(const Question& question, core::Fd file) override {
        if (static_cast<Ask>(question.code) == Ask::configure) return 0;
        std::uint8_t how[3] = {};
        if (::pread(file.get(), how, sizeof how, 0) != sizeof how) return 0;
        Packer out(region_.messages());
        out.put(Reason::malformed);
        if (how[0] == 't') {
            out.put(std::string_view(kName));  // where a text once stood
        } else {
            out.put(how[1]);
            out.put(std::uint32_t{how[2]});
        }
        for (int i = 0; i < 64; ++i) out.put(std::uint8_t{0});  // no row, no bytes
        out.raw(kName, sizeof kName);
        return out.size();
    }

private:
    const Region& region_;
};
Answers* take_over(const Region& region) {
    return new TakenOver(region);
}
struct TakenOverReaders : Readers {
    TakenOverReaders() : Readers(take_over) {}
};

}  // namespace

TEST_CASE("each of our words comes over as it was sent, and no other can be sent") {
    const auto ours = our_words();
    CHECK(ours.size() > 60);
    for (const std::string& word : ours) {
        Record record;
        record.reason = Reason::malformed;
        record.detail = word;
        const core::Bytes bytes = packed(record);
        Unpacker in(bytes);
        CHECK(unpack_record(in, kWanted, {}).detail == word);
    }
    Record record;
    record.reason = Reason::malformed;
    record.detail = kName;
    CHECK_THROWS_AS(packed(record), std::logic_error);
}

TEST_CASE("whatever bytes come, what is read of them is one of our words") {
    const auto ours = our_words();
    Record record;
    record.reason = Reason::malformed;
    record.detail = "delimiter";
    const core::Bytes sound = packed(record);
    std::mt19937 random(1);
    int taken = 0;
    for (int round = 0; round < 20000; ++round) {
        core::Bytes bytes = sound;
        // Mostly small numbers: they are the ones that get through.
        for (std::size_t i = 1; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(random() % (i < 3 ? 80 : 2));
        if (round % 2) bytes[1] %= 5;
        Unpacker in(bytes);
        try {
            const Record got = unpack_record(in, kWanted, {});
            CHECK(ours.count(got.detail) == 1);
            ++taken;
        } catch (const std::logic_error&) {
        }
    }
    CHECK(taken > 100);
}

TEST_CASE("a worker that was taken over gets no word of its own into a refusal") {
    const test::Scratch folder;
    const TakenOverReaders server;
    Worker worker(server, kWanted);
    const auto refusal = [&](const std::string& how) {
        core::write_atomically(folder / "f", how);
        return worker.read(Delivery(folder.path()).open("f"), Depth::header);
    };
    CHECK(refusal("t..").reason == Reason::worker_died);
    const auto ours = our_words();
    int taken = 0;
    for (char from = 0; from < 6; ++from)
        for (const char number : {char{0}, char{1}, char{20}, char{127}}) {
            const Record record = refusal(std::string("n") + from + number);
            CAPTURE(int{from}, int{number}, record.detail);
            const bool died = record.reason == Reason::worker_died;
            CHECK((died || (record.reason == Reason::malformed && ours.count(record.detail) == 1)));
            CHECK((number != 127 || from == 0 || died));
            taken += !died;
        }
    CHECK(taken == 4 + 3 + 2 + 3);  // nothing, words, wanted, syntaxes
    CHECK(worker.replaced() > 0);
}
