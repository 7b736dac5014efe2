#include <catch2/catch.hpp>

#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

std::string in(std::uint32_t tag, const std::vector<std::string>& items) {
    return Dicom().sequence(tag, items).data_set();
}

std::string source(const std::string& uid, const std::string& frame = "") {
    Dicom one;
    one.text(0x00081155, "UI", uid);
    if (!frame.empty()) one.text(0x00081160, "IS", frame);
    return one.data_set();
}

std::string segment(std::uint16_t number, const std::string& code) {
    Dicom type, one;
    type.text(0x00080100, "SH", code).text(0x00080102, "SH", "SCT");
    one.u16(0x00620004, number).sequence(0x0062000f, {type.data_set()});
    return one.data_set();
}

// One of 8 frames of a pixel each; `object` and `groups` are what it says of images and frames.
Record read(const std::string& object, const std::string& groups, const std::string& type = "FRACTIONAL",
            const std::string& sop_class = "1.2.840.10008.5.1.4.1.1.66.4", Limits limits = {}) {
    Dicom file;
    file.text(0x00080016, "UI", sop_class)
        .raw(object)
        .image(1, 1, 1, 1, false, 1, "MONOCHROME2", 0, "8")
        .text(0x00620001, "CS", type)
        .sequence(0x00620002, {segment(1, "10200004"), segment(2, "52988006")})
        .u16(0x0062000e, 250)
        .raw(groups)
        .pixels("a", "OB");
    static std::vector<std::uint8_t> room(1 << 20);
    return read_dicom(core::view(file.file()), Wanted::attributes({}), limits, Depth::pixels, room);
}

}  // namespace

TEST_CASE("a segmentation says what its frames show, and of which images") {
    const std::string of_object = in(0x00081115, {in(0x0008114a, {source("1.2.9"), source("1.2.8")})});
    const std::string shared = in(0x52009229, {in(0x0062000a, {Dicom().u16(0x0062000b, 2).data_set()})});
    const Record whole = read(of_object, shared);
    REQUIRE(whole.reason == Reason::none);
    REQUIRE(whole.segmentation);
    const Segmentation& all = *whole.segmentation;
    CHECK(all.is_fractional);
    CHECK(all.full == 250);
    CHECK(all.segments == std::vector<Segmentation::Segment>{{1, "SCT:10200004"}, {2, "SCT:52988006"}});
    CHECK(all.shown == std::vector<std::uint32_t>(8, 2));
    CHECK(all.sources == std::vector<Segmentation::Source>{{"1.2.8", 0}, {"1.2.9", 0}});

    // What frames name counts, and not what the object names as a whole.
    std::vector<std::string> groups;
    for (std::uint16_t i = 0; i < 8; ++i)
        groups.push_back(in(0x00089124, {in(0x00082112, {source("1.2.7", i % 2 ? "2" : "")})}) +
                         in(0x0062000a, {Dicom().u16(0x0062000b, i % 2 + 1).data_set()}));
    const Record each = read(of_object, in(0x52009230, groups), "BINARY");
    REQUIRE(each.segmentation);
    CHECK_FALSE(each.segmentation->is_fractional);
    CHECK(each.segmentation->shown == std::vector<std::uint32_t>{1, 2, 1, 2, 1, 2, 1, 2});
    CHECK(each.segmentation->sources == std::vector<Segmentation::Source>{{"1.2.7", 0}, {"1.2.7", 2}});
    CHECK_FALSE(each.segmentation->is_moved);

    // A frame that names none beside those that do.
    std::vector<std::string> some = groups;
    some[5] = in(0x0062000a, {Dicom().u16(0x0062000b, 1).data_set()});
    const std::vector<Segmentation::Source> some_named{{"", 0}, {"1.2.7", 0}, {"1.2.7", 2}};
    CHECK(read(of_object, in(0x52009230, some), "BINARY").segmentation->sources == some_named);
    const std::string of_all = in(0x52009229, {in(0x00089124, {in(0x00082112, {source("1.2.7")})})});
    CHECK(read(of_object, of_all + in(0x52009230, some), "BINARY").segmentation->sources ==
          each.segmentation->sources);

    // A UID of more than 64 characters stays one.
    const std::string longest = "1." + std::string(62, '2');
    const auto named = [&](const std::string& uid) {
        return read({}, in(0x52009229, {in(0x00089124, {in(0x00082112, {source(uid)})})}))
            .segmentation->sources.front()
            .instance;
    };
    CHECK(named(longest) == longest);
    CHECK(named(longest + "3").size() == 65);

    // Whether a frame's pixels are those of its source image.
    for (const auto& [said, is_moved] :
         {std::pair{"YES", false}, {"", false}, {"NO", true}, {"REORIENTED_ONLY", true}}) {
        groups[3] = in(0x00089124,
                       {in(0x00082112, {source("1.2.7") + Dicom().text(0x0028135a, "CS", said).data_set()})});
        CHECK(read(of_object, in(0x52009230, groups), "BINARY").segmentation->is_moved == is_moved);
    }
}

