// Files as writers really leave them: read where the chain of lengths still proves itself, each with its deviation.
#include <catch2/catch.hpp>

#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

constexpr const char* kImplicit = "1.2.840.10008.1.2";
constexpr const char* kRleUid = "1.2.840.10008.1.2.5";

Record read(const std::string& file, Depth depth = Depth::pixels) {
    static std::vector<std::uint8_t> room(1 << 20);
    return read_dicom(core::view(file),
                      Wanted::attributes({"PatientID", "OtherPatientIDsSequence[0].PatientID"}), {}, depth,
                      room);
}

// Read, with just this deviation, and nothing lost.
void reads(const std::string& file, Deviation deviation, const std::string& pixels = "abcd") {
    const Record record = read(file);
    CAPTURE(reason_name(record.reason), record.detail);
    REQUIRE(record.reason == Reason::none);
    CHECK(record.deviations == 1U << static_cast<unsigned>(deviation));
    REQUIRE(record.values[0]);
    CHECK(trimmed(record.values[0]->bytes) == "id");
    CHECK(core::text(record.pixels.bytes) == pixels);
    // The beginning of the file tells the same of its attributes.
    const Record header = read(file, Depth::header);
    CHECK(header.reason == Reason::none);
    CHECK(trimmed(header.values[0]->bytes) == "id");
}

Dicom head(const char* syntax = "1.2.840.10008.1.2.1") {
    Dicom file(syntax);
    return file.text(0x00080060, "CS", "MR");
}

Dicom whole() {
    return head().text(0x00100020, "LO", "id").image(2, 2).pixels("abcd", "OB");
}

// One segment of four literal bytes.
std::string rle() {
    std::string frame(64, '\0');
    frame[0] = 1;
    frame[4] = 64;
    return frame + std::string(
                       "\x03"
                       "abcd\x80",
                       6);
}

std::string as_implicit(const Dicom& explicit_file, const Dicom& implicit) {
    const std::string file = explicit_file.file();
    return file.substr(0, file.size() - explicit_file.data_set().size()) + implicit.data_set();
}

}  // namespace

TEST_CASE("a right file has no deviation") {
    CHECK(read(whole().file()).deviations == 0);
}

TEST_CASE("zeros behind the data set are padding") {
    for (const std::size_t count : {1U, 2U, 7U, 8U, 64U, 500U})
        reads(whole().file() + std::string(count, '\0'), Deviation::trailing_zeros);
    CHECK(read(whole().file() + std::string(60, '\0') + "name").reason == Reason::malformed);
    CHECK(read(whole().file() + "abc").reason == Reason::truncated);
}

TEST_CASE("encapsulated pixel data that end with the file") {
    const std::string right =
        head(kRleUid).text(0x00100020, "LO", "id").image(2, 2).fragments({rle()}).file();
    REQUIRE(read(right).deviations == 0);
    const std::string without = right.substr(0, right.size() - 8);
    reads(without, Deviation::no_sequence_delimiter);
    reads(without + std::string(100, '\0'), Deviation::no_sequence_delimiter);
    // But every frame must be there, whole.
    CHECK(read(without.substr(0, without.size() - 2)).reason == Reason::truncated);
    const std::string two = head(kRleUid)
                                .text(0x00100020, "LO", "id")
                                .image(2, 2, 8, 8, false, 1, "MONOCHROME2", 0, "2")
                                .fragments({rle()})
                                .file();
    CHECK(read(two.substr(0, two.size() - 8)).reason == Reason::pixel_size_mismatch);
}

TEST_CASE("encapsulated pixel data of defined length") {
    const std::string frame = rle();
    const Dicom none;
    const std::string items = none.item_head(0xfffee000, 0) +
                              none.item_head(0xfffee000, static_cast<std::uint32_t>(frame.size())) + frame;
    const auto file = [&](const std::string& inside) {
        return head(kRleUid)
            .text(0x00100020, "LO", "id")
            .image(2, 2)
            .element(0x7fe00010, "OB", inside)
            .file();
    };
    reads(file(items), Deviation::defined_encapsulated);
    reads(file(items + none.item_head(0xfffee0dd, 0)), Deviation::defined_encapsulated);
}

