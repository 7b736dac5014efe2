#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/shard/codec.h"
#include "core/shard/schema.h"
#include "staging/deid/description.h"
#include "staging/deid/profile.h"
#include "staging/deid/quasi.h"
#include "staging/deid/values.h"
#include "staging/read/wanted.h"

namespace staging {

// What one sample is made of: a table's row, a file's image, or a series' volume.
enum class SampleKind { row, image, volume };

// How an array that is not of the field's shape becomes one.
enum class Fit {
    exact,     // it does not: shape_differs
    crop_pad,  // cut or filled evenly at both ends of each axis
    resample,  // stretched to the shape
};

// What tells which image a row or a mask belongs to.
enum class Match { patient, study, accession, instance };
std::string_view name_of(Match match);
struct CaseKey {
    Match match = Match::patient;
    std::size_t place = kNowhere;  // patient: nowhere, `Definition::patient` says it
    bool is_uid = false;
};
struct Labels;  // cases.h
struct Masks;   // cases.h

// A field of the dataset: what the profile lets through, in the shape and type that trainers are to find.
struct FieldChoice {
    FieldRule rule;
    core::Field field;
    bool stored = false;            // pixel values as the file has them, instead of what they mean
    std::optional<double> padding;  // stands for "no measurement", and fills what cropping leaves empty
    Fit fit = Fit::exact;
    // mm between voxels along the array's last axes (k, j, i); the array is resampled to it before it is fitted.
    std::vector<double> spacing;
    std::vector<std::size_t> values;  // of a table: positions in Wanted
};

struct ColumnChoice {
    ColumnRule rule;
    struct Place {
        std::size_t from = kNowhere, until = kNowhere;
    };
    std::vector<Place> places;        // as rule.sources; see Values
    bool is_output = true;            // false: only [select] looks at it
    std::vector<std::string> select;  // if not empty: other categories are left out
};

// One place where an identifier stands; a rule with [*] makes several.
struct PatientChoice {
    PatientRule rule;
    std::size_t identifier = kNowhere, issuer = kNowhere;
};

// configs/datasets/*.toml joined with its profile: everything that decides what a sample becomes.
// A hospital's name: small letters, digits, - and _; 32 at most.
bool is_site(std::string_view name);

struct Definition {
    std::string name, version;  // spoken of as name@version
    std::string sha256;         // of the file
    std::string rules_sha256;   // over the file, the profile, the descriptions and the list of placeholders
    Profile profile;
    SampleKind kind = SampleKind::image;
    std::vector<std::string> sites;
    std::string file_suffix;  // files without it are left out; empty: all are read
    std::vector<FieldChoice> fields;
    std::vector<ColumnChoice> columns;
    std::vector<PatientChoice> patient;
    std::map<std::string, Description> descriptions;  // one for each site
    std::vector<std::string> path_names;              // what "path:NAME" asks for, from kPathBase on
    // DICOM: the UIDs that tell a file sent twice, a study, a series.
    std::size_t instance = kNowhere, study = kNowhere, series = kNowhere;
    // What tells a newborn: an age, a birth date, the date of the examination.
    struct Newborn {
        std::size_t age = kNowhere, born = kNowhere;
        std::vector<std::size_t> at;
    } newborn;
    std::shared_ptr<const Labels> labels;  // none: images stand alone
    std::optional<CaseKey> key;            // of images, and of a table of labels
    std::shared_ptr<const Masks> masks;
    Wanted wanted;
    Limits limits;  // [limits]: what the reader may spend on one file (limits.h)
    std::array<double, 4> splits{};  // upper ends of train, validation, test, hidden in [0, 1]
    std::int64_t target_bytes = 0;
    core::Codec codec = core::Codec::none;
    // The fields, then the mask. patient, split, the columns, what is computed from the pixels (computed.h), then the labels'
    core::Schema schema;
    std::optional<QuasiColumns> quasi;  // of a profile that generalises

    // Whether each volume is looked at for a face, which is then cut off.
    bool looks_for_faces() const {
        return kind == SampleKind::volume && profile.pixels.faces == FacePolicy::deface;
    }
    std::string id() const { return name + "@" + version; }

    // The place in `sites` of a delivery's name, which is one of them.
    std::uint32_t site_number(std::string_view name) const;
    const Description& description(std::string_view site) const { return descriptions.at(std::string(site)); }

    // Throws Error(usage) that names the file and the key; unknown keys are refused. `deliveries` are the
    // hospitals' names as given on the command line: each must be one of `sites`, if there is that list.
    // `descriptions`: files (configs/deliveries/NAME.toml), or folders of them.
    static Definition load(const std::filesystem::path& path, const std::vector<std::string>& deliveries,
                           const std::vector<std::filesystem::path>& descriptions = {});
};

// Columns that every schema begins with.
enum : std::size_t { kPatientColumn, kSplitColumn, kFirstRuleColumn };

}  // namespace staging
