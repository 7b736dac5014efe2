#include "hostile/seeds.h"

#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
// clang-format off
#include <jpeglib.h>
// clang-format on

#include "staging/read/encode.h"
#include "staging/read/make_dicom.h"

namespace test {
namespace {

std::string jpeg(unsigned rows, unsigned columns, int components) {
    jpeg_compress_struct out{};
    jpeg_error_mgr errors;
    out.err = jpeg_std_error(&errors);
    jpeg_create_compress(&out);
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&out, &bytes, &size);
    out.image_width = columns;
    out.image_height = rows;
    out.input_components = components;
    out.in_color_space = components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&out);
    jpeg_start_compress(&out, TRUE);
    std::vector<unsigned char> row(columns * static_cast<unsigned>(components), 77);
    while (out.next_scanline < rows) {
        row[out.next_scanline % row.size()] = static_cast<unsigned char>(13 * out.next_scanline);
        JSAMPROW line[] = {row.data()};
        jpeg_write_scanlines(&out, line, 1);
    }
    jpeg_finish_compress(&out);
    std::string result(reinterpret_cast<char*>(bytes), size);
    jpeg_destroy_compress(&out);
    std::free(bytes);
    return result;
}

std::string rle(std::size_t segments, const std::string& segment) {
    const Dicom little;
    const auto u32 = [&](std::size_t v) {
        return little.word(static_cast<std::uint16_t>(v)) + little.word(static_cast<std::uint16_t>(v >> 16));
    };
    std::string head = u32(segments), body;
    for (std::size_t i = 0; i < segments; ++i) {
        head += u32(64 + body.size());
        body += segment;
    }
    head.resize(64, '\0');
    return head + body;
}

// The attributes around an image, with nested sequences; `like` gives the transfer syntax.
Dicom patient(const std::string& syntax, bool defined) {
    Dicom code(syntax), outer(syntax), file(syntax);
    code.text(0x00080100, "SH", "T-D3000").text(0x00080102, "SH", "SRT").text(0x00080104, "LO", "Chest");
    outer.sequence(0x00082220, {code.data_set(), code.data_set()}, defined);
    file.text(0x00080005, "CS", "ISO_IR 192")
        .text(0x00080008, "CS", "ORIGINAL\\PRIMARY")
        .text(0x00080060, "CS", "MR");
    file.sequence(0x00082218, {outer.data_set()}, defined).text(0x00090010, "LO", "PRIVATE");
    file.text(0x00100010, "PN", "Wang^Xiaodong").text(0x00100020, "LO", "A123456789");
    return file;
}

}  // namespace

