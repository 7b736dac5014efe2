#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/config.h"
#include "core/shard/schema.h"
#include "staging/deid/sop_class.h"
#include "staging/read/format.h"
#include "staging/risk/policy.h"

namespace staging {

// The transforms of a column: the one list. What has no rule has no way into a shard.
struct Codes {                                 // keep with `values`, and map: one of the categories
    std::map<std::string, std::string> codes;  // folded code -> category
    std::optional<std::string> unknown;        // the category of an unlisted code
    bool from_dataset = false;                 // the dataset's definition brings categories and codes
};
struct Number {  // keep, within inclusive bounds
    double min = 0, max = 0;
};
struct Integer {
    double min = 0, max = 0;
};
struct AgeBand {  // bucket, years
    std::int64_t width = 0, pool_above = 89;
};
struct ShiftDate {};
struct Pseudonymise {
    std::string kind;
};
struct DeliveryName {};  // delivery: which hospital sent it
using Transform = std::variant<Codes, Number, Integer, AgeBand, ShiftDate, Pseudonymise, DeliveryName>;

// Where a column's value is looked for: an attribute or a table's column, or (an age) two dates.
struct Source {
    std::string from;   // "PatientSex", "OtherPatientIDsSequence[0].PatientID", "path:visit"
    std::string until;  // not empty: `from` is the birth, the value is the years between
};

struct ColumnRule {
    std::string name;
    std::vector<Source> sources;  // in order: the first that gives a value counts. Empty for DeliveryName
    int value = -1;               // which of several values (PixelSpacing has two); -1: the attribute has one
    Transform transform;
    core::ColumnType type = core::ColumnType::category;
    std::vector<std::string> categories;  // every category it can have, in the order of their codes
    std::optional<core::Cell> missing;    // what stands for a missing value; without it: quarantine
    bool bad_is_missing = false;          // so does a value that cannot be used; without it: quarantine

    core::Column column() const { return {name, type, categories}; }
};

// A field that the profile lets through: the pixels, masks of them, or numbers of named attributes within bounds.
struct FieldRule {
    std::string name;
    bool pixels = false;
    bool masks = false;             // files beside the images: a definition's [masks] says which
    std::vector<std::string> from;  // of a table, in the order of the elements
    double min = 0, max = 0;
};

// One way to tell whose sample it is. The first identifier that is there and stands for somebody names the
// patient; the others are the same person's.
struct PatientRule {
    std::string from;    // with [*]: every item of the sequence, as far as kItems
    std::string issuer;  // where the identifier's issuer is told; may be empty
    std::string kind;    // "national-id", "record-number", or a kind of the site's own
    bool is_national_id = false;
    bool everywhere = false;             // one name space for all deliveries, as the national ID has
    bool quarantine_other_form = false;  // something that is no national ID in a national ID's place
};
inline constexpr int kItems = 8;

// What becomes of text that is found in pixels (image/clean_text.h).
enum class TextPolicy { quarantine, blank, allow };
std::string_view text_policy_name(TextPolicy policy) noexcept;

// What becomes of heads, and of what does not say what it shows. deface: of volumes, faces are cut off (face/deface.h);
// single images are quarantined.
enum class FacePolicy { quarantine, deface, allow };
std::string_view face_policy_name(FacePolicy policy) noexcept;

// A head that has a face and is nobody's among the deliveries, and the same without what is not brain, on one grid:
// NIfTI files that a package brings, told by their digests.
struct FaceTemplate {
    std::string head, head_sha256, brain, brain_sha256;  // paths; hex
};

// Which images may pass. What is not listed, or says nothing, is quarantined.
struct PixelPolicy {
    bool by_class = true;  // false: of formats that name no class (NIfTI, pictures); only faces are judged
    std::vector<const SopClass*> sop_classes;
    std::vector<std::string> other_sop_classes;    // UIDs that our table does not have
    std::vector<std::string> body_parts;           // CID 4 terms that show no face
    std::map<std::string, std::string> spellings;  // what scanners write -> a term of body_parts
    FacePolicy faces = FacePolicy::quarantine;
    FaceTemplate face_template;          // of FacePolicy::deface
    bool allow_unknown_anatomy = false;  // only what does not say what it shows
    // The signs of text in the pixels, each a rule of its own.
    bool allow_ultrasound = false, allow_secondary_capture = false, allow_conversion_type = false,
         allow_screen = false, allow_other_modality = false;
    TextPolicy text = TextPolicy::quarantine;
    bool need_burned_in_no = false;  // BurnedInAnnotation must say NO; else it must not say YES
};

// configs/deid/*.toml: what may leave a delivery, and how it is changed.
struct Profile {
    std::string name;
    std::int64_t version = 0;
    const Format* source = nullptr;  // of the deliveries' files
    std::string sha256;              // of the file
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
