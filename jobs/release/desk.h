#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jobs/release/gate.h"
#include "jobs/release/release_copies.h"

namespace jobs {

// One file that is to leave, as the gate wrote it, and the author's that it was made from.
struct LeavingFile {
    std::string name;  // set by the gate: "model.safetensors", "table-1.csv"
    std::string type;
    std::uint64_t bytes = 0, bits = 0;
    std::string sha256;
    QuarantinedFile author;
};

// A request, judged. Nothing of it is left on disk if it is refused.
struct Judged {
    std::string title;  // as it leaves
    std::vector<LeavingFile> files;
    std::vector<Finding> findings;  // `file` is the author's name, "title" or ""
    std::uint64_t bits = 0;         // of all files and the title

    bool refused() const;
    // What reviewers approve: SHA-256 over title, names and hashes of the files that leave.
    std::string approval() const;
};

// Judges `files`, which lie in FOLDER/author, and writes what leaves to FOLDER/canonical/NAME and how reviewers see
// it to FOLDER/rendered/NAME.txt, the checks to FOLDER/criteria.json; then removes FOLDER/author. Weights come first,
// so that metrics may state the
// digest of the weights that leave. Throws Error(system) alone.
Judged judge(const std::filesystem::path& folder, const std::vector<QuarantinedFile>& files,
             const std::string& title, Context context, core::ByteView secret);

// The title as it leaves: small letters, digits, single spaces and hyphens, sixty at most. Findings say what does
// not fit.
std::string plain_title(const std::string& given, std::vector<Finding>& findings);

// A text for people: valid UTF-8 without control characters other than '\n' and
// '\t' and without marks that change the order of letters; others are shown as '?'.
std::string printable_text(const std::string& text);

// What the gate knows of an enclave and of the datasets of a grant: NAME@VERSION, each with its manifest where
// `datasets` (site.toml) lets us read it. `earlier`: each release that left or may still leave, with the
// folder that holds its files. Throws Error(system) if one of those cannot be read.
Context context_of(const ReleaseRules& rules, const std::string& enclave,
                   const std::vector<std::string>& names, const std::filesystem::path& datasets,
                   const std::vector<std::pair<std::string, std::filesystem::path>>& earlier);

// PREFIX/libexec/aloft/aloft-picture, which draws pictures.
std::filesystem::path picture_program();

nlohmann::json to_json(const LeavingFile& file);
LeavingFile leaving_file(const nlohmann::json& json);
nlohmann::json to_json(const std::vector<Finding>& findings);
// Of a release on record: SHA-256 over title, names and hashes; and how much it can carry.
std::string approval_of(const std::string& title, const std::vector<LeavingFile>& files);
std::uint64_t bits_of(const std::string& title, const std::vector<LeavingFile>& files);

}  // namespace jobs
