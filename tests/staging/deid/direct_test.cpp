// What PS3.15 says of attributes decides what a rule may do, and the codes say what was done.
#include "staging/deid/direct.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/definition.h"
#include "support/scratch.h"

using namespace staging;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

fs::path configs() {
    return fs::path(std::getenv("ALOFT_SOURCE")) / "configs";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
}

// A profile with one more option.
std::string with(const std::string& profile, const std::string& option) {
    return replaced(profile, "options = [", "options = [\"" + option + "\", ");
}

// The installed profile with one more column.
std::string accepted(const std::string& column, const std::string& option = "") {
    std::string good = core::read_text(configs() / "deid/imaging.toml");
    if (!option.empty()) good = with(good, option);
    try {
        Profile::parse(good + "\n[[columns]]\nname = \"more\"\n" + column, "imaging.toml");
    } catch (const core::Error& e) {
        return e.what();
    }
    return "accepted";
}
std::set<std::string> codes(const std::string& columns) {
    const test::Scratch folder;
    core::write_atomically(folder / "set.toml", "name = \"set\"\nversion = \"1\"\nprofile = \"" +
                                                    (configs() / "deid/ct-volumes.toml").string() +
                                                    "\"\ncolumns = [" + columns +
                                                    "]\n[[fields]]\nname = \"image\"\nshape = []\ndtype = "
                                                    "\"i16\"\n[splits]\ntrain = 1\n");
    std::set<std::string> out;
    for (const Method& method : methods_of(Definition::load(folder / "set.toml", {"north"})))
        out.insert(method.code);
    return out;
}

}  // namespace

TEST_CASE("an identifier cannot be kept, however the profile puts it") {
    const std::string number = "transform = \"keep\"\ntype = \"integer\"\nmin = 0\nmax = 99999999\n";
    for (const char* path :
         {"PatientID", "0010,0020", "AccessionNumber", "StudyID", "(0010,1000)",
          "OtherPatientIDsSequence[0].PatientID", "PatientBirthDate", "StudyTime", "SeriesDescription",
          "SOPInstanceUID", "ReferencedImageSequence[0].ReferencedSOPInstanceUID"})
        CHECK_THAT(accepted("from = \"" + std::string(path) + "\"\n" + number),
                   Contains("PS3.15 table E.1-1"));
    CHECK_THAT(accepted("from = [\"InstanceNumber\", \"PatientID\"]\n" + number),
               Contains("PatientID as an identifier"));
    CHECK_THAT(accepted("from = \"PatientName\"\ntransform = \"map\"\ncategories = "
                        "[\"x\"]\n[columns.codes]\nX = \"x\"\n"),
               Contains("only \"pseudonymise\""));
    CHECK_THAT(accepted("from = \"ImageComments\"\ntransform = \"pseudonymise\"\nkind = \"c\"\n"),
               Contains("no way in"));
    CHECK(accepted("from = \"AccessionNumber\"\ntransform = \"pseudonymise\"\nkind = \"accession\"\n") ==
          "accepted");
    CHECK(accepted("from = \"SeriesDate\"\ntransform = \"shift\"\n") == "accepted");
    CHECK(
        accepted("from = \"PatientWeight\"\ntransform = \"keep\"\ntype = \"number\"\nmin = 0\nmax = 400\n") ==
        "accepted");
}

TEST_CASE("what the Basic Profile removes comes in only under an option that the profile declares") {
    struct Case {
        const char *option, *code, *attribute;
    };
    const auto [option, code, attribute] =
        GENERATE(Case{"retain-modified-dates", "113107", "StudyDate"},
                 Case{"retain-patient-characteristics", "113108", "PatientSex"},
                 Case{"retain-device-identity", "113109", "Manufacturer"},
                 Case{"retain-institution-identity", "113112", "site"},
                 Case{"clean-descriptors", "113105", "AdmittingDiagnosesCodeSequence"});
    for (const char* name : {"imaging", "chest-xray", "ct-volumes", "mr-volumes", "ultrasound"}) {
        const std::string good = core::read_text(configs() / "deid" / (std::string(name) + ".toml"));
        CHECK_NOTHROW(Profile::parse(good, name));
        const std::string without = replaced(good, "\"" + std::string(option) + "\",", "");
        CHECK_THROWS_WITH(Profile::parse(without, name),
                          Contains(attribute) && Contains(option) && Contains(code));
    }
    const std::string good = core::read_text(configs() / "deid/imaging.toml");
    CHECK_THROWS_WITH(Profile::parse(replaced(good, "\"clean-descriptors\"", "\"clean-descriptor\""), "x"),
                      Contains("did you mean \"clean-descriptors\"?"));
    CHECK_THROWS_WITH(Profile::parse(replaced(good, "options = [", "option = ["), "x"), Contains("option"));
    CHECK_THROWS_WITH(Profile::parse(core::read_text(configs() / "deid/tables.toml") +
                                         "\n[confidentiality]\noptions = [\"clean-descriptors\"]\n",
                                     "x"),
                      Contains("confidentiality"));
}

