// One record through the keep-list: the profile and the definition are those that are installed.
#include "staging/deid/clean.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <set>

#include "staging/deid/computed.h"

using namespace staging;

namespace {

const Definition& digits() {
    static const Definition definition =
        Definition::load(std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/datasets/digits.toml",
                         {"north", "south"});
    return definition;
}
const Pseudonyms& pseudonyms() {
    static const Pseudonyms mine(core::SecretKey::from(core::Bytes(32, 9)));
    return mine;
}

Vr vr(const std::string& name) {
    return name.ends_with("UID") ? Vr{'U', 'I'} : Vr{'L', 'O'};
}

// A record as the worker hands it over: one good image, of a patient with a national ID.
struct Made {
    std::map<std::string, std::string> values{
        {"OtherPatientIDsSequence[0].PatientID", "B220987655"},
        {"PatientID", "0012345"},
        {"Manufacturer", "SIEMENS "},
        {"AdmittingDiagnosesCodeSequence[0].CodeValue", "D7"},
        {"Modality", "DX"},
        {"PatientSex", "F"},
        {"PatientAge", "045Y"},
        {"StudyDate", "20230305"},
        {"SOPInstanceUID", "1.2.3.4"},
    };

    std::variant<Cleaned, Rejection> cleaned(std::string_view site = "north") const {
        Record record;
        for (std::size_t i = 0; i < digits().wanted.size(); ++i) {
            const auto found = values.find(digits().wanted.name(i));
            record.values.emplace_back();
            if (found != values.end()) record.values.back() = Value{found->second, vr(found->first), false};
        }
        return clean(record, {site, "a/b.dcm"}, digits(), pseudonyms());
    }
    Cleaned taken(std::string_view site = "north") const { return std::get<Cleaned>(cleaned(site)); }
    // "reason detail"; no value of the record may stand in it.
    std::string rejected() const {
        const auto out = cleaned();
        if (std::holds_alternative<Cleaned>(out)) return "taken";
        const auto& rejection = std::get<Rejection>(out);
        return std::string(reason_name(rejection.reason)) + " " + rejection.detail;
    }
    Made with(const std::string& name, const std::string& value) const {
        Made other = *this;
        other.values[name] = value;
        return other;
    }
    Made without(const std::string& name) const {
        Made other = *this;
        other.values.erase(name);
        return other;
    }
};

template <class T>
T cell(const Cleaned& cleaned, const std::string& column) {
    return std::get<T>(cleaned.columns[digits().schema.column(column)]);
}

constexpr const char* kNational = "OtherPatientIDsSequence[0].PatientID";

}  // namespace

TEST_CASE("a good image keeps only the columns that the definition names") {
    const Cleaned out = Made().taken();
    // What is computed from the pixels comes later, at the end.
    CHECK(out.columns.size() + computed_columns(SampleKind::image).size() == digits().schema.columns.size());
    CHECK(cell<std::string>(out, "site") == "north");
    CHECK(cell<std::string>(out, "vendor") == "siemens");
    CHECK(cell<std::string>(out, "label") == "7");
    CHECK(cell<std::string>(out, "sex") == "F");
    CHECK(cell<core::Id16>(out, "patient") == out.patient);
}

TEST_CASE("a national ID joins a patient across hospitals; record numbers never do") {
    const Made made;
    CHECK(made.taken("north").patient == made.taken("south").patient);
    CHECK(made.with("PatientID", "9").taken("south").patient == made.taken("north").patient);
    // The hospital that uses the national ID as its record number.
    CHECK(made.without(kNational).with("PatientID", "b220987655").taken("south").patient ==
          made.taken().patient);
    const Made numbered = made.without(kNational);
    CHECK(numbered.taken("north").patient != numbered.taken("south").patient);
    CHECK(numbered.taken("north").patient == numbered.taken("north").patient);
    CHECK(numbered.taken().patient != made.taken().patient);
    CHECK(numbered.without("PatientID").rejected() == "missing_attribute PatientID");
}

