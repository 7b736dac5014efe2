#include "staging/read/dicom/palette.h"

#include <catch2/catch.hpp>

#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

std::string words(const std::vector<unsigned>& values) {
    std::string out;
    for (const unsigned value : values) out += Dicom().word(static_cast<std::uint16_t>(value));
    return out;
}

struct Tables {
    std::string descriptor, data[3];
    bool segmented = false;
};

Record read(const Tables& tables, const std::string& indices, unsigned allocated = 8,
            bool is_signed = false) {
    static std::vector<std::uint8_t> room(1 << 16);
    Dicom file;
    file.image(1, static_cast<unsigned>(indices.size() / (allocated / 8)), allocated, allocated, is_signed, 1,
               "PALETTE COLOR");
    for (unsigned i = 0; i < 3; ++i) file.element(0x00281101 + i, "US", tables.descriptor);
    for (unsigned i = 0; i < 3; ++i)
        file.element((tables.segmented ? 0x00281221 : 0x00281201) + i, "OW", tables.data[i]);
    file.pixels(indices);
    return read_dicom(core::view(file.file()), {}, {}, Depth::pixels, room);
}

std::vector<unsigned> rgb(const Record& record) {
    REQUIRE(record.reason == Reason::none);
    CHECK(record.pixels.photometric == "RGB");
    CHECK(record.pixels.samples == 3);
    CHECK(record.pixels.type == PixelType::u8);
    return {record.pixels.bytes.begin(), record.pixels.bytes.end()};
}

}  // namespace

TEST_CASE("a palette becomes RGB; what lies beside it has its first or last colour") {
    const Tables bytes{words({4, 1, 8}), {"abcd", "efgh", "ijkl"}};
    CHECK(rgb(read(bytes, std::string("\x00\x01\x02\x04\x05\xff", 6))) ==
          std::vector<unsigned>{'a', 'e', 'i', 'a', 'e', 'i', 'b', 'f', 'j', 'd', 'h', 'l', 'd', 'h', 'l',
                                'd', 'h', 'l'});
    const Tables wide{words({2, 0, 16}),
                      {words({0x1234, 0xff00}), words({0, 0x00ff}), words({0x0100, 0x0200})}};
    CHECK(rgb(read(wide, std::string("\x00\x01", 2))) == std::vector<unsigned>{0x12, 0, 1, 0xff, 0, 2});
    // Entries of 8 bits, each in a word of its own.
    const Tables loose{words({2, 0, 8}), {words({7, 8}), words({9, 10}), words({11, 12})}};
    CHECK(rgb(read(loose, std::string("\x01\x00", 2))) == std::vector<unsigned>{8, 10, 12, 7, 9, 11});
    // Signed indices, and a first one that is negative.
    const Tables below{words({3, 0xfffe, 8}), {"abc ", "abc ", "abc "}};
    CHECK(rgb(read(below, words({0xfffe, 0xffff, 0}), 16, true)) ==
          std::vector<unsigned>{'a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c'});
}

TEST_CASE("segmented palettes: discrete, linear, indirect") {
    // 10, 20, then to 50 in three steps, then all of that again.
    const std::string table = words({0, 2, 10 << 8, 20 << 8, 1, 3, 50 << 8, 2, 2, 0, 0});
    const Tables segmented{words({10, 0, 16}), {table, table, table}, true};
    std::string indices;
    for (char i = 0; i < 10; ++i) indices += i;
    std::vector<unsigned> expected;
    for (const unsigned value : {10, 20, 30, 40, 50, 10, 20, 30, 40, 50})
        expected.insert(expected.end(), 3, value);
    CHECK(rgb(read(segmented, indices)) == expected);
}

TEST_CASE("palettes that do not hold are refused") {
    const auto refused = [](const Tables& tables, Reason reason) {
        CHECK(read(tables, std::string("\x00\x01", 2)).reason == reason);
    };
    refused({words({4, 0, 8}), {"abcd", "efgh", "ij"}}, Reason::pixel_format_unsupported);
    refused({words({4, 0, 12}), {"abcd", "efgh", "ijkl"}}, Reason::pixel_format_unsupported);
    refused({words({4, 0}), {"abcd", "efgh", "ijkl"}}, Reason::missing_attribute);
    refused({words({4, 0, 8}), {"abcd", "efgh", ""}}, Reason::missing_attribute);
    const auto segments = [&](const std::vector<unsigned>& table) {
        refused({words({4, 0, 16}), {words(table), words(table), words(table)}, true},
                Reason::pixel_format_unsupported);
    };
    segments({1, 4, 9});                  // linear from nothing
    segments({0, 3, 1, 2, 3});            // too few
    segments({0, 5, 1, 2, 3, 4, 5});      // too many
    segments({0, 40000, 1});              // beyond the table
    segments({0, 1, 7, 2, 1, 6, 0});      // a segment that repeats itself
    segments({0, 1, 7, 2, 60000, 0, 0});  // a repetition beyond the palette
    segments({0, 1, 7, 3, 1, 1});         // no such kind
}
