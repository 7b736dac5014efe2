// One record through the keep-list: the profile and the definition are those that are installed.
#include "staging/deid/clean.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <set>

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

// A record as the worker hands it over: one good image, of a patient with a national ID.
struct Made {
    std::map<std::string, std::string> values{
        {"OtherPatientIDsSequence[0].PatientID", "A123456789"},
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
            if (found != values.end()) record.values.back() = Value{found->second, {'L', 'O'}, ""};
        }
        return clean(record, site, digits(), pseudonyms());
    }
    Cleaned taken(std::string_view site = "north") const { return std::get<Cleaned>(cleaned(site)); }
    // "reason detail"; no value of the record may stand in it.
    std::string rejected() const {
        const auto out = cleaned();
        if (std::holds_alternative<Cleaned>(out)) return "taken";
        return std::string(reason_name(std::get<Rejection>(out).reason)) + " " + std::get<Rejection>(out).detail;
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
    CHECK(out.columns.size() == digits().schema.columns.size());
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
    CHECK(made.without(kNational).with("PatientID", "a123456789").taken("south").patient ==
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
        others.insert(day(made.without(kNational).with("PatientID", std::to_string(i))));
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
        const Made one = made.without(kNational).with("PatientID", std::to_string(i));
        const auto split = cell<std::string>(one.taken(), "split");
        CHECK(cell<std::string>(one.with("StudyDate", "20200101").taken(), "split") == split);
        splits.insert(split);
    }
    CHECK(splits == std::set<std::string>{"train", "validation", "test"});
}
