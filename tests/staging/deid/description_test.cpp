// What a hospital declares, and what it decides.
#include "staging/deid/description.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/clean.h"
#include "support/scratch.h"

using namespace staging;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

fs::path configs() {
    return fs::path(std::getenv("ALOFT_SOURCE")) / "configs";
}
std::string refusal(const std::string& toml) {
    try {
        Description::parse(toml, "north.toml");
    } catch (const core::Error& e) {
        return e.fault() == core::Fault::usage ? e.what() : "another fault";
    }
    return "accepted";
}

// Who the patient of a record is, under the installed chest-xray profile and a description of "north".
struct People {
    explicit People(const std::string& description) {
        core::write_atomically(folder / "north.toml", "name = \"north\"\n" + description);
        core::write_atomically(
            folder / "set.toml",
            "name = \"set\"\nversion = \"1\"\nprofile = \"" + (configs() / "deid/chest-xray.toml").string() +
                "\"\ncolumns = [\"site\", \"sex\", \"age\", \"exam_day\"]\n[[fields]]\nname = "
                "\"image\"\nshape = []\ndtype = \"u16\"\n[splits]\ntrain = 1\n");
        definition.emplace(
            Definition::load(folder / "set.toml", {"north", "south"}, {folder / "north.toml"}));
    }
    std::variant<std::vector<Alias>, Rejection> of(const std::map<std::string, std::string>& values,
                                                   const std::string& site = "north") const {
        std::vector<std::optional<Value>> all(definition->wanted.size());
        std::size_t used = 0;
        for (std::size_t i = 0; i < all.size(); ++i)
            if (const auto found = values.find(definition->wanted.name(i)); found != values.end()) {
                all[i] = Value{found->second, {'L', 'O'}, {}};
                ++used;
            }
        REQUIRE(used == values.size());
        return identify(*definition, {all, {}}, site, pseudonyms);
    }
    core::Id16 patient(const std::map<std::string, std::string>& values,
                       const std::string& site = "north") const {
        return std::get<std::vector<Alias>>(of(values, site)).front().id;
    }
    std::string rejected(const std::map<std::string, std::string>& values) const {
        const auto out = of(values);
        const auto* rejection = std::get_if<Rejection>(&out);
        return rejection ? std::string(reason_name(rejection->reason)) + " " + rejection->detail : "taken";
    }
    test::Scratch folder;
    std::optional<Definition> definition;
    Pseudonyms pseudonyms{core::SecretKey::from(core::Bytes(32, 9))};
};

constexpr const char* kNational = "OtherPatientIDsSequence[0].PatientID";

}  // namespace

TEST_CASE("the installed descriptions load") {
    const Description example = Description::load(configs() / "deliveries/example.toml");
    CHECK(example.name == "north");
    CHECK(example.calendar_of("PatientBirthDate") == Calendar::roc);
    CHECK(example.calendar_of("StudyDate") == Calendar::automatic);
    CHECK(example.declared_of("phantoms/a.dcm") == Declared::phantom);
    CHECK(example.declared_of("phantoms") == Declared::nothing);
    CHECK(example.declared_of("phantoms2/a.dcm") == Declared::nothing);
    CHECK(load_placeholders(configs() / "deliveries/placeholders.toml").count("NONAME") == 1);
}

TEST_CASE("a slip of the pen in a description is refused by name") {
    CHECK_THAT(refusal("name = \"a\"\ndecimel = \",\"\n"), Contains("did you mean \"decimal\"?"));
    CHECK_THAT(refusal("name = \"a\"\n[dates]\ncalendar = \"minguo\"\n"), Contains("\"roc\""));
    CHECK_THAT(refusal("name = \"a\"\n[tables]\nencoding = \"latin\"\n"), Contains("\"big5\""));
    CHECK_THAT(refusal("name = \"a\"\n[tables]\nencoding = \"big5\"\nseparator = \"|\"\n"),
               Contains("part of a character"));
    CHECK_THAT(refusal("name = \"a\"\n[identifiers.record-number]\nstrip = \"-0\"\n"),
               Contains("cannot be stripped"));
    CHECK_THAT(refusal("name = \"a\"\n[identifiers.record-number]\ncases = \"fold\"\n"), Contains("case"));
    CHECK_THAT(refusal("name = \"a\"\npath = \"{x}{y}\"\n"), Contains("beside each other"));
    CHECK_THAT(refusal("name = \"a\"\n[newborn]\nyounger_than_days = 0\nnational_id = \"skip\"\n"),
               Contains("1 to 400"));
    CHECK_THAT(refusal("name = \"a\"\n[[declared]]\nis = \"healthy\"\n"), Contains("\"phantom\""));
}