TEST_CASE("a private element of undefined length that is no sequence by its VR") {
    const Dicom none;
    Dicom inner(kImplicit);
    inner.text(0x00491002, "LO", "inside");
    const std::string undefined = none.item_head(0xfffee000, 0xffffffff) + inner.data_set() +
                                  none.item_head(0xfffee00d, 0) + none.item_head(0xfffee0dd, 0);
    const std::string raw = none.item_head(0xfffee000, 6) + "abcdef" + none.item_head(0xfffee0dd, 0);
    for (const std::string& inside : {undefined, raw}) {
        Dicom file = head().text(0x00100020, "LO", "id").image(2, 2);
        file.element(0x00491001, "OB", inside, 0xffffffff).pixels("abcd", "OB");
        reads(file.file(), Deviation::undefined_length);
    }
}

TEST_CASE("a value representation that PS3.5 does not have") {
    for (const std::string vr : {"--", "??", "XX", "  "}) {
        Dicom file = head();
        file.text(0x00100020, "LO", "id")
            .element(0x001021b0, vr, std::string(84, 't'))
            .image(2, 2)
            .pixels("abcd", "OB");
        reads(file.file(), Deviation::unknown_vr);
        // Nothing proves a length that leads nowhere.
        Dicom wrong = head();
        wrong.text(0x00100020, "LO", "id")
            .element(0x001021b0, vr, "tt", 20000)
            .image(2, 2)
            .pixels("abcd", "OB");
        CHECK(read(wrong.file()).reason == Reason::malformed);
    }
}

TEST_CASE("delimiters at the end of what has a length") {
    const Dicom none;
    Dicom item;
    item.text(0x00100020, "LO", "other");
    const std::string inside = item.data_set();
    const auto size = [](const std::string& bytes) { return static_cast<std::uint32_t>(bytes.size()); };
    const std::string end_of_item = none.item_head(0xfffee00d, 0), end = none.item_head(0xfffee0dd, 0);
    const std::string plain = none.item_head(0xfffee000, size(inside)) + inside;
    const std::vector<std::pair<std::string, std::int64_t>> sequences{
        {plain + end, -1},                                                          // in the sequence
        {none.item_head(0xfffee000, size(inside) + 8) + inside + end_of_item, -1},  // in the item
        {plain + end_of_item + end, 0xffffffff}};                                   // behind the item
    for (const auto& [bytes, length] : sequences) {
        Dicom file = head();
        file.text(0x00100020, "LO", "id")
            .element(0x00101002, "SQ", bytes, length)
            .image(2, 2)
            .pixels("abcd", "OB");
        reads(file.file(), Deviation::delimiter_in_defined);
        CHECK(trimmed(read(file.file()).values[1]->bytes) == "other");
    }
}

TEST_CASE("file meta information in implicit VR, or none at all") {
    Dicom meta(kImplicit);
    meta.text(0x00020010, "UI", "1.2.840.10008.1.2.1");
    reads(std::string(128, '\0') + "DICM" + meta.data_set() + whole().data_set(), Deviation::implicit_meta);

    const std::string file = whole().file();
    reads(file.substr(132), Deviation::no_preamble);
    reads(whole().data_set(), Deviation::no_preamble);
    const Dicom implicit = head(kImplicit).text(0x00100020, "LO", "id").image(2, 2).pixels("abcd", "OB");
    reads(implicit.data_set(), Deviation::no_preamble);
    const Dicom big =
        head("1.2.840.10008.1.2.2").text(0x00100020, "LO", "id").image(2, 2).pixels("abcd", "OB");
    reads(big.data_set(), Deviation::no_preamble);
    reads(std::string(128, '\0') + "DICM" + whole().data_set(), Deviation::no_preamble);
    CHECK(is_dicom(core::view(whole().data_set())));
}

TEST_CASE("implicit VR under a transfer syntax that is explicit, and the reverse") {
    const Dicom implicit = head(kImplicit).text(0x00100020, "LO", "id").image(2, 2).pixels("abcd", "OB");
    reads(as_implicit(whole(), implicit), Deviation::wrong_transfer_syntax);
    reads(as_implicit(implicit, whole()), Deviation::wrong_transfer_syntax);
}

