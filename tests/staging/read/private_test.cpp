// Private attributes are kept by their creator's name, wherever a file puts its block (PS3.5 section 7.8.1).
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using Catch::Contains;
using test::Dicom;

namespace {

constexpr const char* kBValue = "(0019,xx0C) SIEMENS MR HEADER";

Dicom start(std::string_view syntax = "1.2.840.10008.1.2.1") {
    return Dicom(syntax).text(0x00080060, "CS", "MR");
}

Record read(Dicom& file, const std::string& path = kBValue) {
    const std::string bytes = file.file();
    std::uint8_t room[16];
    return read_dicom(core::view(bytes), Wanted::attributes({path}), {}, Depth::header, room);
}

std::string value(Dicom file, const std::string& path = kBValue) {
    const Record record = read(file, path);
    REQUIRE(record.reason == Reason::none);
    return record.values[0] ? std::string(trimmed(record.values[0]->bytes)) : "absent";
}

}  // namespace

TEST_CASE("an element is found in its creator's block, whichever it is") {
    CHECK(value(start().text(0x00190010, "LO", "SIEMENS MR HEADER").text(0x0019100c, "IS", "700")) == "700");
    CHECK(value(start().text(0x001900ff, "LO", "SIEMENS MR HEADER").text(0x0019ff0c, "IS", "701")) == "701");
    CHECK(value(start()
                    .text(0x00190010, "LO", "OTHER")
                    .text(0x00190011, "LO", "SIEMENS MR HEADER")
                    .text(0x0019100c, "IS", "1")
                    .text(0x0019110c, "IS", "702")) == "702");
    CHECK(value(start()
                    .text(0x00190010, "LO", "SIEMENS MR HEADER")
                    .text(0x00190011, "LO", "OTHER")
                    .text(0x0019100c, "IS", "703")
                    .text(0x0019110c, "IS", "1")) == "703");
}

TEST_CASE("an element that its creator does not vouch for is nobody's") {
    CHECK(value(start().text(0x0019100c, "IS", "700")) == "absent");
    CHECK(value(start().text(0x00190010, "LO", "SIEMENS MR HEADER").text(0x0019110c, "IS", "700")) ==
          "absent");
    CHECK(value(start().text(0x00190010, "LO", "SIEMENS MR HEADERS").text(0x0019100c, "IS", "700")) ==
          "absent");
    CHECK(value(start().text(0x00210010, "LO", "SIEMENS MR HEADER").text(0x0021100c, "IS", "700")) ==
          "absent");
    CHECK(value(start().text(0x00190010, "LO", "SIEMENS MR HEADER").text(0x0019100d, "IS", "700")) ==
          "absent");
    // The creator of a group is not that of an item's.
    const std::string item = Dicom().text(0x0019100c, "IS", "700").data_set();
    CHECK(value(start().text(0x00190010, "LO", "SIEMENS MR HEADER").sequence(0x00400275, {item})) ==
          "absent");
    // It stands before what it vouches for.
    CHECK(value(start().text(0x0019100c, "IS", "700").text(0x00190010, "LO", "SIEMENS MR HEADER")) ==
          "absent");
}

TEST_CASE("two values, or two creators of one block, are two truths") {
    Dicom twice = start()
                      .text(0x00190010, "LO", "SIEMENS MR HEADER")
                      .text(0x00190011, "LO", "SIEMENS MR HEADER")
                      .text(0x0019100c, "IS", "1")
                      .text(0x0019110c, "IS", "2");
    CHECK(read(twice).reason == Reason::malformed);
    Dicom creators = start()
                         .text(0x00190010, "LO", "OTHER")
                         .text(0x00190010, "LO", "SIEMENS MR HEADER")
                         .text(0x0019100c, "IS", "1");
    CHECK(read(creators).reason == Reason::malformed);
}

TEST_CASE("where the file does not say the VR, the profile does") {
    const std::string path = "(0019,xx0C,US) SIEMENS MR HEADER";
    Dicom implicit = start("1.2.840.10008.1.2");
    implicit.text(0x00190010, "LO", "SIEMENS MR HEADER").u16(0x0019100c, 700);
    const Record record = read(implicit, path);
    REQUIRE(record.values[0]);
    CHECK(integer(*record.values[0]) == 700);
    CHECK(value(start().text(0x00190010, "LO", "SIEMENS MR HEADER").text(0x0019100c, "IS", "9"), path) ==
          "9");
}

TEST_CASE("what is not wanted stays in the worker, the creator's name too") {
    Dicom file = start()
                     .text(0x00190010, "LO", "SIEMENS MR HEADER")
                     .text(0x0019100c, "IS", "700")
                     .text(0x0019100e, "LO", "WANG SIAO-MING");
    const Record record = read(file);
    REQUIRE(record.values.size() == 1);
    CHECK(record.values[0]->bytes == "700 ");
}

TEST_CASE("a path that is no private attribute is refused by name") {
    for (const char* path :
         {"(0019,xx0C)", "(0018,xx0C) X", "(0019,xxGG) X", "(0019,xx0C,SQ) X", "(0019,xx0C,OB) X",
          "(0019,xx0C,ZZ) X", "(0019,xx0C)  X", "(0019,xx0C) ", "(7fe1,xx10) X", "(0019,100C)"})
        CHECK_THROWS_WITH(Wanted::attributes({path}), Contains("attribute \"" + std::string(path) + "\""));
    CHECK_THROWS_WITH(Wanted::attributes({kBValue, kBValue}), Contains("named twice"));
    CHECK(Wanted::attributes({kBValue, "(0019,xx0C) OTHER"}).size() == 2);
}