TEST_CASE("a profile that declares no option is the Basic Profile alone, and is told all that it lacks") {
    const std::string good = core::read_text(configs() / "deid/imaging.toml");
    const std::size_t from = good.find("\n[confidentiality]\n") + 1, to = good.find("]\n", from + 18) + 2;
    const std::string all[] = {"retain-modified-dates\" (113107: exam_day from StudyDate)",
                               "retain-patient-characteristics\" (113108: ",
                               "sex from PatientSex",
                               "age from ",
                               "retain-device-identity\" (113109: vendor from Manufacturer)",
                               "retain-institution-identity\" (113112: site)",
                               "clean-descriptors\" (113105: label from AdmittingDiagnosesCodeSequence"};
    for (const std::string& instead : {std::string(), std::string("[confidentiality]\noptions = []\n")})
        for (const std::string& one : all)
            CHECK_THROWS_WITH(
                Profile::parse(std::string(good).replace(from, to - from, instead), "imaging.toml"),
                Contains(one) && Contains("imaging.toml: [confidentiality]: options"));
    // What needs none passes without the section.
    CHECK_NOTHROW(Profile::parse(R"(
name = "bare"
version = 1
source = "dicom"
[[patient]]
from = "PatientID"
kind = "record-number"
[dates]
max_shift_days = 30
[pixels]
sop_classes = ["CTImageStorage"]
[risk]
quasi_identifiers = []
k = 5
below = "report"
[[fields]]
name = "image"
from = "pixels"
transform = "keep"
[[columns]]
name = "kvp"
from = "KVP"
transform = "keep"
type = "number"
min = 0
max = 200
[[columns]]
name = "series"
from = "SeriesInstanceUID"
transform = "pseudonymise"
kind = "series"
)",
                                 "bare.toml"));
}

TEST_CASE("the whole of table E.1-1 is known: what it removes cannot be kept, wherever in a path it stands") {
    const std::string number = "transform = \"keep\"\ntype = \"number\"\nmin = 0\nmax = 400\n";
    const std::string codes = "transform = \"keep\"\nvalues = [\"A\"]\n",
                      pseudonym = "transform = \"pseudonymise\"\nkind = \"k\"\n";
    const auto of = [](const std::string& path) { return "from = \"" + path + "\"\n"; };
    for (const char* path :
         {"AcquisitionProtocolDescription", "BeamDescription", "PatientSetupPhotoDescription",
          "(0010,0044)[0].CodeValue", "(0010,0012)", "(0040,B034)", "(0040,E012)",
          "RequestAttributesSequence[0].RequestedProcedureID",
          "PersonIdentificationCodeSequence[0].CodeValue", "ContentSequence[0].NumericValue",
          "PatientBirthTime", "IssueDateOfImagingServiceRequest"}) {
        INFO(path);
        CHECK_THAT(accepted(of(path) + number), Contains("PS3.15 table E.1-1"));
        CHECK_THAT(accepted(of(path) + codes), Contains("PS3.15 table E.1-1"));
    }
    // Its repeating groups; the reader brings none of them.
    for (const char* path : {"6000,3000", "6002,4000", "5004,3000"})
        for (const std::string& rule : {number, codes, pseudonym})
            CHECK_THAT(accepted(of(path) + rule), Contains("curves and overlays are never kept"));
    // A code of a sequence of descriptors, listed, is clean; a number of it is not known to be.
    CHECK(accepted(of("AdmittingDiagnosesCodeSequence[0].CodeValue") + codes) == "accepted");
    CHECK_THAT(accepted(of("AdmittingDiagnosesCodeSequence[0].CodeValue") + number), Contains("descriptor"));
    CHECK(accepted(of("PersonIdentificationCodeSequence[0].CodeValue") + pseudonym) == "accepted");
    // A birth date is moved by nobody; an age may come of it.
    CHECK_THAT(accepted(of("PatientBirthDate") + "transform = \"shift\"\n"), Contains("only an age"));
    // Not in the table, and clean.
    for (const char* path : {"KVP", "SliceThickness",
                             "SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness"})
        CHECK(accepted(of(path) + number) == "accepted");
}

