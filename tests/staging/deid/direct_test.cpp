// What PS3.15 says of attributes decides what a rule may do, and the codes say what was done.
#include "staging/deid/direct.h"

#include <catch2/catch.hpp>
#include <cstdlib>
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

// The installed profile with one more column.
std::string accepted(const std::string& column) {
    const std::string good = core::read_text(configs() / "deid/imaging.toml");
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
    CHECK(accepted(from + number) == "accepted");
    CHECK(accepted(from + "transform = \"pseudonymise\"\nkind = \"visit\"\n") == "accepted");
    CHECK_THAT(accepted(from + "transform = \"keep\"\n"), !Contains("accepted"));

    const test::Scratch folder;
    core::write_atomically(folder / "profile.toml", core::read_text(configs() / "deid/mr-volumes.toml") +
                                                        "\n[[columns]]\nname = \"private_b\"\n" + from +
                                                        number);
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
