#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "jobs/release/differencing.h"
#include "jobs/release/finding.h"
#include "jobs/release/rules.h"
#include "jobs/release/vocabulary.h"

namespace jobs {

// What the gate knows beside the file.
struct Context {
    ReleaseRules rules;
    Vocabulary vocabulary;              // of the enclave: vocabulary_of(...), or filled by hand
    std::vector<EarlierTable> earlier;  // of every release of the grant that left or may still leave
    Lines beside;                       // of the confusions of the other files of the request (lines_beside)
    // Whether a text is a pseudonym of one of the grant's datasets. Optional: what looks like one is refused
    // anyway.
    std::function<bool(std::string_view)> is_pseudonym;
    std::int64_t patients = 0;  // of the grant's datasets together; 0: not known
    // Other numbers of people or samples that a list must not be as long as: of each dataset and split.
    std::vector<std::int64_t> group_sizes;
    // SHA-256 (hex) that a file may state under a key that ends in "sha256" -> what is written instead: the
    // digest of the author's model -> the digest of the gate's. Others become null: 32 bytes are a key.
    std::map<std::string, std::string> digests;
    // Decodes pictures in a process of its own: PREFIX/libexec/aloft/aloft-picture. Empty: within this one.
    std::filesystem::path picture_program;
};

// What leaves for one file: bytes that the gate wrote from what it parsed. If any finding refuses, `canonical`
// and `rendered` are empty.
struct Leaving {
    std::string type;  // "json", "csv", "markdown", "png"
    core::Bytes canonical;
    std::vector<Finding> findings;  // at most one of a code
    std::uint64_t bits = 0;         // upper bound of the information in `canonical`
    std::string rendered;           // text for the reviewers, without control characters but '\n'

    bool refused() const;
};

// Each is total: any bytes at all end in a Leaving. They throw only what memory and the system throw.
Leaving prepare_json(core::ByteView bytes, const Context& context);
Leaving prepare_csv(core::ByteView bytes, const Context& context);
Leaving prepare_markdown(core::ByteView bytes, const Context& context);
Leaving prepare_png(core::ByteView bytes, const Context& context);

// One row per type of file that this gate writes anew; weights have a gate of their own.
struct GateType {
    const char* extension;   // ".json"
    const char* type;        // "json"
    const char* media_type;  // "application/json"
    Leaving (*prepare)(core::ByteView, const Context&);
    std::uint64_t (*limit_bytes)(const ReleaseRules&);  // of the author's file
};
const std::vector<GateType>& gate_types();
const GateType* gate_type(std::string_view name);  // by extension; nullptr: none

// Whether a file's name may leave with it: terms and names of the vocabulary and an extension. Empty if so.
std::vector<Finding> check_name(const std::string& name, const Context& context);

// What an earlier release says, read from the canonical bytes that left. `type` as Leaving::type; types without
// numbers give an empty table.
EarlierTable earlier_table(const std::string& release, const std::string& type, core::ByteView canonical,
                           const Context& context);

// The lines of the confusions of a file that stands in the same request, as its author wrote it.
Lines lines_beside(const std::string& type, core::ByteView bytes, const Context& context);

// The gate's terms, `[words]` of the rules for all enclaves and for this one; datasets are added by add_manifest.
Vocabulary vocabulary_of(const ReleaseRules& rules, const std::string& enclave);

}  // namespace jobs
