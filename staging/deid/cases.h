#pragma once
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

// Reads [labels]; nothing if there is none. `images` is read as far as its columns, and its risk is made the stricter of
// both profiles'. Throws Error(usage).
std::shared_ptr<const Labels> read_labels(const core::Config& file, const std::filesystem::path& folder,
                                          const core::Config& maps, Definition& images, Paths& paths);

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
