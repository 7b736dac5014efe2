#include "staging/read/dicom/dicom.h"

#include <zlib.h>

#include <catch2/catch.hpp>

#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

constexpr const char* kImplicit = "1.2.840.10008.1.2";
constexpr const char* kExplicit = "1.2.840.10008.1.2.1";
constexpr const char* kDeflated = "1.2.840.10008.1.2.1.99";
constexpr const char* kBig = "1.2.840.10008.1.2.2";

Record read(const std::string& file, const std::vector<std::string>& paths = {}, const Limits& limits = {},
            Depth depth = Depth::header) {
    static std::vector<std::uint8_t> room(1 << 20);
    return read_dicom(core::view(file), Wanted::attributes(paths), limits, depth, room);
}

// What is not wanted is stepped over; so a sequence that is broken must be one that is wanted.
Reason reason_of(const std::string& file, const Limits& limits = {}, Depth depth = Depth::header) {
    return read(file,
                {"AdmittingDiagnosesCodeSequence[0].CodeValue", "ReferencedSeriesSequence[0].Modality",
                 "ReferencedSeriesSequence[0].AdmittingDiagnosesCodeSequence[0].CodeValue"},
                limits, depth)
        .reason;
}

std::string deflated(const std::string& plain) {
    std::string out(compressBound(plain.size()), '\0');
    z_stream z{};
    REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

std::string code(const Dicom& like, const std::string& value) {
    Dicom item(like);
    return item.text(0x00080100, "SH", value).data_set();
}

}  // namespace

TEST_CASE("the same data set reads the same in every transfer syntax") {
    const std::string syntax = GENERATE(kImplicit, kExplicit, kDeflated, kBig);
    const bool defined = GENERATE(false, true);
    const Dicom empty(syntax == kDeflated ? kExplicit : syntax);
    Dicom file(empty);
    file.text(0x00080005, "CS", "ISO_IR 192").text(0x00080060, "CS", "MR");
    file.sequence(0x00081084, {code(empty, "first"), code(empty, "second")}, defined);
    file.text(0x00100010, "PN", "Wang^Xiaodong").text(0x00100020, "LO", "");
    file.u16(0x00280010, 0x0102);
    file.element(0x00280106, "US", file.word(0xfffe));
    const std::string bytes =
        syntax == kDeflated ? Dicom(kDeflated).raw(deflated(file.data_set())).file() : file.file();

    const Record record =
        read(bytes, {"PatientName", "0010,0020", "AdmittingDiagnosesCodeSequence[1].CodeValue",
                     "AdmittingDiagnosesCodeSequence[2].CodeValue", "Rows", "PatientSex",
                     "AdmittingDiagnosesCodeSequence.CodeValue"});
    REQUIRE(record.reason == Reason::none);
    CHECK(record.facts.transfer_syntax == syntax);
    CHECK(record.facts.modality == "MR");
    CHECK(trimmed(record.values[0]->bytes) == "Wang^Xiaodong");
    CHECK_FALSE(record.values[0]->undecodable);
    CHECK(record.values[0]->vr == Vr{'P', 'N'});
    CHECK(record.values[1]->bytes.empty());
    CHECK(trimmed(record.values[2]->bytes) == "second");
    CHECK_FALSE(record.values[3]);
    CHECK(integer(*record.values[4]) == 0x0102);
    CHECK_FALSE(record.values[5]);
    CHECK(trimmed(record.values[6]->bytes) == "first");
}

TEST_CASE("values that are signed by the pixels' representation are signed") {
    const std::string syntax = GENERATE(kImplicit, kExplicit);
    Dicom file(syntax);
    file.image(1, 1, 16, 16, true).element(0x00280106, syntax == kExplicit ? "SS" : "US", file.word(0xfffe));
    const Record record = read(file.file(), {"SmallestImagePixelValue"});
    REQUIRE(record.values[0]);
    CHECK(integer(*record.values[0]) == -2);
}

