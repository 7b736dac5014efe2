#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "core/shard/schema.h"
#include "staging/read/format.h"

namespace staging {

enum class Transform { keep, map, bucket, shift, pseudonymise };

// How one output column comes out of one source attribute. What has no rule has no way into a shard.
struct ColumnRule {
    std::string name;   // of the column
    std::string from;   // path of the attribute: "PatientSex", "OtherPatientIDsSequence[0].PatientID"
    std::string until;  // bucket: `from` and `until` are dates, the value is the years between
    int value = -1;     // which of several values (PixelSpacing has two); -1: the attribute has one
    Transform transform = Transform::keep;
    core::ColumnType type = core::ColumnType::category;
    std::vector<std::string> categories;       // every category it can have, in the order of their codes
    std::map<std::string, std::string> codes;  // map: folded code -> category
    bool codes_from_dataset = false;           // map: the dataset's definition brings categories and codes
    bool optional = false;                     // missing is no reason for quarantine
    std::optional<std::string> missing;        // the category that stands for a missing value
    std::optional<std::string> unknown;        // the category of an unlisted code
    double min = 0, max = 0;                   // keep, of numbers: inclusive
    std::int64_t width = 0, pool_above = 89;   // bucket, years
    std::string kind;                          // pseudonymise

    core::Column column() const { return {name, type, categories}; }
};

// A field that the profile lets through: the pixels, or numbers of named attributes within bounds.
struct FieldRule {
    std::string name;
    bool pixels = false;
    std::vector<std::string> from;  // of a table, in the order of the elements
    double min = 0, max = 0;
};

// One way to tell whose sample it is; the first that is there counts.
struct PatientRule {
    std::string from;
    bool national_id = false;            // else: a record number, of this hospital alone
    bool quarantine_other_form = false;  // something that is no national ID in a national ID's place
};

struct PixelPolicy {
    bool allow_ultrasound = false, allow_secondary_capture = false, allow_faces = false;
    bool allow_unknown_anatomy = false;  // CT and MR that do not say which body part they show
};

struct RiskPolicy {
    std::vector<std::string> quasi_identifiers;  // names of columns; "site" is one
    std::int64_t k = 5;
    std::string sensitive;  // a column of categories that must not be learned from the others; empty: none
    std::int64_t l = 0;     // at least so many of its categories in each group; 0: not asked for
    double t = 0;  // a group's distribution differs from all patients' by at most this; 0: not asked for
    bool suppress = false;
};

// configs/deid/*.toml: what may leave a delivery, and how it is changed.
struct Profile {
    std::string name;
    std::int64_t version = 0;
    const Format* source = nullptr;    // of the deliveries' files
    std::vector<std::string> methods;  // DICOM CID 7050 codes
    std::string sha256;                // of the file
    std::vector<PatientRule> patient;
    std::int64_t max_shift_days = 0;
    PixelPolicy pixels;
    RiskPolicy risk;
    std::vector<FieldRule> fields;
    std::vector<ColumnRule> columns;

    // Throws Error(usage) that names the file and the key; unknown keys are refused.
    static Profile load(const std::filesystem::path& path);
    static Profile parse(std::string_view toml, const std::string& name);
};

// How codes are compared: without surrounding padding and the case of ASCII letters.
std::string folded(std::string_view code);

// The categories of a map and its codes, from a table with `categories` and [codes].
void read_map(const core::Config& table, ColumnRule& rule);

}  // namespace staging
