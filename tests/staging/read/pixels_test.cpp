#include "staging/read/dicom/pixels.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

constexpr const char* kExplicit = "1.2.840.10008.1.2.1";
constexpr const char* kBig = "1.2.840.10008.1.2.2";
constexpr const char* kRleUid = "1.2.840.10008.1.2.5";

struct Read {
    Record record;
    std::vector<std::uint8_t> bytes;
    Reason reason() const { return record.reason; }
    template <class Number>
    std::vector<Number> as() const {
        std::vector<Number> out(bytes.size() / sizeof(Number));
        std::memcpy(out.data(), bytes.data(), out.size() * sizeof(Number));
        return out;
    }
};

Read read(const Dicom& file, const Limits& limits = {}) {
    static std::vector<std::uint8_t> room(1 << 20, 0xee);
    Read result{read_dicom(core::view(file.file()), {}, limits, Depth::pixels, room), {}};
    const auto pixels = result.record.pixels.bytes;
    result.bytes.assign(pixels.begin(), pixels.end());
    if (result.record.ok()) CHECK(result.record.pixels.sha256 == core::sha256(pixels));
    return result;
}

Reason reason_of(const Dicom& file, const Limits& limits = {}) {
    return read(file, limits).reason();
}

std::string words(const Dicom& like, const std::vector<std::uint16_t>& values) {
    std::string out;
    for (const auto value : values) out += like.word(value);
    return out;
}

std::string u32le(std::uint32_t value) {
    const Dicom little;
    return little.word(static_cast<std::uint16_t>(value)) +
           little.word(static_cast<std::uint16_t>(value >> 16));
}

std::string rle_frame(const std::vector<std::string>& segments) {
    std::string head = u32le(static_cast<std::uint32_t>(segments.size())), body;
    for (const std::string& segment : segments) {
        head += u32le(static_cast<std::uint32_t>(64 + body.size()));
        body += segment;
    }
    head.resize(64, '\0');
    return head + body;
}

std::string literal(const std::string& bytes) {
    return static_cast<char>(bytes.size() - 1) + bytes;
}

}  // namespace

TEST_CASE("bits above BitsStored never leave the file") {
    const std::string syntax = GENERATE(kExplicit, kBig);
    Dicom file(syntax);
    file.image(1, 4, 16, 12, false).pixels(words(file, {0xf123, 0x0fff, 0x1000, 0xabcd}));
    CHECK(read(file).as<std::uint16_t>() == std::vector<std::uint16_t>{0x123, 0xfff, 0, 0xbcd});

    Dicom is_signed(syntax);
    is_signed.image(1, 4, 16, 12, true).pixels(words(file, {0xf123, 0x0fff, 0x0800, 0xa7ff}));
    CHECK(read(is_signed).as<std::int16_t>() == std::vector<std::int16_t>{0x123, -1, -2048, 0x7ff});
    CHECK(read(is_signed).record.pixels.type == PixelType::i16);

    Dicom bytes(kExplicit);
    bytes.image(1, 2, 8, 7).pixels("\xff\x81", "OB");
    CHECK(read(bytes).bytes == std::vector<std::uint8_t>{0x7f, 0x01});
}

TEST_CASE("bytes after the last frame are dropped") {
    Dicom file;
    file.image(1, 2, 8).pixels("abA123456789", "OB");
    CHECK(read(file).bytes == std::vector<std::uint8_t>{'a', 'b'});
}

TEST_CASE("8-bit samples in big-endian words are put in order") {
    Dicom file(kBig);
    file.image(1, 3, 8).pixels(std::string("bad\0", 4).replace(2, 2, std::string("\0c", 2)), "OW");
    CHECK(read(file).bytes == std::vector<std::uint8_t>{'a', 'b', 'c'});
    Dicom odd(kBig);
    odd.image(1, 3, 8).pixels("abc", "OW");  // the third byte's partner is missing
    CHECK(reason_of(odd) == Reason::pixel_size_mismatch);
    Dicom bytes(kBig);
    bytes.image(1, 3, 8).pixels(std::string("abc\0", 4), "OB");
    CHECK(read(bytes).bytes == std::vector<std::uint8_t>{'a', 'b', 'c'});
}

TEST_CASE("planes are interleaved, frame by frame") {
    Dicom file;
    file.image(1, 2, 8, 8, false, 3, "RGB", 1, "2").pixels("rRgGbBsShHcC", "OB");
    const Read result = read(file);
    CHECK(core::text(result.bytes) == "rgbRGBshcSHC");
    CHECK(result.record.pixels.frames == 2);
    CHECK(result.record.pixels.samples == 3);
    Dicom words16(kBig);
    words16.image(1, 2, 16, 16, false, 3, "RGB", 1).pixels(words(words16, {1, 2, 3, 4, 5, 6}));
    CHECK(read(words16).as<std::uint16_t>() == std::vector<std::uint16_t>{1, 3, 5, 2, 4, 6});
}