TEST_CASE("a code of CID 7050 holds of the samples that have a value in its columns") {
    const auto set = [](const std::string& columns) {
        std::map<std::string, std::vector<std::string>> out;
        const test::Scratch folder;
        core::write_atomically(folder / "set.toml",
                               "name = \"set\"\nversion = \"1\"\nprofile = \"" +
                                   (configs() / "deid/ct-volumes.toml").string() + "\"\ncolumns = [" +
                                   columns +
                                   "]\n[[fields]]\nname = \"image\"\nshape = []\ndtype = "
                                   "\"i16\"\n[splits]\ntrain = 1\n");
        for (const Method& method : methods_of(Definition::load(folder / "set.toml", {"north"})))
            out[method.code] = method.columns;
        return out;
    };
    using Columns = std::vector<std::string>;
    const auto found = set("\"site\", \"vendor\", \"sex\", \"age\", \"exam_day\"");
    CHECK(found.at("113100").empty());
    CHECK(found.at("113107") == Columns{"exam_day"});
    CHECK(found.at("113108") == Columns{"sex", "age"});
    CHECK(found.at("113109") == Columns{"vendor"});
    CHECK(found.at("113112") == Columns{"site"});
    CHECK_FALSE(found.contains("113105"));  // no label is taken
}

TEST_CASE("the codes of CID 7050 say what the dataset's rules do, and no more") {
    using Codes = std::set<std::string>;
    const std::string risk = "\"site\", \"sex\", \"age\"";  // what the profile measures risk over
    CHECK(codes(risk) == Codes{"113100", "113108", "113112"});
    CHECK(codes(risk + ", \"exam_day\"") == Codes{"113100", "113107", "113108", "113112"});
    CHECK(codes(risk + ", \"vendor\"") == Codes{"113100", "113108", "113109", "113112"});
    CHECK(codes(risk).count("113101") == 0);  // pixels are not cleaned
}

TEST_CASE("codes cannot be claimed by hand") {
    const std::string good = core::read_text(configs() / "deid/imaging.toml");
    CHECK_THROWS_WITH(Profile::parse("methods = [\"113101\"]\n" + good, "imaging.toml"), Contains("methods"));
}

TEST_CASE("a private attribute has every transform that bounds it, and is told as a safe one") {
    const std::string from = "from = \"(0019,xx0C) SIEMENS MR HEADER\"\n";
    const std::string number = "transform = \"keep\"\ntype = \"integer\"\nmin = 0\nmax = 5000\n";
    const std::string safe = "retain-safe-private";
    CHECK(accepted(from + number, safe) == "accepted");
    CHECK(accepted(from + "transform = \"pseudonymise\"\nkind = \"visit\"\n", safe) == "accepted");
    CHECK_THAT(accepted(from + "transform = \"keep\"\n", safe), !Contains("accepted"));
    CHECK_THAT(accepted(from + number),
               Contains("SIEMENS MR HEADER") && Contains(safe) && Contains("113111"));

    const test::Scratch folder;
    core::write_atomically(folder / "profile.toml",
                           with(core::read_text(configs() / "deid/mr-volumes.toml"), safe) +
                               "\n[[columns]]\nname = \"private_b\"\n" + from + number);
    core::write_atomically(
        folder / "set.toml",
        "name = \"set\"\nversion = \"1\"\nprofile = \"profile.toml\"\ncolumns = [\"site\", "
        "\"sex\", \"age\", \"private_b\"]\n[[fields]]\nname = \"image\"\nshape = []\ndtype = "
        "\"f32\"\n[splits]\ntrain = 1\n");
    std::set<std::string> out;
    for (const Method& method : methods_of(Definition::load(folder / "set.toml", {"north"})))
        out.insert(method.code);
    CHECK(out.count("113111") == 1);
}
