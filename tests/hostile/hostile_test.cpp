// Hostile files through the real worker: each ends with a reason, in bounded time and memory, and never costs
// the worker.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "hostile/seeds.h"
#include "staging/read/delivery.h"
#include "staging/read/make_dicom.h"
#include "staging/read/processes.h"
#include "staging/read/worker.h"
#include "staging/sandbox/sandbox.h"
#include "support/scratch.h"

using namespace staging;
using test::Dicom;

namespace {

constexpr long kMost_kb = 512 << 10;  // what a worker may hold, shared memory included

// A delivery of one file at a time, and the worker that reads it.
class Bench {
public:
    Bench()
        : worker_(server_, Wanted::attributes({"PatientID", "AnatomicRegionSequence[0].CodeValue"}),
                  limits()) {}
    ~Bench() {
        CHECK(worker_.replaced() == 0);
        CHECK(test::workers().size() == 1);
        if (kSanitized) return;  // shadow memory counts too
        for (const pid_t pid : test::workers()) CHECK(test::status_kb(pid, "VmHWM") < kMost_kb);
    }
    Record read(const std::string& bytes) {
        // Not atomic and not synced: thousands of files.
        std::ofstream(folder_ / "f", std::ios::binary | std::ios::trunc) << bytes;
        // Those that take long would come back as time_limit, which no test expects.
        Record record = worker_.read(Delivery(folder_.path()).open("f"), Depth::pixels);
        if (!record.ok()) CHECK(record.values.empty());
        return record;
    }
    Reason reason(const std::string& bytes) { return read(bytes).reason; }
    const test::Scratch& folder() const { return folder_; }
    Worker& worker() { return worker_; }

private:
    static Limits limits() {
        Limits limits;
        if (!kSanitized) limits.seconds = 10;
        return limits;
    }
    test::Scratch folder_;
    Readers server_;
    Worker worker_;
};

}  // namespace