TEST_CASE("single bits are unpacked across frames, lowest first") {
    Dicom file;
    file.image(1, 5, 1, 1, false, 1, "MONOCHROME2", 0, "2").pixels(std::string("\x15\x02", 2), "OB");
    CHECK(read(file).bytes == std::vector<std::uint8_t>{1, 0, 1, 0, 1, 0, 0, 0, 0, 1});
    Dicom ambiguous(kBig);
    ambiguous.image(1, 5, 1).pixels(std::string("\x15\x02", 2), "OW");
    CHECK(reason_of(ambiguous) == Reason::pixel_format_unsupported);
}

TEST_CASE("YBR becomes RGB by PS3.3's equations") {
    // Pairs of YBR_FULL and RGB for the 100 % colour bars (ISO/IEC 10918-5, rounded).
    Dicom file;
    file.image(1, 4, 8, 8, false, 3, "YBR_FULL", 0)
        .pixels(std::string("\x4c\x55\xff"
                            "\x95\x2b\x15"
                            "\x1d\xff\x6b"
                            "\x80\x80\x80",
                            12),
                "OB");
    const Read result = read(file);
    CHECK(result.bytes == std::vector<std::uint8_t>{254, 0, 0, 0, 255, 0, 0, 0, 254, 128, 128, 128});
    CHECK(result.record.pixels.photometric == "RGB");
    Dicom half;
    half.image(1, 2, 8, 8, false, 3, "YBR_FULL_422", 0).pixels(std::string("\x10\x20\x80\x80", 4), "OB");
    CHECK(read(half).bytes == std::vector<std::uint8_t>{16, 16, 16, 32, 32, 32});
    Dicom whole;  // as large as without subsampling
    whole.image(1, 2, 8, 8, false, 3, "YBR_FULL_422", 0).pixels("abcdef", "OB");
    CHECK(reason_of(whole) == Reason::pixel_size_mismatch);
}

TEST_CASE("floating point pixels come as they are") {
    Dicom file;
    const float value = 1.5F;
    file.image(1, 1, 32).element(0x7fe00008, "OF", {reinterpret_cast<const char*>(&value), 4});
    CHECK(read(file).as<float>() == std::vector<float>{1.5F});
    CHECK(read(file).record.pixels.type == PixelType::f32);
}

TEST_CASE("RLE planes are put together, most significant byte first") {
    Dicom file(kRleUid);
    file.image(1, 3, 16, 16).fragments({rle_frame({literal("\x01\x02\x03"), std::string("\xfe\x07", 2)})});
    CHECK(read(file).as<std::uint16_t>() == std::vector<std::uint16_t>{0x107, 0x207, 0x307});
    Dicom colour(kRleUid);
    colour.image(1, 2, 8, 8, false, 3, "RGB", 0)
        .fragments({rle_frame({literal("rR"), literal("gG"), std::string("\x80", 1) + literal("bB")})});
    CHECK(core::text(read(colour).bytes) == "rgbRGB");
    Dicom frames(kRleUid);
    frames.image(1, 2, 8, 8, false, 1, "MONOCHROME2", 0, "2")
        .fragments({rle_frame({literal("ab")}), rle_frame({literal("cd")})});
    CHECK(core::text(read(frames).bytes) == "abcd");
}

TEST_CASE("RLE that breaks its bounds is refused") {
    const auto refuses = [](const std::string& frame) {
        Dicom file(kRleUid);
        file.image(2, 2, 8).fragments({frame});
        CHECK(reason_of(file) == Reason::decode_failed);
    };
    const std::string good = rle_frame({literal("abcd")});
    Dicom file(kRleUid);
    REQUIRE(reason_of(file.image(2, 2, 8).fragments({good})) == Reason::none);
    refuses("");
    refuses(good.substr(0, 63));
    for (std::size_t size = 64; size < good.size(); ++size) refuses(good.substr(0, size));
    refuses(rle_frame({literal("ab"), literal("cd")}));            // two planes for one
    refuses(rle_frame({literal("abc")}));                          // too few
    refuses(rle_frame({std::string("\xfe", 1)}));                  // a run without its byte
    refuses(rle_frame({std::string("\x7f", 1) + "ab"}));           // a literal beyond the segment
    refuses(u32le(1) + u32le(63) + std::string(60, 'x'));          // a segment inside the header
    refuses(u32le(1) + u32le(0xffffffff) + std::string(60, 'x'));  // a segment beyond the frame
    refuses(rle_frame({std::string(5000, '\x80')}));               // nothing but no-operations
    Dicom wide(kRleUid);                                           // offsets that go back
    std::string frame = rle_frame({literal("abcd"), literal("abcd")});
    frame.replace(8, 4, u32le(64)).replace(4, 4, u32le(70));
    CHECK(reason_of(wide.image(2, 2, 16).fragments({frame})) == Reason::decode_failed);
}

