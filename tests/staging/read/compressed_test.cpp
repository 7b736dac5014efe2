#include "staging/read/codec/compressed.h"

#include <archive.h>
#include <archive_entry.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "staging/read/archive/archive.h"
#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/refused.h"
#include "staging/read/table/csv.h"
#include "staging/read/worker.h"
#include "support/scratch.h"

using namespace staging;

namespace {

struct Filter {
    std::string suffix;
    int (*add)(struct archive*);
};
const Filter kFilters[] = {{".gz", archive_write_add_filter_gzip},
                           {".bz2", archive_write_add_filter_bzip2},
                           {".xz", archive_write_add_filter_xz},
                           {".zst", archive_write_add_filter_zstd}};

core::Bytes compressed(core::ByteView plain, const Filter& filter) {
    core::Bytes out(plain.size() + (1 << 20));
    std::size_t used = 0;
    struct archive* writer = archive_write_new();
    REQUIRE(filter.add(writer) == ARCHIVE_OK);
    REQUIRE(archive_write_set_format_raw(writer) == ARCHIVE_OK);
    archive_write_set_bytes_per_block(writer, 0);
    REQUIRE(archive_write_open_memory(writer, out.data(), out.size(), &used) == ARCHIVE_OK);
    archive_entry* entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    REQUIRE(archive_write_header(writer, entry) == ARCHIVE_OK);
    if (!plain.empty())
        REQUIRE(archive_write_data(writer, plain.data(), plain.size()) ==
                static_cast<la_ssize_t>(plain.size()));
    REQUIRE(archive_write_close(writer) == ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(writer);
    out.resize(used);
    return out;
}

// What comes out, in pieces of `step`; or the reason.
std::string read(core::ByteView file, std::size_t step = 1000, const Limits& limits = {}) {
    const Compression* how = compression_of(file.first(std::min(file.size(), kCompressionHead)));
    if (!how) return "not compressed";
    try {
        Decompressor decompressor(*how, read_at(file), file.size(), limits);
        std::string out;
        for (core::Bytes piece(step);;) {
            const std::size_t count = decompressor.read(piece);
            if (count == 0) return out;
            out.append(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
        }
    } catch (const Refused& refused) {
        return std::string(reason_name(refused.reason));
    }
}

std::string noise(std::size_t count) {
    std::string out;
    for (std::uint32_t state = 1; out.size() < count; state = state * 1664525 + 1013904223)
        out += static_cast<char>(state >> 24);
    return out;
}

core::Bytes joined(core::ByteView a, core::ByteView b) {
    core::Bytes out(a.begin(), a.end());
    out.insert(out.end(), b.begin(), b.end());
    return out;
}

}  // namespace

TEST_CASE("what is compressed comes as it was, in pieces of any size, streams one behind the other") {
    for (const Filter& filter : kFilters) {
        INFO(filter.suffix);
        const std::string text = noise(700'000);
        const core::Bytes file = compressed(core::view(text), filter);
        CHECK(file.size() > 256 << 10);
        for (const std::size_t step : {std::size_t{1000}, std::size_t{65536}, std::size_t{1} << 21})
            CHECK(read(file, step) == text);
        CHECK(read(compressed(core::view(std::string("a,b\n")), filter), 1) == "a,b\n");
        CHECK(read(joined(file, compressed(core::view(std::string("behind")), filter))) == text + "behind");
        CHECK(read(compressed({}, filter)) == "");
    }
}

TEST_CASE("a cut, a wrong byte, something behind the end: none is taken for the whole") {
    for (const Filter& filter : kFilters) {
        INFO(filter.suffix);
        const std::string text = noise(3000);
        const core::Bytes file = compressed(core::view(text), filter);
        const auto is_refused = [](const std::string& got) {
            return got == "malformed" || got == "truncated";
        };
        for (std::size_t cut = kCompressionHead; cut < file.size(); cut += cut + 40 < file.size() ? 37 : 1) {
            INFO(cut);
            CHECK(is_refused(read(core::ByteView(file).first(cut))));
        }
        // zstd has sums only where who wrote it wanted them, and libarchive did not.
        for (std::size_t at = kCompressionHead; at < file.size() && filter.suffix != ".zst"; at += 41) {
            core::Bytes wrong = file;
            wrong[at] ^= 0x10;
            INFO(at);
            const std::string got = read(wrong);
            CHECK((is_refused(got) || got == text));
        }
        CHECK(is_refused(read(joined(file, core::view(std::string("behind"))))));
    }
}

TEST_CASE("what grows too much is refused before it is all there") {
    const core::Bytes zeros(24 << 20);
    for (const Filter& filter : kFilters) {
        INFO(filter.suffix);
        const core::Bytes bomb = compressed(zeros, filter);
        CHECK(read(bomb, 1 << 20) == "decompression_limit");
        CHECK(read(compressed(bomb, filter)).size() < bomb.size() + 1);  // twice: not looked into
    }
}

TEST_CASE("a table is read compressed as it is plain, and its digest is the file's") {
    std::string csv = "a,b\n";
    for (int i = 0; i < 8'000; ++i) csv += std::to_string(i) + ",x" + std::to_string(i * 7919 % 8'009) + "\n";
    const test::Scratch folder;
    const Readers server;
    const auto rows_of = [&](core::ByteView file, std::uint64_t& bad) {
        core::write_atomically(folder / "t", file);
        Table table(server, Wanted::of(*find_format("csv"), {"b"}), {}, Delivery(folder.path()).open("t"));
        std::vector<std::string> rows;
        bad = 0;
        for (Record row; table.next(row);)
            rows.push_back(row.ok() ? row.values[0]->bytes
                                    : std::string(reason_name(row.reason)) + " " + row.detail),
                bad += !row.ok();
        CHECK(table.file_sha256() == core::sha256(file));
        CHECK(table.file_bytes() == file.size());
        return rows;
    };
    std::uint64_t bad = 0;
    const auto plain = rows_of(core::view(csv), bad);
    REQUIRE(plain.size() == 8'000);
    for (const Filter& filter : kFilters) {
        INFO(filter.suffix);
        const core::Bytes file = compressed(core::view(csv), filter);
        CHECK(rows_of(file, bad) == plain);
        const auto cut = rows_of(core::ByteView(file).first(file.size() - 9), bad);
        CHECK(bad == 1);
        CHECK((cut.back().starts_with("malformed ") || cut.back().starts_with("truncated ")));
        CHECK(rows_of(compressed({}, filter), bad) == std::vector<std::string>{"bad_header empty"});
    }
    const core::Bytes bomb = compressed(core::Bytes(24 << 20, 'a'), kFilters[0]);
    CHECK(rows_of(bomb, bad).size() == 1);
}

TEST_CASE("a window that is larger than a table's memory is no fault of its bytes") {
    const test::Scratch folder;
    const Readers server;
    const std::string csv = "a,b\n1,x\n";
    // A frame of RFC 8878, 3.1.1: no sum, no size, a window of 2^exponent, one block as it is, the last.
    const auto first_row = [&](int exponent) {
        core::Bytes file{0x28, 0xb5, 0x2f, 0xfd, 0, static_cast<std::uint8_t>((exponent - 10) << 3)};
        const auto head = static_cast<std::uint32_t>(csv.size() << 3 | 1);
        for (int i = 0; i < 3; ++i) file.push_back(static_cast<std::uint8_t>(head >> 8 * i));
        file.insert(file.end(), csv.begin(), csv.end());
        core::write_atomically(folder / "t", core::ByteView(file));
        Table table(server, Wanted::of(*find_format("csv"), {"b"}), {}, Delivery(folder.path()).open("t"));
        Record row;
        REQUIRE(table.next(row));
        return row.ok() ? row.values[0]->bytes : std::string(reason_name(row.reason)) + " " + row.detail;
    };
    for (const int exponent : {20, 27}) CHECK(first_row(exponent) == "x");  // zstd --long is 27
    CHECK(first_row(31) == "memory_limit zstd");
}

TEST_CASE("a table whose beginning cannot be read is not a bad one") {
    const auto broken = [](std::uint8_t*, std::size_t, std::uint64_t) -> ssize_t {
        errno = EIO;
        return -1;
    };
    const Wanted wanted = Wanted::of(*find_format("csv"), {"b"});
    const Limits limits;
    // Only the beginning: what is read behind it comes, and would be taken for a table without names.
    int reads = 0;
    const auto once = [&](std::uint8_t* out, std::size_t count, std::uint64_t) -> ssize_t {
        if (reads++ == 0) return broken(out, count, 0);
        out[0] = 0x1f;
        return 1;
    };
    core::Bytes room(kMessageBytes);
    Packer message(room);
    CsvReader(once, 1, wanted, limits).pack_rows(message);
    Unpacker in(core::ByteView(room).first(message.size()));
    REQUIRE(in.get<std::uint8_t>() == 1);
    CHECK(in.get<Reason>() == Reason::io_error);
}

TEST_CASE("a beginning of text is none of a compressed file's, and names are known by their ends") {
    for (const char* text : {"BZh,name\n1,2\n", "BZh9 1,name\n", "(,b\n", "", "7zXZ,a\n"})
        CHECK(compression_of(core::view(std::string(text))) == nullptr);
    CHECK(decompressed_name("labels/a.csv.GZ") == "labels/a.csv");
    CHECK(decompressed_name("a.gz.csv") == "a.gz.csv");
    for (const char* name : {"a.zip", "a.TAR", "b/a.tar.gz", "a.tgz", "a.tar.bz2", "a.Tbz2", "a.tbz",
                             "a.tar.xz", "a.txz", "a.tar.zst", "a.tzst"})
        CHECK(is_archive_name(name));
    for (const char* name : {"a.csv.gz", "tar.gz", ".tar.gz", ".tgz", "a.tar.lz", "atar"})
        CHECK_FALSE(is_archive_name(name));
}