TEST_CASE("private sequences and UN of undefined length are walked, and nothing of them is kept") {
    Dicom implicit(kImplicit), inner(kImplicit);
    inner.text(0x00080100, "SH", "code");
    implicit.sequence(0x00111001, {inner.data_set()});
    Dicom file;
    file.element(0x00091001, "SQ",
                 Dicom().item_head(0xfffee000, 0xffffffff) + "broken inside, but of defined length");
    // In UN of undefined length everything is implicit VR little endian.
    std::string items =
        Dicom(kImplicit).item_head(0xfffee000, static_cast<std::uint32_t>(implicit.data_set().size())) +
        implicit.data_set() + Dicom().item_head(0xfffee0dd, 0);
    file.element(0x00091002, "UN", items, 0xffffffff).text(0x00100020, "LO", "id");
    const Record record = read(file.file(), {"PatientID"});
    REQUIRE(record.reason == Reason::none);
    CHECK(trimmed(record.values[0]->bytes) == "id");
}

TEST_CASE("what is not a Part 10 file is not recognised") {
    Dicom file;
    file.text(0x00100020, "LO", "id");
    CHECK(reason_of("") == Reason::not_recognised);
    CHECK(reason_of(file.data_set()) == Reason::not_recognised);
    CHECK(reason_of(std::string(128, '\0') + "DICO" + file.file().substr(132)) == Reason::not_recognised);
    CHECK(reason_of(std::string(128, '\0') + "DICM" + file.data_set()) == Reason::missing_attribute);
}

TEST_CASE("every early end of a file is a reason, never a Record") {
    Dicom item;
    item.text(0x00080100, "SH", "code");
    Dicom file;
    file.text(0x00080060, "CS", "MR").sequence(0x00081084, {item.data_set()}, GENERATE(false, true));
    file.text(0x00100020, "LO", "id").image(2, 2).pixels("abcd");
    const std::string whole = file.file();
    REQUIRE(read(whole, {}, {}, Depth::pixels).ok());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Record record = read(whole.substr(0, size), {"PatientID"}, {}, Depth::pixels);
        CAPTURE(size, reason_name(record.reason));
        CHECK(record.reason != Reason::none);
        CHECK(record.values.empty());
    }
}

TEST_CASE("lengths are checked against what they are in") {
    Dicom item;
    item.element(0x00080100, "SH", "code", 400);  // beyond its item, inside the file
    Dicom file;
    file.sequence(0x00081084, {item.data_set()}, true).text(0x00100020, "LO", std::string(1000, 'x'));
    CHECK(reason_of(file.file()) == Reason::length_exceeds_parent);
    CHECK(reason_of(Dicom().element(0x00104000, "UT", "x", 0xfffffffe).file()) == Reason::truncated);
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", "", 0x7fffffff).file()) == Reason::truncated);
    const std::string big_item = Dicom().item_head(0xfffee000, 0x7fffffff);
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", big_item, 0xffffffff).file()) == Reason::truncated);
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", big_item).text(0x00100020, "LO", "id").file()) ==
          Reason::length_exceeds_parent);
    // A sequence that never ends, in an item that does.
    Dicom outer;
    Dicom endless;
    endless.element(0x00081084, "SQ", "", 0xffffffff);
    outer.sequence(0x00081115, {endless.data_set()}, true).text(0x00100020, "LO", "id");
    CHECK(reason_of(outer.file()) != Reason::none);
}

TEST_CASE("what breaks the rules is malformed") {
    const Dicom none;
    CHECK(reason_of(Dicom().raw(none.item_head(0xfffee000, 0)).file()) == Reason::malformed);
    CHECK(reason_of(Dicom().raw(none.item_head(0xfffee00d, 0)).file()) == Reason::malformed);
    CHECK(reason_of(Dicom().raw(none.item_head(0xfffee0dd, 0)).file()) == Reason::malformed);
    CHECK(reason_of(Dicom().element(0x00100020, "UT", "", 0xffffffff).file()) == Reason::malformed);
    // An item's delimiter in the midst of an item whose length was given; an element where an item must be.
    const std::string item = none.item_head(0xfffee000, 18) + none.item_head(0xfffee00d, 0) +
                             Dicom().text(0x00080100, "SH", "ab").data_set();
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", item).file()) == Reason::malformed);
    const std::string element = Dicom().text(0x00080100, "SH", "code").data_set();
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", element).file()) == Reason::malformed);
    // Pixel data twice over, and pixels that do not fit the transfer syntax.
    CHECK(reason_of(Dicom().image(1, 1).element(0x7fe00008, "OF", "abcd").pixels("ab").file(), {},
                    Depth::pixels) == Reason::malformed);
    CHECK(reason_of(Dicom().image(1, 1).fragments({"ab"}).file()) == Reason::malformed);
    CHECK(reason_of(Dicom("1.2.840.10008.1.2.5").image(1, 1).pixels("ab").file()) == Reason::malformed);
}

