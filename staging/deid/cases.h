#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "staging/deid/clean.h"
#include "staging/deid/definition.h"
#include "staging/deid/path_pattern.h"

namespace staging {

class Paths;

// [labels] of a definition: tables that a hospital delivers beside its images, and whose rows say something of them.
// A row finds its images within its own delivery, by a keyed digest.
struct Labels {
    PathPattern files;  // which of a delivery's files are such tables
    bool keep_unmatched =
        false;         // an image without a row stays, and these columns are missing; else unmatched_image
    Definition table;  // what becomes of a row: of its profile the columns, whose it is, and the key
};

// How the first two axes of a file of NIfTI, i and j, lie on a single image, as the definition declares it: nobody can tell from
// the file, which programs write of an array [rows, columns] and of [columns, rows] alike.
struct PlaneAxes {
    bool rows_first = false;  // i runs along rows' numbers, j along columns'; else the other way
    bool rows_turned = false, columns_turned = false;  // from the last row or column to the first
    bool is_changed() const noexcept { return rows_first || rows_turned || columns_turned; }
};

// What masks of pictures were made of, where the reader turned these upright, as the definition declares it: the pixels as
// the file stores them, or as they are seen.
enum class DrawnOn : std::uint8_t { unsaid, stored, upright };

// Reads [labels]; nothing if there is none. `images` is read as far as its columns, and its risk is made the stricter of
// both profiles'. Throws Error(usage).
std::shared_ptr<const Labels> read_labels(const core::Config& file, const std::filesystem::path& folder,
                                          const core::Config& maps, Definition& images, Paths& paths);

// [masks] of a definition: files that a hospital delivers beside its images, on their grid, with a number for what each
// voxel shows. Which image one belongs to stands in its path, or, of DICOM segmentations, in the object itself.
struct Masks {
    bool is_flat = false;              // of single images, which have no grid but their size; else of volumes
    std::optional<PathPattern> files;  // none: segmentations, which their SOP class tells
    // What tells the case: names of the pattern, by their places in it, and where images say the same.
    std::vector<std::string> names;
    std::vector<std::size_t> in_path, places;
    std::array<bool, 256> values{};  // which numbers may stand in a file
    // Where each file shows one part of what its image's mask shows: the name of the pattern that says which, and the
    // number of each. Whatever is not 0 in such a file shows its part.
    std::optional<std::size_t> part{};
    std::map<std::string, std::uint8_t, std::less<>> parts{};
    bool needs_all_parts = true;  // else one without a file shows nothing
    // Masks of one image that show different numbers are one mask, and of two numbers at a voxel the higher stands;
    // else they contradict each other.
    bool joins = false, higher_stands = false;
    FieldChoice field;  // fitted as the first field of the images is
    Wanted wanted{};    // nothing but pixels; none of segmentations: they are read as images are
    PlaneAxes axes{};   // of NIfTI on single images
    DrawnOn drawn_on = DrawnOn::unsaid;
    // Of segmentations: the number of each code that a segment may have, "SCHEME:VALUE", and which part of a voxel a
    // fractional one must fill to count.
    std::map<std::string, std::uint8_t, std::less<>> segments{};
    std::optional<double> threshold{};
    bool is_segmentation() const noexcept { return !files; }
};
std::shared_ptr<const Masks> read_masks(const core::Config& file, const Definition& images, Paths& paths);

// The key that an image and its mask share, from what the image says; zero if it lacks a part of it. Of a segmentation
// and its volume: the frame of reference, or the study if there is none; and its single image: the image's UID.
std::variant<core::Id16, Rejection> mask_key(const Definition& definition, const Values& values,
                                             std::string_view site, const Pseudonyms& pseudonyms);
// The same of a segmentation of a single image: bad_mask if it names no image or several, or says that its pixels are not
// those of the image (Spatial Locations Preserved, PS3.3 section C.7.6.16.2.6).
std::variant<core::Id16, Rejection> mask_key(const Definition& definition, const Segmentation& segmentation,
                                             std::string_view site, const Pseudonyms& pseudonyms);
// The number of the part that a mask's file shows by its path; 0 where files show all, nothing if it is none of those
// that the definition lists.
std::optional<std::uint8_t> mask_part(const Masks& masks, std::string_view file_name);

// From a mask's path; zero if a part of it is empty, nothing if no mask has such a path.
std::optional<core::Id16> mask_key(const Definition& definition, std::string_view file_name,
                                   std::string_view site, const Pseudonyms& pseudonyms);

// What a file or row says of its case: a keyed digest, the same for both sides; zero if it says nothing, and where
// patients are what is matched by, since who is one person shows when all are together.
std::variant<core::Id16, Rejection> case_key(const Definition& definition, const Values& values,
                                             std::string_view site, const Pseudonyms& pseudonyms);

// How a row's columns stand behind those of an image of `patient`: dates moved by that patient's offset, without
// patient and split.
std::vector<core::Cell> label_cells(std::vector<core::Cell> row, const core::Id16& patient,
                                    const Definition& images, const Pseudonyms& pseudonyms);

// Where the schema's columns of labels begin.
std::size_t first_label_column(const Definition& images);

}  // namespace staging
