#include "staging/read/codec/codec.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "staging/read/dicom/dicom.h"
#include "staging/read/encode.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;
using test::Picture;

namespace {

// A codec without loss: its transfer syntax, and who encodes.
struct Lossless {
    const char* uid;
    std::function<std::string(const Picture&)> encode;
    bool up_to_16;
};

std::vector<Lossless> codecs() {
    const auto deflate = [](const Picture& picture) {
        return test::deflated_frame(picture, picture.bits > 8 ? 16 : 8);
    };
    return {{"1.2.840.10008.1.2.4.57", [](const Picture& p) { return test::jpeg_lossless(p, 6); }, true},
            {"1.2.840.10008.1.2.4.70", [](const Picture& p) { return test::jpeg_lossless(p); }, true},
            {"1.2.840.10008.1.2.4.80", [](const Picture& p) { return test::jpeg_ls(p); }, true},
            {"1.2.840.10008.1.2.4.80", [](const Picture& p) { return test::jpeg_ls(p, p.bits == 8); }, true},
            {"1.2.840.10008.1.2.4.90", [](const Picture& p) { return test::jpeg_2000(p); }, true},
            {"1.2.840.10008.1.2.4.201", [](const Picture& p) { return test::jpeg_2000(p); }, true},
            {"1.2.840.10008.1.2.4.110", [](const Picture& p) { return test::jpeg_xl(p); }, true},
            {"1.2.840.10008.1.2.8.1", deflate, true}};
}

Dicom file_of(const char* uid, const Picture& picture, const std::vector<std::string>& fragments,
              bool is_signed = false, const std::string& frames = "", unsigned allocated = 0) {
    if (!allocated) allocated = picture.bits > 8 ? 16 : 8;
    Dicom file(uid);
    return file
        .image(picture.rows, picture.columns, allocated, picture.bits, is_signed, picture.samples,
               picture.samples == 3 ? "RGB" : "MONOCHROME2", 0, frames)
        .fragments(fragments);
}

struct Read {
    Record record;
    std::string bytes;
};
Read read(const Dicom& file) {
    static std::vector<std::uint8_t> room(4 << 20);
    Limits limits;
    limits.pixel_bytes = room.size();
    Read result{read_dicom(core::view(file.file()), {}, limits, Depth::pixels, room), {}};
    result.bytes = core::text(result.record.pixels.bytes);
    return result;
}

}  // namespace

TEST_CASE("what was compressed without loss comes back, in every size of sample") {
    for (const Lossless& codec : codecs())
        for (const unsigned bits : {8U, 10U, 12U, 16U}) {
            const Picture grey = test::picture(23, 41, 1, bits);
            CAPTURE(codec.uid, bits);
            const Read result = read(file_of(codec.uid, grey, {codec.encode(grey)}));
            REQUIRE(result.record.reason == Reason::none);
            CHECK(result.bytes == grey.bytes(bits > 8 ? 16 : 8));
        }
}

TEST_CASE("colour comes by pixel, and frame by frame") {
    for (const Lossless& codec : codecs()) {
        const Picture colour = test::picture(16, 24, 3, 8);
        const std::string frame = codec.encode(colour);
        CAPTURE(codec.uid);
        const Read result = read(file_of(codec.uid, colour, {frame, frame}, false, "2"));
        REQUIRE(result.record.reason == Reason::none);
        CHECK(result.bytes == colour.bytes(8) + colour.bytes(8));
        CHECK(result.record.pixels.photometric == "RGB");
    }
}

TEST_CASE("samples of fewer bits than they are given room for") {
    for (const Lossless& codec : codecs()) {
        const Picture grey = test::picture(9, 9, 1, 8);
        CAPTURE(codec.uid);
        // 8 bits in 16: only a codestream says how many it has; a deflated frame would be of the wrong size.
        const Read result = read(file_of(codec.uid, grey, {codec.encode(grey)}, false, "", 16));
        if (codec.uid == std::string("1.2.840.10008.1.2.8.1")) {
            CHECK(result.record.reason == Reason::decode_failed);
            continue;
        }
        REQUIRE(result.record.reason == Reason::none);
        CHECK(result.bytes == grey.bytes(16));
    }
}

TEST_CASE("a signed sample is signed whatever its codestream says") {
    Picture grey = test::picture(4, 4, 1, 12);
    grey.values[0] = 0x800;  // -2048
    grey.values[1] = 0xfff;  // -1
    grey.values[2] = 0x7ff;
    Picture extended = grey;
    for (auto& value : extended.values)
        if (value & 0x800) value |= 0xf000;
    for (const std::string& jpeg : {test::jpeg_2000(grey), test::jpeg_2000(grey, true)})
        CHECK(read(file_of("1.2.840.10008.1.2.4.90", grey, {jpeg}, true)).bytes == extended.bytes(16));
    CHECK(read(file_of("1.2.840.10008.1.2.4.80", grey, {test::jpeg_ls(grey)}, true)).bytes ==
          extended.bytes(16));
    CHECK(read(file_of("1.2.840.10008.1.2.4.70", grey, {test::jpeg_lossless(grey)}, true)).bytes ==
          extended.bytes(16));
    // And unsigned, though its codestream is signed.
    CHECK(read(file_of("1.2.840.10008.1.2.4.90", grey, {test::jpeg_2000(grey, true)})).bytes ==
          grey.bytes(16));
}

TEST_CASE("bits above BitsStored do not survive compression either") {
    Picture full = test::picture(8, 8, 1, 16);
    Picture kept = full;
    for (auto& value : kept.values) value &= 0xfff;
    for (const Lossless& codec : codecs()) {
        Dicom file(codec.uid);
        file.image(8, 8, 16, 12).fragments({codec.encode(full)});
        CAPTURE(codec.uid);
        CHECK(read(file).bytes == kept.bytes(16));
    }
}

