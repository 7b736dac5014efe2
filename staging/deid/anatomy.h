#pragma once
#include <array>
#include <span>
#include <string_view>

#include "staging/read/record.h"

namespace staging {

struct PixelPolicy;  // profile.h

// A part of the body that shows no face: a profile can list these and no others.
struct BodyPart {
    std::string_view term;
    std::array<std::string_view, 4> codes;
};

std::span<const BodyPart> body_parts() noexcept;
const BodyPart* find_body_part(std::string_view term_or_code) noexcept;  // nullptr: not in the table

enum class Anatomy {
    listed,    // all it names are parts that the policy lists
    head,      // it names what shows a face
    unlisted,  // it names something else, or nothing that we can read
    untold,    // it names nothing
};

// From Body Part Examined and the coded regions of the object and its frames.
Anatomy anatomy_of(const Facts& facts, const PixelPolicy& policy);

// Whether a description that somebody typed has a word for what shows a face.
bool names_a_head(std::string_view description);

}  // namespace staging