TEST_CASE("the seeds are right: what follows fails for its own reason") {
    Bench bench;
    for (const std::string& seed : test::seeds()) CHECK(bench.reason(seed) == Reason::none);
    const Record record = bench.read(test::large_seed());
    REQUIRE(record.reason == Reason::none);
    CHECK(trimmed(record.values[0]->bytes) == "A123456789");
    CHECK(record.file_bytes > 100'000);
}

TEST_CASE("cut at every kilobyte") {
    Bench bench;
    const std::string whole = test::large_seed();
    for (std::size_t size = 0; size < whole.size(); size += 1024) {
        CAPTURE(size);
        CHECK(bench.reason(whole.substr(0, size)) != Reason::none);
    }
}

TEST_CASE("deflate bombs") {
    Bench bench;
    const std::string deflated = "1.2.840.10008.1.2.1.99";
    CHECK(bench.reason(Dicom(deflated).raw(test::deflated_zeros(std::size_t{256} << 20)).file()) ==
          Reason::decompression_limit);
    // One that stays below the ratio at first: the limit in bytes holds.
    std::string noise(2 << 20, '\0');
    std::uint32_t state = 1;
    for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    CHECK(bench.reason(Dicom(deflated).raw(test::deflated_zeros(std::size_t{200} << 20)).raw(noise).file()) ==
          Reason::decompression_limit);
}

TEST_CASE("100,000 levels of nesting") {
    Bench bench;
    for (const std::string syntax : {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}) {
        std::string level = Dicom(syntax).element(0x00082218, "SQ", "", 0xffffffff).data_set() +
                            Dicom().item_head(0xfffee000, 0xffffffff);
        std::string all;
        for (int i = 0; i < 100'000; ++i) all += level;
        CHECK(bench.reason(Dicom(syntax).raw(all).file()) == Reason::nesting_too_deep);
    }
}

TEST_CASE("millions of tiny elements") {
    Bench bench;
    std::string items, elements;
    for (int i = 0; i < 10'000'000; ++i) items += std::string("\xfe\xff\x00\xe0\x00\x00\x00\x00", 8);
    CHECK(bench.reason(Dicom().element(0x00082218, "SQ", items).file()) == Reason::too_many_elements);
    CHECK(bench.reason(Dicom().image(1, 1).element(0x7fe00010, "OB", items, 0xffffffff).file()) !=
          Reason::none);
    for (int i = 0; i < 500'000; ++i)  // an item with three elements
        elements += std::string(
            "\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x00\x01SH\x00\x00\x08\x00\x02\x01SH\x00\x00"
            "\x08\x00\x04\x01LO\x00\x00\xfe\xff\x0d\xe0\x00\x00\x00\x00",
            40);
    CHECK(bench.reason(Dicom().element(0x00082218, "SQ", elements).file()) == Reason::too_many_elements);
}

TEST_CASE("giant declared lengths cost nothing") {
    Bench bench;
    for (const std::int64_t length : {0x7fffffffLL, 0x80000000LL, 0xfffffffeLL}) {
        CHECK(bench.reason(Dicom().element(0x00104000, "UT", "x", length).file()) == Reason::truncated);
        CHECK(bench.reason(Dicom().element(0x00082218, "SQ", "x", length).file()) == Reason::truncated);
        CHECK(bench.reason(Dicom().image(1, 1).element(0x7fe00010, "OW", "x", length).file()) ==
              Reason::truncated);
        const auto item = Dicom().item_head(0xfffee000, static_cast<std::uint32_t>(length));
        CHECK(bench.reason(Dicom("1.2.840.10008.1.2.5").element(0x7fe00010, "OB", item, 0xffffffff).file()) ==
              Reason::truncated);
        std::string meta(128, '\0');
        meta += "DICM" + Dicom().element(0x00020010, "UT", "x", length).data_set();
        CHECK(bench.reason(meta) == Reason::truncated);
    }
}

TEST_CASE("sizes that overflow when multiplied") {
    Bench bench;
    for (const std::string frames : {"1", "65536", "4294967295"})
        for (const unsigned allocated : {8U, 16U, 32U})
            CHECK(bench.reason(
                      Dicom()
                          .image(65535, 65535, allocated, allocated, false, 1, "MONOCHROME2", 0, frames)
                          .pixels("abcd")
                          .file()) == Reason::pixels_too_large);
    // 2^32 samples of one byte, as a 32-bit product 0.
    CHECK(
        bench.reason(Dicom().image(32768, 32768, 8, 8, false, 1, "MONOCHROME2", 0, "4").pixels("").file()) ==
        Reason::pixels_too_large);
}

TEST_CASE("other files by the name of DICOM") {
    Bench bench;
    const std::string filler(2000, 'x');
    for (const std::string start : {"",
                                    "\x7f"
                                    "ELF",
                                    "PK\x03\x04", "%PDF-1.7", "\x89PNG\r\n", "\xff\xd8\xff\xe0", "GIF89a",
                                    "DICM", "\x1f\x8b", "SQLite format 3", "<?xml", "id,name\n1,Wang\n"})
        for (const std::string& rest : {std::string(), filler}) {
            const Reason reason = bench.reason(start + rest);
            CHECK(reason == Reason::not_recognised);
        }
    CHECK(bench.reason(std::string(131, '\0')) == Reason::not_recognised);
    CHECK(bench.reason(std::string(128, '\0') + "DICM") == Reason::truncated);
    CHECK(bench.reason(std::string(128, '\0') + "DICM" + filler) == Reason::missing_attribute);
}

TEST_CASE("RLE and JPEG bombs") {
    Bench bench;
    // 144 million pixels promised by a frame of nearly nothing.
    Dicom rle("1.2.840.10008.1.2.5");
    std::string frame(64, '\0');
    frame[0] = 1;
    frame[4] = 64;
    CHECK(bench.reason(rle.image(12000, 12000).fragments({frame + std::string(100000, '\x80')}).file()) ==
          Reason::decode_failed);
    Dicom runs("1.2.840.10008.1.2.5");
    std::string much;
    for (int i = 0; i < 1'000'000; ++i) much += std::string("\x81\x55", 2);  // 128 pixels each: not enough
    CHECK(bench.reason(runs.image(12000, 12000).fragments({frame + much}).file()) == Reason::decode_failed);

    // A real JPEG whose header is made to promise 12000 x 12000, as the data set does.
    const std::string seed = test::seeds()[17];
    const std::size_t soi = seed.find("\xff\xd8\xff");
    REQUIRE(soi != std::string::npos);
    std::string jpeg = seed.substr(soi, seed.size() - soi - 8);
    const std::size_t frame_header = jpeg.find("\xff\xc0");
    REQUIRE(frame_header != std::string::npos);
    jpeg.replace(frame_header + 5, 4, std::string("\x2e\xe0\x2e\xe0", 4));
    CHECK(bench.reason(Dicom("1.2.840.10008.1.2.4.50").image(12000, 12000).fragments({jpeg}).file()) ==
          Reason::decode_failed);
    CHECK(bench.reason(Dicom("1.2.840.10008.1.2.4.50").image(9, 17).fragments({jpeg}).file()) ==
          Reason::decode_failed);
    // A hundred thousand frames that are all empty.
    const std::vector<std::string> empty(100'000);
    CHECK(bench.reason(Dicom("1.2.840.10008.1.2.4.50")
                           .image(9, 17, 8, 8, false, 1, "MONOCHROME2", 0, "100000")
                           .fragments(empty)
                           .file()) == Reason::decode_failed);
    CHECK(bench.reason(
              Dicom("1.2.840.10008.1.2.5").image(1, 1).fragments(std::vector<std::string>(300'000)).file()) ==
          Reason::too_many_elements);
}

TEST_CASE("damage in every kind of codestream costs no worker") {
    // Some libraries print what they think of it, and the call with which they do would end the worker.
    Bench bench;
    std::uint32_t noise = 5;
    for (const std::string& seed : test::seeds())
        for (int i = 0; i < 40; ++i) {
            std::string damaged = seed;
            for (int k = 0; k < 4; ++k) {
                noise = noise * 1664525 + 1013904223;
                const std::size_t half = damaged.size() / 2;
                damaged[half + (noise >> 8) % (damaged.size() - half)] = static_cast<char>(noise);
            }
            CHECK(bench.reason(damaged) != Reason::worker_died);
        }
}

TEST_CASE("what stands in place of a file") {
    Bench bench;
    const auto& folder = bench.folder();
    std::filesystem::create_symlink("/etc/passwd", folder / "link");
    std::filesystem::create_directory(folder / "folder");
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    const Delivery delivery(folder.path());
    CHECK(bench.worker().read(delivery.open("link"), Depth::pixels).reason == Reason::symlink);
    CHECK(bench.worker().read(delivery.open("folder"), Depth::pixels).reason == Reason::not_regular);
    CHECK(bench.worker().read(delivery.open("fifo"), Depth::pixels).reason == Reason::not_regular);
    CHECK(bench.worker().read(delivery.open("../../../etc/passwd"), Depth::pixels).reason ==
          Reason::unreadable);
    // A hole of 10 GB.
    std::ofstream(folder / "huge").put('x');
    std::filesystem::resize_file(folder / "huge", std::uintmax_t{10} << 30);
    CHECK(bench.worker().read(delivery.open("huge"), Depth::pixels).reason == Reason::too_large);
}

TEST_CASE("a file that shrinks and grows while it is read") {
    Bench bench;
    const std::string whole = Dicom().image(2000, 2000, 16).pixels(std::string(8'000'000, 'x')).file();
    std::ofstream(bench.folder() / "moving", std::ios::binary) << whole;
    const auto path = bench.folder() / "moving";
    const pid_t mover = ::fork();
    if (mover == 0)
        for (std::error_code ignored;;) {
            std::filesystem::resize_file(path, 100, ignored);
            std::filesystem::resize_file(path, whole.size(), ignored);
        }
    const Delivery delivery(bench.folder().path());
    int changed = 0;
    for (int i = 0; i < 100 || (changed == 0 && i < 20'000); ++i) {  // the mover may be starved
        const Reason reason = bench.worker().read(delivery.open("moving"), Depth::pixels).reason;
        CHECK(reason != Reason::worker_died);
        changed += reason == Reason::changed_while_read;
    }
    ::kill(mover, SIGKILL);
    ::waitpid(mover, nullptr, 0);
    CHECK(changed > 0);
}

TEST_CASE("hostile tables") {
    const std::size_t much = kSanitized ? 20 << 20 : 50 << 20;
    const test::Scratch folder;
    const Readers server;
    const auto last = [&](const std::string& csv) {
        std::ofstream(folder / "t", std::ios::binary | std::ios::trunc) << csv;
        Table table(server, Wanted::columns({"a"}), {}, Delivery(folder.path()).open("t"));
        Record row;
        Reason reason = Reason::none;
        long most = 0;
        while (table.next(row)) {
            reason = row.reason;
            for (const pid_t pid : test::workers()) most = std::max(most, test::status_kb(pid, "VmHWM"));
        }
        if (!kSanitized) CHECK(most < 128 << 10);
        return reason;
    };
    CHECK(last("a\n\"" + std::string(much, 'x')) == Reason::row_too_large);
    CHECK(last("a\n" + std::string(much, '\0')) == Reason::row_too_large);
    CHECK(last("a" + std::string(much / 10, ',') + "\n") == Reason::bad_header);
    CHECK(last("a\n1" + std::string(much / 10, ',') + "\n") == Reason::bad_row);
    CHECK(last("a\n" + std::string(much / 10, '\n')) == Reason::none);
    CHECK(last("a\n" + std::string(much / 10, '"')) != Reason::none);
    CHECK(last(std::string(much / 10, '\n')) == Reason::bad_header);
    std::string wide = "a", empties;
    for (int i = 0; i < 99'000; ++i) wide += "," + std::to_string(i);
    for (int i = 0; i < (kSanitized ? 4 : 20); ++i) empties += "\n" + std::string(99'000, ',');
    CHECK(last(wide + empties) == Reason::none);
}