TEST_CASE("dates move, by one offset for a patient: intervals survive, days do not") {
    const Made made;
    const auto day = [](const Made& m) { return cell<std::int64_t>(m.taken(), "exam_day"); };
    const std::int64_t first = day(made), later = day(made.with("StudyDate", "1120315"));  // ROC, ten days on
    CHECK(later - first == 10);
    CHECK(first < 19421);  // 2023-03-05
    std::set<std::int64_t> others;
    for (int i = 0; i < 20; ++i)
        others.insert(day(made.without(kNational).with("PatientID", "P" + std::to_string(i))));
    CHECK(others.size() > 15);
    CHECK(made.with("StudyDate", "20230230").rejected() == "bad_value exam_day");
}

TEST_CASE("ages are bands, and all above 89 are one") {
    const auto age = [](const std::string& text) {
        return cell<std::string>(Made().with("PatientAge", text).taken(), "age");
    };
    CHECK(age("045Y") == age("049Y"));
    CHECK(age("044Y") != age("045Y"));
    CHECK(age("090Y") == age("101Y"));
    CHECK(age("089Y") != age("090Y"));
    CHECK(cell<std::string>(Made().without("PatientAge").taken(), "age") == "unknown");
}

TEST_CASE("a name in the place of a code goes to quarantine, and is not repeated") {
    const Made made;
    CHECK(made.with("PatientSex", "WANG^SIAO").rejected() == "unlisted sex");
    CHECK(made.with("AdmittingDiagnosesCodeSequence[0].CodeValue", "WANG").rejected() == "unlisted label");
    CHECK(made.with("PatientAge", "WANG").rejected() == "bad_value age");
    CHECK(made.with("StudyDate", "WANG").rejected() == "bad_value exam_day");
    CHECK(made.with("Modality", "WANG").rejected() == "not_selected modality");
    CHECK(made.with("PatientSex", "F\\WANG").rejected() == "unlisted sex");
    // A manufacturer that is not listed is one of "other": the name that was typed there does not get
    // through.
    CHECK(cell<std::string>(made.with("Manufacturer", "WANG").taken(), "vendor") == "other");
}

TEST_CASE("what must be there, and what must fit, decides") {
    const Made made;
    CHECK(made.without("StudyDate").rejected() == "missing_attribute StudyDate");
    CHECK(made.with("StudyDate", "  ").rejected() == "missing_attribute StudyDate");
}

TEST_CASE("an instance is the same file, whatever else differs") {
    const Made made;
    const Made other = made.with("SOPInstanceUID", "1.2.3.5").with("PatientSex", "M");
    CHECK(made.with("PatientSex", "M").taken().instance == made.taken().instance);
    CHECK(other.taken().instance != made.taken().instance);
    CHECK(made.without("SOPInstanceUID").taken().instance == core::Id16{});
}

TEST_CASE("a patient's samples all lie in one split") {
    const Made made;
    std::set<std::string> splits;
    for (int i = 0; i < 200; ++i) {
        const Made one = made.without(kNational).with("PatientID", "P" + std::to_string(i));
        const auto split = cell<std::string>(one.taken(), "split");
        CHECK(cell<std::string>(one.with("StudyDate", "20200101").taken(), "split") == split);
        splits.insert(split);
    }
    CHECK(splits == std::set<std::string>{"train", "validation", "test"});
}

TEST_CASE("a study date that is absent or unusable is looked for in the next place") {
    const Made made = Made().with("SeriesDate", "20230315");
    const auto day = [](const Made& m) { return cell<std::int64_t>(m.taken(), "exam_day"); };
    CHECK(day(made.without("StudyDate")) - day(made) == 10);
    CHECK(day(made.with("StudyDate", "***")) == day(made.without("StudyDate")));
    CHECK(made.without("StudyDate").without("SeriesDate").rejected() == "missing_attribute StudyDate");
}

TEST_CASE("an age that is absent comes from the birth date") {
    const auto age = [](const Made& m) { return cell<std::string>(m.taken(), "age"); };
    const Made dated = Made().without("PatientAge").with("PatientBirthDate", "19780101");
    CHECK(age(dated) == "45-49");
    CHECK(age(dated.with("PatientAge", "***")) == "45-49");
    CHECK(age(dated.with("PatientAge", "020Y")) == "20-24");
    // Only the series has a date: birth and that one.
    CHECK(age(dated.without("StudyDate").with("SeriesDate", "20230305")) == "45-49");
}

