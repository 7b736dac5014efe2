// Specific Character Set: the examples of PS3.5 annexes H to K, and what does not decode.
#include <catch2/catch.hpp>

#include "staging/read/dicom/character_set.h"
#include "staging/read/dicom/dicom.h"
#include "staging/read/make_dicom.h"

using namespace staging;
using test::Dicom;

namespace {

std::optional<std::string> decode(std::string_view set, std::string_view bytes, bool is_name = true) {
    return CharacterSet(set).decode(bytes, is_name);
}

}  // namespace

TEST_CASE("one character set for all text") {
    CHECK(decode("", "Wang^Xiaodong") == "Wang^Xiaodong");
    CHECK(decode("ISO_IR 100", "Buc^J\xe9r\xf4me") == "Buc^Jérôme");
    CHECK(decode("ISO 2022 IR 100",
                 "\xc4neas^R\xfc"
                 "diger") == "Äneas^Rüdiger");
    CHECK(decode("ISO_IR 101", "W\xb3odarczyk") == "Włodarczyk");
    CHECK(decode("ISO_IR 144", "\xbb\xee\xda\x63\x65\xdc\xd1\x79\x70\xd3") == "Люкceмбypг");
    CHECK(decode("ISO_IR 127", "\xe2\xc8\xc7\xe6\xea") == "قباني");
    CHECK(decode("ISO_IR 126", "\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2") == "Διονυσιος");
    CHECK(decode("ISO_IR 138", "\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4") == "שרון^דבורה");
    CHECK(decode("ISO_IR 166", "\xca\xc1\xca\xd2\xc2") == "สมสาย");
    CHECK(decode("ISO_IR 13", "\xd4\xcf\xc0\xde^\xc0\xdb\xb3") == "ﾔﾏﾀﾞ^ﾀﾛｳ");
    CHECK(decode("ISO_IR 192", "Wang^XiaoDong=王^小東=") == "Wang^XiaoDong=王^小東=");
    CHECK(decode("GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=") == "Wang^XiaoDong=王^小东=");
    CHECK(decode("GBK", "\xcd\xf5^\xd0\xa1\xb6\xab") == "王^小东");
    // The second byte of a character may be a backslash's; it is none.
    CHECK(decode("GB18030", "\x96\x5c\\b", false) == "朶\\b");
}

TEST_CASE("ISO 2022: escape sequences, and what ends them") {
    CHECK(decode("\\ISO 2022 IR 87",
                 "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B") ==
          "Yamada^Tarou=山田^太郎=やまだ^たろう");
    CHECK(decode("ISO 2022 IR 13\\ISO 2022 IR 87",
                 "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J") == "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎");
    CHECK(
        decode(
            "\\ISO 2022 IR 149",
            "Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf") ==
        "Hong^Gildong=洪^吉洞=홍^길동");
    CHECK(decode("\\ISO 2022 IR 58", "Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=") ==
          "Zhang^XiaoDong=张^小东=");
    CHECK(decode("\\ISO 2022 IR 159", "\x1b$(D\x30\x21\x1b(B", false) == "丂");
    CHECK(decode("ISO 2022 IR 100\\ISO 2022 IR 144", "J\xe9r\xf4me \x1b-L\xbb\xee\x1b-A\xe9", false) ==
          "Jérôme Люé");
    // A delimiter puts the first set back, in names ^ and = too.
    CHECK_FALSE(decode("\\ISO 2022 IR 149", "\x1b$)C\xfb\xf3^\xd1\xce"));
    CHECK(decode("\\ISO 2022 IR 149", "\x1b$)C\xfb\xf3^\xd1\xce", false) == "洪^吉");
    CHECK_FALSE(decode("\\ISO 2022 IR 149", "\x1b$)C\xfb\xf3\\\xd1\xce", false));
}

TEST_CASE("what does not decode is not guessed") {
    CHECK_FALSE(decode("", "J\xe9r\xf4me"));
    CHECK_FALSE(decode("ISO_IR 6", "J\xe9r\xf4me"));
    CHECK_FALSE(decode("ISO_IR 192", "J\xe9r\xf4me"));
    CHECK_FALSE(decode("ISO_IR 192", "\xc0\xaf"));
    CHECK_FALSE(decode("GB18030", "\xff\xff"));
    CHECK_FALSE(decode("\\ISO 2022 IR 87", "\x1b$Bx"));
    CHECK_FALSE(decode("\\ISO 2022 IR 87", "\x1b%G\xe7\x8e\x8b"));
    CHECK_FALSE(decode("BIG5", "\xa4\xfd"));
    CHECK(decode("BIG5", "plain") == "plain");
    CHECK(decode("ISO_IR 192", std::string_view("ab\0", 3)) == std::string("ab\0", 3));
}

TEST_CASE("values are text, each by the character set of where it stands") {
    const auto read = [](const Dicom& file) {
        return read_dicom(
            core::view(file.file()),
            Wanted::attributes({"AdmittingDiagnosesCodeSequence[0].CodeMeaning", "PatientName"}), {},
            Depth::header, {});
    };
    Dicom item, outer;
    item.text(0x00080005, "CS", "GB18030").text(0x00080104, "LO", "\x96\x5c\\\xcd\xf5");
    outer.text(0x00080005, "CS", "ISO_IR 100")
        .sequence(0x00081084, {item.data_set()})
        .text(0x00100010, "PN", "J\xe9");
    const Record record = read(outer);
    REQUIRE(record.reason == Reason::none);
    CHECK(part(record.values[0]->bytes, 0) == "朶");
    CHECK(part(record.values[0]->bytes, 1) == "王");
    CHECK(record.values[1]->bytes == "Jé");
    CHECK_FALSE(record.values[1]->undecodable);

    Dicom wrong;
    wrong.text(0x00080005, "CS", "ISO_IR 192").text(0x00100010, "PN", "J\xe9");
    const Record as_delivered = read(wrong);
    CHECK(as_delivered.values[1]->undecodable);
    CHECK(as_delivered.values[1]->bytes == "J\xe9");
}

TEST_CASE("numbers of any attribute of PS3.6 are numbers in implicit VR too") {
    const double value = 80;
    Dicom file("1.2.840.10008.1.2");
    file.element(0x00189082, "FD", {reinterpret_cast<const char*>(&value), 8}).element(0x00700001, "SQ", "");
    file.u16(0x00720100, 7);
    const Record record =
        read_dicom(core::view(file.file()), Wanted::attributes({"EffectiveEchoTime", "0072,0100"}), {},
                   Depth::header, {});
    REQUIRE(record.reason == Reason::none);
    CHECK(number(*record.values[0]) == 80);
    CHECK(integer(*record.values[1]) == 7);
}