TEST_CASE("JPEG of 12 bits") {
    const Picture grey = [] {
        Picture smooth = test::picture(16, 16, 1, 12);
        for (unsigned i = 0; i < 256; ++i) smooth.values[i] = static_cast<std::uint16_t>(200 + 9 * i);
        return smooth;
    }();
    const Read result = read(file_of("1.2.840.10008.1.2.4.51", grey, {test::jpeg_12_bits(grey)}));
    REQUIRE(result.record.reason == Reason::none);
    for (std::size_t i = 0; i < 256; ++i) {
        std::uint16_t value;
        std::memcpy(&value, result.bytes.data() + 2 * i, 2);
        CHECK(std::abs(value - grey.values[i]) <= 2);
    }
}

TEST_CASE("a codestream of another shape than the data set's is refused") {
    for (const Lossless& codec : codecs()) {
        const Picture grey = test::picture(12, 16, 1, 12), colour = test::picture(12, 16, 3, 8);
        const std::string frame = codec.encode(grey);
        CAPTURE(codec.uid);
        const auto refuses = [&](const Picture& said, const std::string& bytes) {
            const Read result = read(file_of(codec.uid, said, {bytes}));
            CHECK(result.record.reason == Reason::decode_failed);
            CHECK_FALSE(result.record.detail.empty());
        };
        Picture said = grey;
        said.rows = 13;
        refuses(said, frame);
        said = grey;
        said.rows = 16;
        said.columns = 12 + 5;
        refuses(said, frame);
        said = grey;
        said.bits = 8;  // 12 bits do not fit 8
        refuses(said, frame);
        refuses(colour, frame);
        refuses(test::picture(12, 16, 1, 8), codec.encode(colour));
        refuses(grey, "nothing of the kind");
        refuses(grey, "");
    }
}

TEST_CASE(
    "a frame cut anywhere, or damaged, is refused or another picture of the same shape, never a crash") {
    for (const Lossless& codec : codecs()) {
        const Picture grey = test::picture(30, 30, 1, 12);
        const std::string whole = codec.encode(grey);
        CAPTURE(codec.uid);
        const std::size_t step = std::max<std::size_t>(1, whole.size() / 60);
        // The last bytes may be padding and an end marker.
        for (std::size_t size = 0; size + 12 < whole.size(); size += step) {
            CAPTURE(size, whole.size());
            const Reason reason = read(file_of(codec.uid, grey, {whole.substr(0, size)})).record.reason;
            CHECK(reason == Reason::decode_failed);
        }
        std::uint32_t noise = 7;
        for (int i = 0; i < 200; ++i) {
            std::string damaged = whole;
            for (int k = 0; k < 3; ++k) {
                noise = noise * 1664525 + 1013904223;
                damaged[noise % damaged.size()] = static_cast<char>(noise >> 24);
            }
            const Read result = read(file_of(codec.uid, grey, {damaged}));
            CHECK((result.record.ok() || result.record.reason == Reason::decode_failed));
            if (result.record.ok()) CHECK(result.bytes.size() == grey.values.size() * 2);
        }
    }
}

TEST_CASE("more codestreams than frames are not lost, and fragments of one frame are joined") {
    for (const Lossless& codec : codecs()) {
        const Picture grey = test::picture(30, 30, 1, 8);
        const std::string whole = codec.encode(grey);
        CAPTURE(codec.uid);
        // NumberOfFrames is absent; the fragments say that there are two.
        CHECK(read(file_of(codec.uid, grey, {whole, whole})).record.reason == Reason::pixel_size_mismatch);
        CHECK(read(file_of(codec.uid, grey, {whole, whole, whole}, false, "2")).record.reason ==
              Reason::pixel_size_mismatch);
        if (codec.uid == std::string("1.2.840.10008.1.2.8.1")) continue;  // a fragment is a frame
        const std::string first = whole.substr(0, whole.size() / 2), second = whole.substr(whole.size() / 2);
        CHECK(read(file_of(codec.uid, grey, {first, second})).bytes == grey.bytes(8));
        CHECK(read(file_of(codec.uid, grey, {first, second, whole}, false, "2")).bytes ==
              grey.bytes(8) + grey.bytes(8));
    }
}

TEST_CASE("single bits, packed frame by frame and then compressed") {
    const Picture packed{1, 2, 1, 8, {0x15, 0x02}};  // ten bits of a frame
    Picture bits = test::picture(2, 5, 1, 8);
    bits.values = {1, 0, 1, 0, 1, 0, 0, 0, 0, 1};
    std::string rle(64, '\0');
    rle[0] = 1;
    rle[4] = 64;
    rle += std::string("\x01\x15\x02\x80", 4);
    Picture one = bits;
    one.bits = 1;
    const std::vector<std::pair<const char*, std::string>> frames{
        {"1.2.840.10008.1.2.8.1", test::deflated_frame(packed, 8)},
        {"1.2.840.10008.1.2.5", rle},
        {"1.2.840.10008.1.2.4.90", test::jpeg_2000(one)}};
    for (const auto& [uid, frame] : frames) {
        Dicom file(uid);
        file.image(2, 5, 1, 1, false, 1, "MONOCHROME2", 0, "2").fragments({frame, frame});
        const Read result = read(file);
        CAPTURE(uid, result.record.detail);
        REQUIRE(result.record.reason == Reason::none);
        CHECK(result.bytes == bits.bytes(8) + bits.bytes(8));
    }
}