TEST_CASE("identifiers are evened out as declared, and not otherwise") {
    const People plain(""),
        declared(
            "[identifiers.record-number]\nstrip = \"-/ \"\nleading_zeros = \"strip\"\ncase = \"fold\"\n");
    const auto same = [](const People& people, const std::string& a, const std::string& b) {
        return people.patient({{"PatientID", a}}) == people.patient({{"PatientID", b}});
    };
    CHECK(same(plain, "471100", " 471100"));
    CHECK(same(plain, "471100", "４７１１００"));
    for (const char* other : {"00471100", "471-100", "471 100"}) {
        CHECK_FALSE(same(plain, "471100", other));
        CHECK(same(declared, "471100", other));
    }
    CHECK_FALSE(same(plain, "p1", "P1"));
    CHECK(same(declared, "p1", "P1"));
    CHECK_FALSE(same(declared, "471100", "4711001"));
    // Declared of north: south's numbers are as they were.
    CHECK(declared.patient({{"PatientID", "0047"}}, "south") !=
          declared.patient({{"PatientID", "47"}}, "south"));
    CHECK(declared.rejected({{"PatientID", "---"}}) == "placeholder_id PatientID");
}

TEST_CASE("issuers are named, and one that is not named is not guessed") {
    const People people("[issuers]\n\"MAIN\" = \"north\"\n\"Branch \" = \"branch\"\n");
    const auto of = [&](const std::string& issuer) {
        return people.patient({{"PatientID", "7"}, {"IssuerOfPatientID", issuer}});
    };
    CHECK(of("main") == people.patient({{"PatientID", "7"}}));
    CHECK(of("BRANCH") != of("MAIN"));
    CHECK(people.rejected({{"PatientID", "7"}, {"IssuerOfPatientID", "WEST"}}) ==
          "unlisted IssuerOfPatientID");
}

TEST_CASE("a newborn does not become its mother") {
    const std::map<std::string, std::string> mother{{kNational, "B220987655"},
                                                    {"PatientID", "M1"},
                                                    {"PatientBirthDate", "19900101"},
                                                    {"StudyDate", "20230301"}};
    auto child = mother;
    child["PatientID"] = "M1-NB";
    child["PatientBirthDate"] = "20230225";
    const People plain(""), skip("[newborn]\nyounger_than_days = 60\nnational_id = \"skip\"\n"),
        strict("[newborn]\nyounger_than_days = 60\nnational_id = \"quarantine\"\n");
    const auto known = [](std::map<std::string, std::string> values) {
        values.erase("PatientBirthDate");
        values.erase("StudyDate");
        return values;
    };
    CHECK(plain.patient(known(mother)) == plain.patient(known(child)));  // nobody has declared anything
    CHECK(skip.patient(mother) != skip.patient(child));
    CHECK(std::get<std::vector<Alias>>(skip.of(child)).size() == 1);  // nor is it linked to her
    CHECK(skip.patient(child) == skip.patient({{"PatientID", "M1-NB"}}));
    CHECK(strict.rejected(child) == "identity_conflict newborn");
    CHECK(strict.rejected(mother) == "taken");
    child.erase("PatientBirthDate");
    child["PatientAge"] = "004D";
    CHECK(strict.rejected(child) == "identity_conflict newborn");
    child["PatientAge"] = "012W";
    CHECK(strict.rejected(child) == "taken");
}

TEST_CASE("what a site adds to the list of placeholders stands for nobody") {
    const People people("placeholders = [\"TEMP-1\"]\n");
    CHECK(people.rejected({{"PatientID", "temp 1"}}) == "placeholder_id PatientID");
    CHECK(People("").rejected({{"PatientID", "temp 1"}}) == "taken");
}

TEST_CASE("a description of a hospital that is none of the sites, or a second one, is refused") {
    const People people("");
    core::write_atomically(people.folder / "west.toml", "name = \"west\"\n");
    const auto load = [&](const std::vector<fs::path>& files) {
        Definition::load(people.folder / "set.toml", {"north", "south"}, files);
    };
    CHECK_THROWS_WITH(load({people.folder / "west.toml"}), Contains("none of the dataset's sites"));
    CHECK_THROWS_WITH(load({people.folder / "north.toml", people.folder / "north.toml"}),
                      Contains("described twice"));
    // Of a folder, the sites' own files are taken.
    CHECK_NOTHROW(load({people.folder.path()}));
}

TEST_CASE("a change in a description changes the digest of the rules") {
    CHECK(People("").definition->rules_sha256 != People("decimal = \",\"\n").definition->rules_sha256);
}
