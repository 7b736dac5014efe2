// What frames mean and where they lie: classic objects by their root, enhanced ones by their functional groups.
#include <catch2/catch.hpp>

#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

Record read(const Dicom& file, const std::vector<std::string>& paths = {}) {
    static std::vector<std::uint8_t> room(1 << 20);
    return read_dicom(core::view(file.file()), Wanted::attributes(paths), {}, Depth::pixels, room);
}

std::string f64(double value) {
    return {reinterpret_cast<const char*>(&value), 8};
}

std::string u32(std::uint32_t value) {
    return {reinterpret_cast<const char*>(&value), 4};
}

// A data set of one sequence with one item.
std::string group(std::uint32_t sequence, const Dicom& item) {
    return Dicom().sequence(sequence, {item.data_set()}).data_set();
}

// An enhanced MR of three frames; what differs by frame is in `of_frame`.
Dicom enhanced(const std::string& shared, const std::vector<std::string>& of_frame,
               const std::string& frames = "3") {
    Dicom file;
    file.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.4.1").text(0x00080060, "CS", "MR");
    file.text(0x00200013, "IS", "5").image(1, 2, 8, 8, false, 1, "MONOCHROME2", 0, frames);
    return file.sequence(0x52009229, {shared}).sequence(0x52009230, of_frame).pixels("aabbcc", "OB");
}

}  // namespace

TEST_CASE("a classic image says where it lies and what its values are") {
    Dicom file;
    file.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2").text(0x00080060, "CS", "CT");
    file.text(0x00180050, "DS", "2.5").text(0x00180088, "DS", "3");
    file.text(0x00200012, "IS", "4").text(0x00200013, "IS", "17.0");
    file.text(0x00200032, "DS", "-1.5\\2\\3e1").text(0x00200037, "DS", "1\\0\\0\\0\\1\\0");
    file.u16(0x00280002, 1).text(0x00280004, "CS", "MONOCHROME2").u16(0x00280010, 1).u16(0x00280011, 2);
    file.text(0x00280030, "DS", "0.5\\0.75").u16(0x00280100, 16).u16(0x00280101, 16).u16(0x00280102, 15);
    file.u16(0x00280103, 1)
        .element(0x00280120, "US", file.word(0xf830))
        .element(0x00280121, "SS", file.word(0xf800));
    file.text(0x00281052, "DS", "-1024").text(0x00281053, "DS", "1").pixels("abcd");
    const Record record = read(file);
    REQUIRE(record.reason == Reason::none);
    REQUIRE(record.frames.size() == 1);
    const Frame& frame = record.frames[0];
    CHECK(frame.position == std::array{-1.5, 2.0, 30.0});
    CHECK(frame.orientation == std::array{1.0, 0.0, 0.0, 0.0, 1.0, 0.0});
    CHECK(frame.spacing == std::array{0.5, 0.75});
    CHECK(frame.thickness == 2.5);
    CHECK(frame.slice_spacing == 3.0);
    CHECK(frame.slope == 1.0);
    CHECK(frame.intercept == -1024.0);
    CHECK(frame.instance == 17);
    CHECK(frame.acquisition == 4);
    CHECK_FALSE(frame.b_value);
    CHECK(record.units == Units::hounsfield);
    CHECK(record.padding == std::array{-2048.0, -2000.0});  // signed, as the pixels are
    CHECK_FALSE(record.modality_table);
}

TEST_CASE("values that are no numbers are absent, and a table in place of slope and intercept is told") {
    Dicom file, lut;
    lut.element(0x00283002, "US", lut.word(2) + lut.word(7) + lut.word(12))
        .text(0x00283004, "LO", "OD")
        .element(0x00283006, "OW", lut.word(300) + lut.word(4095));
    file.text(0x00080060, "CS", "CR")
        .text(0x00180050, "DS", "5,0")
        .text(0x00200032, "DS", "1\\2")
        .image(1, 1);
    const Record record = read(file.sequence(0x00283000, {lut.data_set()}).pixels("ab", "OB"));
    REQUIRE(record.reason == Reason::none);
    CHECK_FALSE(record.frames.at(0).thickness);
    CHECK_FALSE(record.frames.at(0).position);
    REQUIRE(record.modality_table);
    CHECK(record.modality_table->first == 7);
    CHECK(record.modality_table->entries == std::vector<std::uint16_t>{300, 4095});
    CHECK(record.units == Units::other);
}

