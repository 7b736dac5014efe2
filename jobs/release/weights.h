#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "jobs/release/gate.h"

namespace jobs {

// What the gate knows when it judges weights.
struct WeightsContext {
    // Of the site: with the content's digest it seeds the rounding, so that no author can choose or foretell it.
    core::ByteView secret;
    // True for a word of the enclave's vocabulary: names of classes and datasets.
    std::function<bool(const std::string&)> knows;
};

// Writes `canonical` (0600) from `file`: tensors of a registered architecture and no others, in order of name,
// each value drawn anew to bf16 (requantise.h), metadata spelt by the gate. The same numbers give the same bytes
// for the same secret. Leaving::canonical stays empty, since a model may be larger than memory; `rendered` tells
// tensors, shapes, ranges and how large the written values are. Never throws for what is in
// the file; Error(system) if it cannot be read or written.
Leaving prepare_weights(const std::filesystem::path& file, const std::filesystem::path& canonical,
                        const WeightsContext& context);

}  // namespace jobs