TEST_CASE("a second sequence of segments is refused: which of two numbers it counts nobody can tell") {
    const Record twice = read({}, in(0x00620002, {segment(1, "52988006")}));
    CHECK(twice.reason == Reason::malformed);
    CHECK(twice.detail == "element twice");
    const std::string table = in(0x00283000, {Dicom().u16(0x00283006, 1).data_set()});
    CHECK(read(table + table, {}).reason == Reason::malformed);
}

TEST_CASE("only a segmentation is read as one, within the limits of a file") {
    const std::string none;
    CHECK(read(none, none).segmentation);
    CHECK(read(none, none).segmentation->shown == std::vector<std::uint32_t>(8, 0));
    CHECK_FALSE(read(none, none, "BINARY", "1.2.840.10008.5.1.4.1.1.2").segmentation);
    CHECK_FALSE(read(none, none, "LABELMAP").segmentation);
    const std::string label_maps = "1.2.840.10008.5.1.4.1.1.66.7";
    const Record label_map = read(none, none, "LABELMAP", label_maps);
    REQUIRE(label_map.segmentation);
    CHECK(label_map.segmentation->is_label_map);
    CHECK_FALSE(label_map.segmentation->is_fractional);
    CHECK(label_map.segmentation->segments == read(none, none).segmentation->segments);
    CHECK_FALSE(read(none, none).segmentation->is_label_map);
    for (const char* type : {"BINARY", "FRACTIONAL", ""})
        CHECK_FALSE(read(none, none, type, label_maps).segmentation);
    Limits few;
    few.fragments = 7;
    CHECK(read(none, none, "BINARY", "1.2.840.10008.5.1.4.1.1.66.4", few).reason ==
          Reason::too_many_elements);
    few.fragments = 8;
    CHECK(read(none, none, "BINARY", "1.2.840.10008.5.1.4.1.1.66.4", few).reason == Reason::none);
    const std::string references(
        in(0x00081115, {in(0x0008114a, std::vector<std::string>(9, source("1.2")))}));
    CHECK(read(references, none, "BINARY", "1.2.840.10008.5.1.4.1.1.66.4", few).reason ==
          Reason::too_many_elements);
}

TEST_CASE("a label map's pixels are the numbers of its segments, whatever colours it proposes for them") {
    const std::uint16_t bits = GENERATE(std::uint16_t{8}, std::uint16_t{16});
    const std::string numbers = bits == 8 ? std::string("\0\1\2\7", 4) : std::string("\0\0\1\0\2\0\7\1", 8);
    for (const char* photometric : {"MONOCHROME2", "PALETTE COLOR"}) {
        Dicom file;
        file.text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.66.7")
            .image(2, 2, bits, bits, false, 1, photometric)
            .text(0x00620001, "CS", "LABELMAP")
            .sequence(0x00620002, {segment(1, "10200004")})
            .pixels(numbers, bits == 8 ? "OB" : "OW");
        std::vector<std::uint8_t> room(1 << 10);
        const Record found =
            read_dicom(core::view(file.file()), Wanted::attributes({}), {}, Depth::pixels, room);
        REQUIRE(found.reason == Reason::none);
        CHECK(found.pixels.samples == 1);
        CHECK(found.pixels.type == (bits == 8 ? PixelType::u8 : PixelType::u16));
        CHECK(std::string(found.pixels.bytes.begin(), found.pixels.bytes.end()) == numbers);
    }
}
