#include "staging/read/wanted.h"

#include <catch2/catch.hpp>
#include <set>

#include "core/base/error.h"
#include "staging/read/dicom/dictionary.h"
#include "staging/read/make_dicom.h"
#include "staging/read/record.h"

using namespace staging;

namespace {

Value value_of(const std::string& bytes, const char* vr) {
    return {bytes, {vr[0], vr[1]}, {}};
}

}  // namespace

TEST_CASE("paths are keywords or numbers, with items") {
    const auto wanted = Wanted::attributes(
        {"PatientID", "0010,0010", "(0010,0040)", "ProcedureCodeSequence[2].CodeValue",
         "(0008,1032).(0008,0100)", "SharedFunctionalGroupsSequence.PixelMeasuresSequence[0].PixelSpacing",
         "0008,9999"});
    const auto all = wanted.attributes();
    CHECK(all[0].steps == std::vector<Step>{{0x00100020, 0}});
    CHECK(all[1].vr == Vr{'P', 'N'});
    CHECK(all[2].steps == std::vector<Step>{{0x00100040, 0}});
    CHECK(all[3].steps == std::vector<Step>{{0x00081032, 2}, {0x00080100, 0}});
    CHECK(all[4].steps == std::vector<Step>{{0x00081032, 0}, {0x00080100, 0}});
    CHECK(all[5].steps.size() == 3);
    CHECK(all[6].vr == Vr{'U', 'N'});
    CHECK(wanted.name(3) == "ProcedureCodeSequence[2].CodeValue");
}

TEST_CASE("what has no way in cannot be asked for") {
    for (const char* path : {"",
                             "PatientId",
                             "patientid",
                             "0011,1001",
                             "0009,0010",
                             "PixelData",
                             "7fe0,0010",
                             "6000,3000",
                             "5000,3000",
                             "0002,0010",
                             "0042,0011",
                             "0088,0200",
                             "ProcedureCodeSequence",
                             "ProcedureCodeSequence[0]",
                             "ProcedureCodeSequence[x].CodeValue",
                             "ProcedureCodeSequence[-1].CodeValue",
                             "PatientID[0]",
                             "PatientID.CodeValue",
                             "ProcedureCodeSequence[0].0009,0010",
                             "0010,002",
                             "0010,00200",
                             ".",
                             "PatientID."}) {
        CAPTURE(path);
        CHECK_THROWS_AS(Wanted::attributes({path}), core::Error);
    }
    CHECK_THROWS_WITH(Wanted::attributes({"PatientId"}), Catch::Contains("PatientID"));
    CHECK_THROWS_WITH(Wanted::attributes({"PatientID", "0010,0020"}), Catch::Contains("twice"));
    CHECK_THROWS_AS(Wanted::columns({"a", "a"}), core::Error);
    CHECK_THROWS_AS(Wanted::columns({""}), core::Error);
}

TEST_CASE("the dictionary is in order, without repeats, with known VRs") {
    std::set<std::string_view> keywords;
    Tag last = 0;
    for (const Entry& entry : dictionary()) {
        CHECK(entry.tag > last);
        last = entry.tag;
        CHECK(keywords.insert(entry.keyword).second);
        CHECK(is_known(entry.vr));
        CHECK(find_tag(entry.tag) == &entry);
        CHECK(find_keyword(entry.keyword) == &entry);
    }
    CHECK(find_tag(0x00100021 + 1000) == nullptr);
    CHECK_FALSE(is_known({'X', 'X'}));
    CHECK_FALSE(is_known({' ', 'O'}));
    CHECK_FALSE(is_known({'E', ' '}));
}

TEST_CASE("every reason has a name of its own") {
    std::set<std::string_view> names;
    for (int i = 0; i < static_cast<int>(Reason::count_); ++i) {
        const auto name = reason_name(static_cast<Reason>(i));
        CHECK_FALSE(name.empty());
        CHECK(names.insert(name).second);
    }
    CHECK(reason_name(Reason::truncated) == "truncated");
    CHECK(reason_name(Reason::worker_died) == "worker_died");
    CHECK(reason_name(Reason::transfer_syntax_unsupported) == "transfer_syntax_unsupported");
    CHECK(reason_name(Reason::too_many_rows) == "too_many_rows");
    CHECK(reason_name(Reason::unlisted) == "unlisted");
}

TEST_CASE("numbers are read whole or not at all") {
    CHECK(number(value_of(" 1.50 \\-2e3", "DS")) == 1.5);
    CHECK(number(value_of(" 1.50 \\-2e3", "DS"), 1) == -2000.0);
    CHECK_FALSE(number(value_of("1.5", "DS"), 1));
    CHECK(number(value_of("+7", "IS")) == 7.0);
    CHECK(integer(value_of("+7 ", "IS")) == 7);
    for (const char* bad : {"", "x", "1x", "1,5", "nan", "inf", "--1", "+-1", "0x10", "1e999"})
        CHECK_FALSE(number(value_of(bad, "DS")));
    CHECK_FALSE(integer(value_of("1.5", "DS")));
    CHECK(integer(value_of(std::string("\xfe\xff\x01\x00", 4), "SS")) == -2);
    CHECK(integer(value_of(std::string("\xfe\xff\x01\x00", 4), "US")) == 0xfffe);
    CHECK(integer(value_of(std::string("\xfe\xff\x01\x00", 4), "US"), 1) == 1);
    CHECK_FALSE(integer(value_of(std::string("\xfe\xff\x01", 3), "US"), 1));
    CHECK_FALSE(integer(value_of(std::string(8, '\xff'), "UV")));
    CHECK(number(value_of(std::string("\0\0\xc0\x3f", 4), "FL")) == 1.5);
    CHECK_FALSE(number(value_of(std::string("\0\0\xc0\x7f", 4), "FL")));
    CHECK(part("a\\ b \\c", 1) == "b");
    CHECK_FALSE(part("a\\b", 2));
    CHECK(trimmed(std::string_view(" a \0", 4)) == "a");
}