TEST_CASE("nesting, elements and fragments are counted") {
    Limits limits;
    const auto nested = [](unsigned depth) {
        std::string inside;
        for (unsigned i = 0; i < depth; ++i) {
            Dicom level;
            inside = level.sequence(0x00081084, {inside}).data_set();
        }
        return Dicom().raw(inside).file();
    };
    CHECK(reason_of(nested(64)) == Reason::none);
    CHECK(reason_of(nested(65)) == Reason::nesting_too_deep);

    limits.elements = 10;
    std::string items;
    for (int i = 0; i < 9; ++i) items += Dicom().item_head(0xfffee000, 0);
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", items).file(), limits) == Reason::none);
    items += Dicom().item_head(0xfffee000, 0);
    CHECK(reason_of(Dicom().element(0x00081084, "SQ", items).file(), limits) == Reason::too_many_elements);

    limits = {};
    limits.fragments = 3;
    const std::string rle = "1.2.840.10008.1.2.5";
    CHECK(reason_of(Dicom(rle).image(1, 1).fragments({"a", "b", "c"}).file(), limits, Depth::pixels) ==
          Reason::pixel_size_mismatch);
    CHECK(reason_of(Dicom(rle).image(1, 1).fragments({"a", "b", "c", "d"}).file(), limits, Depth::pixels) ==
          Reason::too_many_elements);
}

TEST_CASE("a wanted value has a largest size, others do not matter") {
    Limits limits;
    limits.value_bytes = 100;
    Dicom file;
    file.text(0x00100020, "LO", std::string(102, 'x'));
    CHECK(reason_of(file.file(), limits) == Reason::none);
    const Record record = read(file.file(), {"PatientID"}, limits);
    CHECK(record.reason == Reason::value_too_large);
    CHECK(record.detail == "PatientID");
    CHECK(record.values.empty());
}

TEST_CASE("deflated data sets grow to their limits and no further") {
    Dicom file;
    file.text(0x00100020, "LO", "id").element(0x00104000, "UT", std::string(3 << 20, ' '));
    const std::string bomb = Dicom(kDeflated).raw(deflated(file.data_set())).file();
    Limits limits;
    CHECK(reason_of(bomb, limits) == Reason::none);
    limits.inflated_bytes = 3 << 20;
    CHECK(reason_of(bomb, limits) == Reason::decompression_limit);
    limits = {};
    limits.inflate_ratio = 20;
    CHECK(reason_of(bomb, limits) == Reason::decompression_limit);
    CHECK(reason_of(bomb.substr(0, bomb.size() - 20)) == Reason::truncated);
    CHECK(reason_of(Dicom(kDeflated).raw("\xff\xff\xff\xff").file()) == Reason::malformed);
}

TEST_CASE("a transfer syntax that is not decoded is named, one that is unknown is not echoed") {
    const Record known = read(Dicom("1.2.840.10008.1.2.4.102").image(1, 1).fragments({"x"}).file());
    CHECK(known.reason == Reason::transfer_syntax_unsupported);
    CHECK(known.detail == "MPEG-4 AVC/H.264 High Profile / Level 4.1");
    const Record unknown = read(Dicom("1.2.A123456789").file());
    CHECK(unknown.reason == Reason::transfer_syntax_unsupported);
    CHECK(unknown.detail.find("A123456789") == std::string::npos);
}
