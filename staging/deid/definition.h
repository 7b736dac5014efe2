#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/shard/codec.h"
#include "core/shard/schema.h"
#include "staging/deid/profile.h"
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
    std::size_t value = 0, until_value = 0;  // positions in Wanted
    bool is_output = true;                   // false: only [select] looks at it
    std::vector<std::string> select;         // if not empty: other categories are left out
};

// configs/datasets/*.toml joined with its profile: everything that decides what a sample becomes.
struct Definition {
    std::string name, version;  // spoken of as name@version
    std::string sha256;         // of the file
    Profile profile;
    SampleKind kind = SampleKind::image;
    std::vector<std::string> sites;
    std::string file_suffix;  // files without it are left out; empty: all are read
    std::vector<FieldChoice> fields;
    std::vector<ColumnChoice> columns;
    std::vector<std::size_t> patient_values;    // positions in Wanted, as profile.patient
    std::optional<std::size_t> instance_value;  // the SOP Instance UID, which tells a file sent twice
    Wanted wanted;
    std::array<double, 4> splits{};  // upper ends of train, validation, test, hidden in [0, 1]
    std::int64_t target_bytes = 0;
    core::Codec codec = core::Codec::none;
    // patient, site, split, the columns, then what is computed from the pixels (computed.h)
    core::Schema schema;
    std::optional<std::size_t> series_value;  // position in Wanted of what groups files into volumes

    std::string id() const { return name + "@" + version; }

    // Throws Error(usage) that names the file and the key; unknown keys are refused. `deliveries` are the
    // hospitals' names as given on the command line: each must be one of `sites`, if there is that list.
    static Definition load(const std::filesystem::path& path, const std::vector<std::string>& deliveries);
};

// Columns that every schema begins with.
enum : std::size_t { kPatientColumn, kSiteColumn, kSplitColumn, kFirstRuleColumn };

}  // namespace staging