std::vector<std::string> seeds() {
    const std::string implicit = "1.2.840.10008.1.2", little = "1.2.840.10008.1.2.1",
                      big = "1.2.840.10008.1.2.2";
    std::vector<std::string> files;
    for (const std::string& syntax : {implicit, little, big})
        for (const bool defined : {false, true}) {
            files.push_back(
                patient(syntax, defined).image(3, 4, 16, 12, true).pixels(std::string(24, '\x12')).file());
            files.push_back(patient(syntax, defined)
                                .image(2, 2, 8, 8, false, 3, "YBR_FULL", 1, "2")
                                .pixels(std::string(24, 'y'))
                                .file());
        }
    files.push_back(
        patient(little, false).image(4, 4, 1, 1, false, 1, "MONOCHROME2", 0, "3").pixels("abcdef").file());
    files.push_back(patient(little, false)
                        .image(2, 2, 8, 8, false, 3, "YBR_FULL_422")
                        .pixels(std::string(8, 'y'))
                        .file());
    files.push_back(
        Dicom("1.2.840.10008.1.2.1.99")
            .raw(deflated(patient(little, true).image(3, 4, 16).pixels(std::string(24, 'x')).data_set()))
            .file());
    const std::string literal = std::string(1, '\x05') + "abcdef", run = std::string("\xfb\x07", 2);
    files.push_back(Dicom("1.2.840.10008.1.2.5").image(3, 4, 16).fragments({rle(2, literal + run)}).file());
    files.push_back(Dicom("1.2.840.10008.1.2.5")
                        .image(3, 4, 8, 8, false, 3, "RGB", 0, "2")
                        .fragments({rle(3, literal + run), rle(3, run + literal)})
                        .file());
    files.push_back(Dicom("1.2.840.10008.1.2.4.50").image(9, 17).fragments({jpeg(9, 17, 1)}).file());
    files.push_back(Dicom("1.2.840.10008.1.2.4.50")
                        .image(9, 17, 8, 8, false, 3, "YBR_FULL", 0, "2")
                        .fragments({jpeg(9, 17, 3), jpeg(9, 17, 3)})
                        .file());

    const std::string jpegs = "1.2.840.10008.1.2.4.";
    const Picture grey = picture(9, 11, 1, 12), colour = picture(9, 11, 3, 8);
    const auto compressed = [&](const std::string& syntax, const std::string& of_grey,
                                const std::string& of_colour) {
        files.push_back(Dicom(syntax).image(9, 11, 16, 12, true).fragments({of_grey}).file());
        if (!of_colour.empty())
            files.push_back(Dicom(syntax).image(9, 11, 8, 8, false, 3, "RGB").fragments({of_colour}).file());
    };
    compressed(jpegs + "51", jpeg_12_bits(grey), "");
    compressed(jpegs + "57", jpeg_lossless(grey, 4), jpeg_lossless(colour, 7));
    compressed(jpegs + "70", jpeg_lossless(picture(9, 11, 1, 16)), "");
    compressed(jpegs + "80", jpeg_ls(grey), jpeg_ls(colour));
    compressed(jpegs + "80", jpeg_ls(grey), jpeg_ls(colour, true));
    compressed(jpegs + "90", jpeg_2000(grey, true), jpeg_2000(colour));
    compressed(jpegs + "110", jpeg_xl(grey), jpeg_xl(colour));
    compressed("1.2.840.10008.1.2.8.1", deflated_frame(grey, 16), deflated_frame(colour, 8));

    // A palette, a functional group of each frame, text with escape sequences.
    const std::string table = "abcdefgh", descriptor("\x08\0\0\0\x08\0", 6);
    Dicom palette;
    palette.text(0x00080005, "CS", "\\ISO 2022 IR 87").text(0x00100010, "PN", "A^\x1b$B;3ED\x1b(B");
    palette.image(1, 2, 8, 8, false, 1, "PALETTE COLOR", 0, "2");
    for (unsigned i = 0; i < 3; ++i) palette.element(0x00281101 + i, "US", descriptor);
    for (unsigned i = 0; i < 3; ++i) palette.element(0x00281201 + i, "OW", table);
    std::vector<std::string> groups;
    for (const std::string position : {"0\\0\\1", "0\\0\\2"}) {
        Dicom plane, group;
        plane.text(0x00200032, "DS", position);
        group.sequence(0x00209113, {plane.data_set()});
        groups.push_back(group.data_set());
    }
    files.push_back(palette.sequence(0x52009230, groups).pixels(std::string("\0\1\2\3", 4), "OB").file());

    // A segmentation, with what its frames show and name; and values that a table has.
    const auto in = [](std::uint32_t tag, const std::vector<std::string>& items) {
        return Dicom().sequence(tag, items).data_set();
    };
    Dicom segmentation, segment, code, source, lut, scaled;
    code.text(0x00080100, "SH", "52988006").text(0x00080102, "SH", "SCT");
    segment.u16(0x00620004, 1).sequence(0x0062000f, {code.data_set()});
    source.text(0x00081155, "UI", "1.2.3").text(0x00081160, "IS", "1");
    segmentation.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.66.4")
        .sequence(0x00081115, {in(0x0008114a, {source.data_set()})})
        .image(2, 4, 1, 1, false, 1, "MONOCHROME2", 0, "2")
        .text(0x00620001, "CS", "BINARY")
        .sequence(0x00620002, {segment.data_set()});
    for (std::string& group : groups)
        group = in(0x00089124, {in(0x00082112, {source.data_set()})}) + group +
                in(0x0062000a, {Dicom().u16(0x0062000b, 1).data_set()});
    files.push_back(segmentation.sequence(0x52009230, groups).pixels("ab", "OB").file());
    // A label map with colours.
    Dicom label_map;
    label_map.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.66.7")
        .image(2, 4, 16, 16, false, 1, "PALETTE COLOR", 0, "2")
        .text(0x00620001, "CS", "LABELMAP")
        .sequence(0x00620002, {segment.data_set()});
    files.push_back(label_map.sequence(0x52009230, groups).pixels(std::string(32, '\1'), "OW").file());
    lut.element(0x00283002, "US", lut.word(4) + lut.word(7) + lut.word(16))
        .text(0x00283004, "LO", "HU")
        .element(0x00283006, "OW", table);
    scaled.image(1, 2, 16).sequence(0x00283000, {lut.data_set()});
    files.push_back(scaled.pixels("abcd").file());
    return files;
}

std::string large_seed() {
    std::vector<std::string> items;
    Dicom code;
    code.text(0x00080100, "SH", "T-D3000").text(0x00080104, "LO", "Chest");
    for (int i = 0; i < 400; ++i) {
        Dicom item;
        item.sequence(0x00082218, {code.data_set(), code.data_set()}, i % 2);
        items.push_back(item.data_set());
    }
    Dicom file;
    file.text(0x00080005, "CS", "ISO_IR 192").text(0x00080060, "CS", "MR").sequence(0x00081115, items, false);
    file.text(0x00090010, "LO", "PRIVATE").element(0x00091001, "OB", std::string(3000, 'p'));
    file.text(0x00100010, "PN", "Wang^Xiaodong").text(0x00100020, "LO", "A123456789").image(200, 200, 16, 12);
    return file.sequence(0x00400275, items, true).pixels(std::string(80000, '\x05')).file();
}

std::string deflated(const std::string& plain) {
    std::string out(compressBound(plain.size()) + 64, '\0');
    z_stream z{};
    if (deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("zlib");
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("zlib");
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

std::string deflated_zeros(std::size_t bytes) {
    const std::string block(1 << 20, '\0');
    std::string out(bytes / 900 + (1 << 20), '\0');
    z_stream z{};
    if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("zlib");
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    for (std::size_t done = 0; done < bytes; done += block.size()) {
        z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(block.data()));
        z.avail_in = static_cast<uInt>(block.size());
        if (deflate(&z, done + block.size() >= bytes ? Z_FINISH : Z_NO_FLUSH) < 0)
            throw std::runtime_error("zlib");
    }
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

}  // namespace test
