#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

#include <catch2/catch.hpp>

#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

constexpr unsigned kRows = 24, kColumns = 40;

struct How {
    J_COLOR_SPACE in = JCS_GRAYSCALE, stored = JCS_GRAYSCALE;
    bool progressive = false, jfif = true, several_scans = false;
    unsigned rows = kRows, columns = kColumns;
};

// A smooth gradient, so that little is lost at quality 100.
std::string encode(const How& how) {
    jpeg_compress_struct jpeg{};
    jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = how.columns;
    jpeg.image_height = how.rows;
    jpeg.input_components = how.in == JCS_GRAYSCALE ? 1 : 3;
    jpeg.in_color_space = how.in;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, how.stored);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg.write_JFIF_header = how.jfif;
    for (int i = 0; i < jpeg.num_components; ++i)
        jpeg.comp_info[i].h_samp_factor = jpeg.comp_info[i].v_samp_factor = 1;
    if (how.progressive) jpeg_simple_progression(&jpeg);
    static const jpeg_scan_info scans[] = {
        {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    if (how.several_scans) {
        jpeg.scan_info = scans;
        jpeg.num_scans = 3;
    }
    jpeg_start_compress(&jpeg, TRUE);
    std::vector<unsigned char> row(std::size_t{how.columns} *
                                   static_cast<std::size_t>(jpeg.input_components));
    while (jpeg.next_scanline < jpeg.image_height) {
        for (std::size_t i = 0; i < row.size(); ++i)
            row[i] =
                static_cast<unsigned char>(40 + 3 * (i / static_cast<std::size_t>(jpeg.input_components)) +
                                           20 * (i % static_cast<std::size_t>(jpeg.input_components)));
        JSAMPROW rows[] = {row.data()};
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    std::string out(reinterpret_cast<char*>(bytes), size);
    jpeg_destroy_compress(&jpeg);
    std::free(bytes);
    return out;
}

Dicom file_of(const std::vector<std::string>& fragments, unsigned samples = 1,
              const std::string& photometric = "MONOCHROME2", unsigned rows = kRows,
              unsigned columns = kColumns, const std::string& frames = "") {
    Dicom file("1.2.840.10008.1.2.4.50");
    return file.image(rows, columns, 8, 8, false, samples, photometric, 0, frames).fragments(fragments);
}

std::vector<std::uint8_t> room(1 << 20);

Record read(const Dicom& file) {
    return read_dicom(core::view(file.file()), {}, {}, Depth::pixels, room);
}

// The largest difference between a pixel and what was encoded.
int worst(const Record& record) {
    REQUIRE(record.reason == Reason::none);
    int most = 0;
    const unsigned samples = record.pixels.samples;
    for (std::size_t i = 0; i < record.pixels.bytes.size(); ++i) {
        const int expected = static_cast<int>(40 + 3 * (i / samples % kColumns) + 20 * (i % samples));
        most = std::max(most, std::abs(record.pixels.bytes[i] - expected));
    }
    return most;
}

}  // namespace

TEST_CASE("a grey JPEG comes back") {
    CHECK(worst(read(file_of({encode({})}))) <= 1);
    const std::string jpeg = encode({});
    CHECK(worst(read(file_of({jpeg.substr(0, 300), jpeg.substr(300)}))) <= 1);  // one frame in two fragments
    const Record two = read(file_of({jpeg, jpeg}, 1, "MONOCHROME2", kRows, kColumns, "2"));
    CHECK(two.pixels.frames == 2);
    CHECK(worst(two) <= 1);
}

TEST_CASE("colour is what the markers say, then what the data set says") {
    const std::string ycc = encode({JCS_RGB, JCS_YCbCr});
    const std::string bare_ycc = encode({JCS_RGB, JCS_YCbCr, false, false});
    const std::string adobe_rgb = encode({JCS_RGB, JCS_RGB});  // libjpeg writes R, G, B as component ids
    CHECK(worst(read(file_of({ycc}, 3, "YBR_FULL_422"))) <= 3);
    CHECK(worst(read(file_of({ycc}, 3, "RGB"))) <= 3);  // the JFIF marker wins
    CHECK(worst(read(file_of({bare_ycc}, 3, "YBR_FULL"))) <= 3);
    CHECK(worst(read(file_of({adobe_rgb}, 3, "RGB"))) <= 1);
    CHECK(worst(read(file_of({adobe_rgb}, 3, "YBR_FULL_422"))) <= 1);
    CHECK(worst(read(file_of({bare_ycc}, 3, "RGB"))) > 10);  // no marker: taken at its word
    CHECK(read(file_of({ycc}, 3, "YBR_FULL_422")).pixels.photometric == "RGB");
    CHECK(worst(read(file_of({encode({JCS_RGB, JCS_YCbCr, false, true, true})}, 3, "YBR_FULL"))) <= 3);
}

TEST_CASE("a JPEG that is not what the data set says, or not baseline, is refused") {
    CHECK(read(file_of({encode({})}, 1, "MONOCHROME2", kRows, kColumns + 1)).reason == Reason::decode_failed);
    CHECK(read(file_of({encode({})}, 1, "MONOCHROME2", kRows + 1, kColumns)).reason == Reason::decode_failed);
    CHECK(read(file_of({encode({})}, 3, "RGB")).reason == Reason::decode_failed);
    CHECK(read(file_of({encode({JCS_RGB, JCS_YCbCr})})).reason == Reason::decode_failed);
    CHECK(read(file_of({encode({JCS_GRAYSCALE, JCS_GRAYSCALE, true})})).reason == Reason::decode_failed);
    CHECK(read(file_of({std::string("\xff\xd8\xff\xc0", 4)})).reason == Reason::decode_failed);
    CHECK(read(file_of({"not a JPEG"})).reason == Reason::decode_failed);
}

TEST_CASE("a JPEG cut anywhere is refused: libjpeg would make the rest up in grey") {
    const std::string whole = encode({JCS_RGB, JCS_YCbCr});
    REQUIRE(whole.substr(whole.size() - 2) == "\xff\xd9");
    for (std::size_t size = 0; size < whole.size() - 2; size += 7) {
        CAPTURE(size);
        CHECK(read(file_of({whole.substr(0, size)}, 3, "YBR_FULL")).reason == Reason::decode_failed);
    }
}

TEST_CASE("scans without end do not cost time") {
    std::string jpeg = encode({JCS_RGB, JCS_YCbCr, false, true, true});
    const std::size_t scan = jpeg.rfind("\xff\xda");  // the last component's
    const std::string again = jpeg.substr(scan, jpeg.size() - 2 - scan);
    jpeg.resize(jpeg.size() - 2);
    for (int i = 0; i < 1000; ++i) jpeg += again;
    CHECK(read(file_of({jpeg + "\xff\xd9"}, 3, "YBR_FULL")).reason == Reason::decode_failed);
}