TEST_CASE("functional groups: what all frames share, then what each has") {
    const std::string shared =
        group(0x00209116, Dicom().text(0x00200037, "DS", "1\\0\\0\\0\\1\\0")) +
        group(0x00289110, Dicom().text(0x00180050, "DS", "4").text(0x00280030, "DS", "2\\2")) +
        group(0x00289145,
              Dicom().text(0x00281052, "DS", "0").text(0x00281053, "DS", "2").text(0x00281054, "LO", "US"));
    std::vector<std::string> frames;
    for (int i = 0; i < 3; ++i) {
        Dicom content, position, diffusion, echo;
        content.element(0x00209128, "UL", u32(i == 0 ? 1 : 2)).text(0x00209056, "SH", i == 2 ? "B" : "A");
        position.text(0x00200032, "DS", "0\\0\\" + std::to_string(10 * i));
        diffusion.text(0x00189075, "CS", i == 1 ? "NONE" : "NONE ").element(0x00189087, "FD", f64(i * 500));
        echo.element(0x00189082, "FD", f64(i == 1 ? 80 : 20));
        frames.push_back(group(0x00189114, echo) + group(0x00189117, diffusion) + group(0x00209111, content) +
                         group(0x00209113, position));
    }
    const Record record =
        read(enhanced(shared, frames), {"PixelSpacing", "ImagePositionPatient", "DiffusionBValue",
                                        "PatientID", "DiffusionDirectionality", "StackID"});
    REQUIRE(record.reason == Reason::none);
    REQUIRE(record.frames.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const Frame& frame = record.frames[i];
        CHECK(frame.position == std::array{0.0, 0.0, 10.0 * static_cast<double>(i)});
        CHECK(frame.spacing == std::array{2.0, 2.0});
        CHECK(frame.orientation.has_value());
        CHECK(frame.slope == 2.0);
        CHECK(frame.b_value == 500.0 * static_cast<double>(i));
        CHECK(frame.temporal == (i == 0 ? 1 : 2));
        CHECK(frame.stack == (i == 2 ? 2 : 1));
        CHECK(frame.echo == (i == 1 ? 2 : 1));
        CHECK(frame.instance == (std::int64_t{5} << 32 | static_cast<std::int64_t>(i + 1)));
    }
    CHECK(record.units == Units::other);
    // A root attribute that is absent there: of the shared group, then what all frames say alike. What they say differently
    // is no attribute of the object.
    CHECK(trimmed(record.values[0]->bytes) == "2\\2");
    for (const std::size_t i : {1, 2, 3, 5}) CHECK_FALSE(record.values[i]);
    REQUIRE(record.values[4]);
    CHECK(trimmed(record.values[4]->bytes) == "NONE");
    // Nor is what one frame does not say.
    frames[2] = group(0x00209113, Dicom().text(0x00200032, "DS", "0\\0\\20"));
    CHECK_FALSE(read(enhanced(shared, frames), {"DiffusionDirectionality"}).values[0]);
}

TEST_CASE("what a frame shows is told, by the root of a classic object and the groups of an enhanced one") {
    const auto classic = [](const std::string& type) {
        Dicom file;
        file.text(0x00080008, "CS", type).text(0x00080060, "CS", "MR").image(1, 1).pixels("ab", "OB");
        return read(file).frames.at(0).kind;
    };
    REQUIRE(classic("ORIGINAL\\PRIMARY\\M_FFE\\M"));
    CHECK(classic("ORIGINAL\\PRIMARY\\M_FFE\\M") == classic("ORIGINAL\\PRIMARY\\M_FFE\\M "));
    CHECK(classic("ORIGINAL\\PRIMARY\\M_FFE\\M") != classic("ORIGINAL\\PRIMARY\\PHASE MAP\\P"));
    const auto frame = [](const std::string& type, const std::string& component) {
        return group(0x00189226, Dicom().text(0x00089007, "CS", type).text(0x00089208, "CS", component));
    };
    const Record record =
        read(enhanced("", {frame("A", "MAGNITUDE"), frame("A", "PHASE"), frame("B", "PHASE")}));
    REQUIRE(record.frames.size() == 3);
    CHECK(record.frames[0].kind != record.frames[1].kind);
    CHECK(record.frames[1].kind != record.frames[2].kind);
}

TEST_CASE("who the patient is is never looked for in a functional group") {
    const std::string shared = group(0x00289110, Dicom().text(0x00100020, "LO", "id"));
    const Record record = read(enhanced(shared, {{}, {}, {}}), {"PatientID"});
    REQUIRE(record.reason == Reason::none);
    CHECK_FALSE(record.values[0]);
}

TEST_CASE("functional groups of another number of frames are refused; of none, one Frame is for all") {
    const std::string one = group(0x00209113, Dicom().text(0x00200032, "DS", "0\\0\\0"));
    CHECK(read(enhanced("", {one, one})).reason == Reason::pixel_size_mismatch);
    CHECK(read(enhanced("", {one, one, one, one})).reason == Reason::pixel_size_mismatch);
    const Record same = read(enhanced("", {one, one, one}));
    CHECK(same.reason == Reason::none);
    CHECK(same.frames.size() == 1);
}

TEST_CASE("anatomy is found wherever an object names it") {
    const auto region = [](const std::string& code, const std::string& meaning) {
        return Dicom().text(0x00080100, "SH", code).text(0x00080104, "LO", meaning);
    };
    Dicom anatomy;
    anatomy.sequence(0x00082218, {region("69536005", "Head").data_set()});
    const std::string frame = group(0x00209071, anatomy);
    Dicom file;
    file.text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\LABEL").text(0x00080060, "CS", "MR");
    file.text(0x00081030, "LO", "Schädel nativ").text(0x0008103e, "LO", "t1");
    file.sequence(0x00082218, {region("T-D3000", "Chest").data_set()}).text(0x00181030, "LO", "head routine");
    file.image(1, 2, 8, 8, false, 1, "MONOCHROME2", 0, "2").text(0x00480010, "CS", "YES");
    file.sequence(0x52009230, {frame, frame}).pixels("aabb", "OB");
    const Record record = read(file);
    REQUIRE(record.reason == Reason::none);
    CHECK(record.facts.anatomy == std::vector<std::string>{"T-D3000", "Chest", "69536005", "Head"});
    CHECK(record.facts.specimen_label == "YES");
    CHECK(record.facts.protocol_name == "head routine");
    CHECK(record.facts.series_description == "t1");
    CHECK(record.facts.image_type.ends_with("LABEL"));
}