TEST_CASE("elements that do not rise, or come twice") {
    Dicom late =
        head().text(0x00200011, "IS", "1").text(0x00100020, "LO", "id").image(2, 2).pixels("abcd", "OB");
    reads(late.file(), Deviation::order_of_elements);
    Dicom twice = head();
    twice.text(0x00100020, "LO", "id").text(0x00100020, "LO", "id").image(2, 2).pixels("abcd", "OB");
    reads(twice.file(), Deviation::order_of_elements);
    // Two truths of what matters are none; of what does not, they are harmless.
    Dicom differ = head();
    differ.text(0x00100020, "LO", "id").text(0x00100020, "LO", "di").image(2, 2).pixels("abcd", "OB");
    CHECK(read(differ.file()).reason == Reason::malformed);
    Dicom rows = head();
    rows.text(0x00100020, "LO", "id").image(2, 2).u16(0x00280010, 4).pixels("abcd", "OB");
    CHECK(read(rows.file()).reason == Reason::malformed);
    Dicom harmless = head();
    harmless.text(0x00100020, "LO", "id").text(0x00104000, "LT", "a ").text(0x00104000, "LT", "b ");
    harmless.image(2, 2).pixels("abcd", "OB");
    reads(harmless.file(), Deviation::order_of_elements);
}

TEST_CASE("more pixel data than the image has") {
    reads(head().text(0x00100020, "LO", "id").image(2, 2).pixels("abcdef", "OB").file(),
          Deviation::extra_pixel_bytes);
    const std::string padded = head().text(0x00100020, "LO", "id").image(1, 3).pixels("abc ", "OB").file();
    CHECK(read(padded).deviations == 0);
}

TEST_CASE("a sequence that came as UN is walked, however it is written") {
    Dicom implicit(kImplicit), little;
    implicit.text(0x00100020, "LO", "A123456789");
    little.text(0x00100020, "LO", "A123456789");
    for (const Dicom& item : {implicit, little})
        for (const bool defined : {true, false}) {
            Dicom sequence;
            const std::string inside = item.data_set();
            const auto size = static_cast<std::uint32_t>(inside.size());
            std::string bytes = Dicom().item_head(0xfffee000, size) + inside;
            if (!defined) bytes += Dicom().item_head(0xfffee0dd, 0);
            Dicom file = head();
            file.text(0x00100020, "LO", "id")
                .element(0x00101002, "UN", bytes, defined ? std::int64_t{-1} : std::int64_t{0xffffffff})
                .image(2, 2)
                .pixels("abcd", "OB");
            const Record record = read(file.file());
            REQUIRE(record.reason == Reason::none);
            REQUIRE(record.values[1]);
            CHECK(trimmed(record.values[1]->bytes) == "A123456789");
        }
}

TEST_CASE("a header is read by the beginning of the file, as far as it is needed") {
    Dicom file = head();
    file.text(0x00104000, "LT", std::string(300, 'x')).text(0x00200011, "IS", "7").image(2, 2);
    file.pixels("abcd", "OB");
    const std::string bytes = file.file();
    const Wanted wanted = Wanted::attributes({"SeriesNumber"});
    const std::size_t pixels = bytes.find(std::string("\xe0\x7f\x10\x00", 4));
    std::uint64_t needed = 0;
    for (std::size_t size = 132; size <= bytes.size(); ++size) {
        CAPTURE(size);
        const auto record = read_dicom_head(core::view(bytes).first(size), bytes.size(), wanted, {}, needed);
        if (size >= pixels + 12) {
            REQUIRE(record);
            CHECK(record->reason == Reason::none);
            CHECK(integer(*record->values[0]) == 7);
        } else if (!record) {
            CHECK(needed > size);
            CHECK(needed <= bytes.size());
        } else {
            FAIL("a part of a header was taken for all of it");
        }
    }
    // What the file does not have is truncated, not needed.
    const auto cut =
        read_dicom_head(core::view(bytes).first(pixels + 12), bytes.size() - 2, wanted, {}, needed);
    REQUIRE(cut);
    CHECK(cut->reason == Reason::truncated);
}