TEST_CASE("fragments belong to frames by what begins them, and tables must agree") {
    PixelSource source;
    const std::string begins = rle_frame({literal("ab")}), more = "cdef";
    const auto size = static_cast<std::uint32_t>(begins.size() + 8);
    source.fragments = {core::view(begins), core::view(more), core::view(begins)};
    const auto firsts = [&](std::uint32_t frames) {
        std::vector<std::size_t> out;
        for (const Range range : frame_fragments(source, frames, kRle)) out.push_back(range.first);
        return out;
    };
    CHECK(firsts(3) == std::vector<std::size_t>{0, 1, 2});
    CHECK(firsts(2) == std::vector<std::size_t>{0, 2});
    CHECK_THROWS(firsts(1));  // another frame would be lost
    CHECK_THROWS(firsts(4));
    const std::string table = u32le(0) + u32le(size + 12);
    source.offset_table = core::view(table);
    CHECK(firsts(2) == std::vector<std::size_t>{0, 2});
    const std::string lying = u32le(0) + u32le(size);
    source.offset_table = core::view(lying);
    CHECK_THROWS(firsts(2));
    source.offset_table = {};
    source.fragments = {core::view(begins), core::view(more)};
    CHECK(firsts(1) == std::vector<std::size_t>{0});
    source.fragments = {core::view(more), core::view(begins)};
    CHECK_THROWS(firsts(1));
}

TEST_CASE("sizes are checked before anything is decoded") {
    Limits limits;
    limits.pixel_bytes = 1 << 20;
    CHECK(reason_of(Dicom().image(65535, 65535, 32).pixels("ab"), limits) == Reason::pixels_too_large);
    CHECK(reason_of(Dicom().image(1, 1, 8, 8, false, 1, "MONOCHROME2", 0, "4294967295").pixels("ab"),
                    limits) == Reason::pixels_too_large);
    const std::vector<std::string> wrong{"0", "-1", "4294967296", "1e3", "99999999999999999999", "two"};
    for (const std::string& frames : wrong)
        CHECK(reason_of(Dicom().image(1, 1, 8, 8, false, 1, "MONOCHROME2", 0, frames).pixels("ab")) ==
              Reason::pixel_size_mismatch);
    CHECK(reason_of(Dicom().image(0, 1).pixels("ab")) == Reason::pixel_size_mismatch);
    CHECK(reason_of(Dicom().image(1, 0).pixels("ab")) == Reason::pixel_size_mismatch);
    CHECK(reason_of(Dicom().image(2, 2).pixels("ab")) == Reason::pixel_size_mismatch);
    CHECK(reason_of(Dicom(kRleUid).image(2, 2, 8, 8, false, 1, "MONOCHROME2", 0, "2").fragments({"x"})) ==
          Reason::pixel_size_mismatch);
    CHECK(reason_of(Dicom(kRleUid).image(2, 2).fragments({})) == Reason::pixel_size_mismatch);
}

TEST_CASE("formats that are not read say which attribute it is") {
    const auto detail = [](const Dicom& file, Reason reason) {
        const Record record = read(file).record;
        CHECK(record.reason == reason);
        return record.detail;
    };
    const auto no = Reason::pixel_format_unsupported;
    CHECK(detail(Dicom().image(1, 1, 24).pixels("abcd"), no) == "BitsAllocated");
    CHECK(detail(Dicom().image(1, 1, 64).pixels("abcdefgh"), no) == "BitsAllocated");
    CHECK(detail(Dicom().image(1, 1, 8, 9).pixels("ab"), no) == "BitsStored");
    CHECK(detail(Dicom().image(1, 1, 8, 8, false, 4, "CMYK").pixels("abcd"), no) == "SamplesPerPixel");
    CHECK(detail(Dicom().image(1, 1, 8, 8, false, 3, "YBR_ICT").pixels("abcd"), no) ==
          "PhotometricInterpretation");
    CHECK(detail(Dicom().image(1, 1, 8, 8, false, 1, "RGB").pixels("abcd"), no) ==
          "PhotometricInterpretation");
    Dicom high;
    high.u16(0x00280002, 1).text(0x00280004, "CS", "MONOCHROME2").u16(0x00280010, 1).u16(0x00280011, 1);
    Dicom missing(high);
    high.u16(0x00280100, 16).u16(0x00280101, 12).u16(0x00280102, 15).u16(0x00280103, 0).pixels("ab");
    CHECK(detail(high, no) == "HighBit");
    CHECK(detail(missing.pixels("ab"), Reason::missing_attribute) == "BitsAllocated");
    CHECK(detail(Dicom().text(0x00100020, "LO", "x"), Reason::no_pixel_data).empty());
}