TEST_CASE("sloppy ages and sexes are what they mean") {
    for (const char* age : {"45", "045y", "45Y", "045", "0045Y"})
        CHECK(cell<std::string>(Made().with("PatientAge", age).taken(), "age") == "45-49");
    CHECK(cell<std::string>(Made().with("PatientSex", "MALE").taken(), "sex") == "M");
    CHECK(cell<std::string>(Made().with("PatientSex", "female ").taken(), "sex") == "F");
}

TEST_CASE("a six-digit date with two readings is never guessed") {
    CHECK(Made().with("StudyDate", "990520").rejected() == "ambiguous_date exam_day");
}

TEST_CASE("a UID of another form than PS3.5's is no UID") {
    CHECK(Made().with("StudyInstanceUID", "../../../../tmp/x").rejected() == "bad_uid StudyInstanceUID");
    CHECK(Made().with("SOPInstanceUID", std::string(65, '1')).rejected() == "bad_uid SOPInstanceUID");
    CHECK(Made().with("SeriesInstanceUID", "1.2.840.10008 ").rejected() == "taken");
    CHECK(Made().taken().study == core::Id16{});
    CHECK(Made().with("StudyInstanceUID", "1.2").taken().study != core::Id16{});
}

TEST_CASE("what stands for nobody is nobody's") {
    const Made made = Made().without(kNational);
    for (const char* nobody : {"UNKNOWN", "unknown ", "0", "0000000", "A123456789", "Ａ１２３４５６７８９",
                               "A123-456-789", "n/a", "EMERGENCY"})
        CHECK(made.with("PatientID", nobody).rejected() == "placeholder_id PatientID");
    // A dummy in one place does not hide who somebody is in another.
    CHECK(Made().with(kNational, "A123456789").taken().patient == made.taken().patient);
}

TEST_CASE("every item of OtherPatientIDs is looked at, and all identifiers are the person's") {
    const Made made;
    const std::string second = "OtherPatientIDsSequence[1].PatientID";
    const Made later = made.with(kNational, "LOCAL-7").with(second, "B220987655");
    CHECK(later.taken().patient == made.taken().patient);
    const auto aliases = later.taken().aliases;
    REQUIRE(aliases.size() == 2);
    CHECK((aliases[0].is_national && !aliases[1].is_national));
    CHECK(aliases[1].id == made.without(kNational).taken().patient);
    CHECK(made.with(second, "F131056243").rejected() ==
          "identity_conflict OtherPatientIDsSequence[*].PatientID");
    CHECK(made.with(second, "B220987655").rejected() == "taken");  // the same one again
}

TEST_CASE("record numbers of two issuers in one delivery never merge two patients") {
    const Made made = Made().without(kNational);
    const Made other = made.with("IssuerOfPatientID", "CAMPUS B");
    CHECK(other.taken().patient != made.taken().patient);
    CHECK(other.taken().patient == made.with("IssuerOfPatientID", "campus b ").taken().patient);
}

TEST_CASE("a sample that moves to another pseudonym of its person keeps its intervals") {
    const Made made = Made().without(kNational);
    Cleaned first = made.taken(), later = made.with("StudyDate", "20230315").taken();
    const core::Id16 national = Made().taken().patient;
    move_to(first.columns, national, digits(), pseudonyms());
    move_to(later.columns, national, digits(), pseudonyms());
    CHECK(cell<std::int64_t>(later, "exam_day") - cell<std::int64_t>(first, "exam_day") == 10);
    CHECK(first.columns == Made().taken().columns);
}

TEST_CASE("a table's decimal commas become points once, also where two fields have one column") {
    Definition definition;
    definition.fields.resize(2);
    definition.fields[0].values = {0, 1};
    definition.fields[1].values = {0};
    Description commas = Description::plain("north");
    commas.decimal_comma = true;
    Record row;
    for (const char* text : {"5,25", "1.234", "6,5"}) row.values.push_back(Value{text, {'U', 'T'}, false});
    as_declared(row, definition, commas);
    CHECK(row.values[0]->bytes == "5.25");
    CHECK_FALSE(number(*row.values[1]).has_value());
    CHECK(row.values[2]->bytes == "6,5");  // no field's
}
