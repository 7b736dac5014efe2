// Deterministic mutations of right files, in this process, so that a sanitizer sees every access: nothing may
// crash, throw or read beyond its bytes. The same numbers on every run.
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "hostile/seeds.h"
#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"
#include "staging/read/messages.h"
#include "staging/read/table/csv.h"
#include "staging/sandbox/sandbox.h"

using namespace staging;

namespace {

int rounds(int plain, int sanitized) {
    return kSanitized ? sanitized : plain;
}

class Mutator {
public:
    std::string operator()(std::string bytes, const std::vector<std::string>& others) {
        for (std::uint32_t n = 1 + below(4); n; --n) {
            if (bytes.empty()) return bytes;
            const std::size_t at = below(bytes.size());
            switch (below(7)) {
                case 0:
                    bytes[at] = static_cast<char>(below(256));
                    break;
                case 1:
                    bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
                    break;
                case 2:
                    bytes.replace(at, 4, number(4));
                    break;
                case 3:
                    bytes.replace(at, 2, number(2));
                    break;
                case 4:
                    bytes.resize(at);
                    break;
                case 5:
                    bytes.erase(at, 1 + below(16));
                    break;
                case 6: {
                    const std::string& other = others[below(others.size())];
                    const std::size_t from = below(other.size());
                    bytes.insert(at, other.substr(from, below(64)));
                    break;
                }
            }
        }
        return bytes;
    }
    std::uint32_t below(std::size_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

private:
    // Lengths and tags that are at the edge of something.
    std::string number(std::size_t size) {
        static constexpr std::uint32_t kEdges[] = {0,          1,          2,          7,          8,
                                                   0x7f,       0x80,       0xff,       0x7fff,     0xffff,
                                                   0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0xe000fffe,
                                                   0xe00dfffe, 0xe0ddfffe, 0x00107fe0, 0x00050008};
        const std::uint32_t value = kEdges[below(std::size(kEdges))];
        return {reinterpret_cast<const char*>(&value), size};
    }
    std::mt19937 random_{20261123};
};

// A copy of exactly its size on the heap: one byte beyond is seen.
struct Exact {
    explicit Exact(const std::string& bytes) : data(new std::uint8_t[bytes.size()]), size(bytes.size()) {
        std::copy(bytes.begin(), bytes.end(), data.get());
    }
    core::ByteView view() const { return {data.get(), size}; }
    std::unique_ptr<std::uint8_t[]> data;
    std::size_t size;
};

}  // namespace

TEST_CASE("mutated DICOM files end with a reason or with whole pixels") {
    const auto wanted =
        Wanted::attributes({"PatientID", "PatientName", "AnatomicRegionSequence[0].CodeValue", "Rows",
                            "AnatomicRegionSequence[0].AnatomicRegionModifierSequence[1].CodeMeaning"});
    Limits limits;
    limits.pixel_bytes = 1 << 18;
    limits.inflated_bytes = 1 << 18;
    const std::unique_ptr<std::uint8_t[]> room(new std::uint8_t[limits.pixel_bytes]);
    const std::vector<std::string> seeds = test::seeds();
    Mutator mutate;
    std::vector<int> seen(static_cast<std::size_t>(Reason::count_));
    for (int i = 0; i < rounds(60'000, 15'000); ++i) {
        const std::string bytes = mutate(seeds[static_cast<std::size_t>(i) % seeds.size()], seeds);
        const Exact file(bytes);
        const Record record =
            read_dicom(file.view(), wanted, limits, Depth::pixels, {room.get(), limits.pixel_bytes});
        ++seen[static_cast<std::size_t>(record.reason)];
        if (!record.ok()) continue;
        if (record.pixels.bytes.size() != record.pixels.byte_count() || record.values.size() != wanted.size())
            FAIL("round " << i << ": a Record that contradicts itself");
    }
    // The mutations reach deep: every kind of refusal is met.
    for (const Reason reason :
         {Reason::none, Reason::not_recognised, Reason::truncated, Reason::malformed,
          Reason::length_exceeds_parent, Reason::pixel_size_mismatch, Reason::decode_failed,
          Reason::pixels_too_large, Reason::missing_attribute, Reason::no_pixel_data,
          Reason::transfer_syntax_unsupported, Reason::pixel_format_unsupported})
        CHECK(seen[static_cast<std::size_t>(reason)] > 0);
}

TEST_CASE("mutated tables end, in order, with rows or reasons") {
    const auto wanted = Wanted::columns({"id", "c"});
    Limits limits;
    limits.row_bytes = 4096;
    const std::vector<std::string> seeds{"id,b,c\n1,2,3\n\"x\",\"y\"\"z\",\"a\nb\"\r\n4,5,6",
                                         "c,id\n\"\",\xe7\x8e\x8b\n,,\n1,2"};
    std::vector<std::uint8_t> room(kMessageBytes);
    Mutator mutate;
    int good = 0, bad = 0;
    for (int i = 0; i < rounds(10'000, 3'000); ++i) {
        const std::string bytes = mutate(seeds[static_cast<std::size_t>(i) % 2], seeds);
        core::Fd file(::memfd_create("table", MFD_CLOEXEC));
        core::write_all(file.get(), core::view(bytes));
        CsvReader reader(read_at(std::move(file)), bytes.size(), wanted, limits);
        Packer packer(room);
        reader.pack_rows(packer);
        Unpacker in({room.data(), packer.size()});
        std::uint64_t row = 0;
        while (in.get<std::uint8_t>()) {
            const Record record = unpack_record(in, wanted, {});
            if (record.row != ++row) FAIL("round " << i << ": rows out of order");
            ++(record.ok() ? good : bad);
        }
        if (!in.get<bool>()) FAIL("round " << i << ": no end");
    }
    CHECK(good > 1000);
    CHECK(bad > 1000);
}

TEST_CASE("a worker that was taken over cannot write what the program trips over") {
    const auto wanted = Wanted::attributes({"PatientID", "PatientName"});
    std::vector<std::uint8_t> room(1 << 16), pixels(1 << 12);
    Record record = read_dicom(core::view(test::seeds()[0]), wanted, {}, Depth::pixels, pixels);
    REQUIRE(record.ok());
    Packer packer(room);
    pack(packer, record, wanted);
    const std::string message(reinterpret_cast<const char*>(room.data()), packer.size());
    {
        Unpacker in(core::view(message));
        const Record back = unpack_record(in, wanted, pixels);
        CHECK(back.pixels.bytes.data() == pixels.data());
        CHECK(back.values[0]->bytes == record.values[0]->bytes);
    }
    Mutator mutate;
    int refused = 0;
    for (int i = 0; i < rounds(50'000, 10'000); ++i) {
        const Exact hostile(mutate(message, {message}));
        try {
            Unpacker in(hostile.view());
            const Record back = unpack_record(in, wanted, pixels);
            if (back.ok() && (back.values.size() != 2 || back.pixels.bytes.size() > pixels.size()))
                FAIL("round " << i << ": a Record beyond its memory");
        } catch (const std::logic_error&) {
            ++refused;
        }
    }
    CHECK(refused > 100);
}
