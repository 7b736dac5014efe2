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

// What counts as showing a face: the neck and its vessels do where a surface can be made of what lies about them, and not in
// ultrasound, which shows what it is held to.
enum class Heads { with_necks, alone };

// From Body Part Examined and the coded regions of the object and its frames.
Anatomy anatomy_of(const Facts& facts, const PixelPolicy& policy, Heads heads = Heads::with_necks);

// The parts of anatomy_of that know heads (heads.cpp). Whether a description that somebody typed has a word for what shows a
// face: in some words of English, German, French, Spanish, Chinese, Japanese and Korean. Bytes that are not UTF-8 are judged in
// each encoding that they may be in: any word found counts.
bool names_a_head(std::string_view description, Heads heads = Heads::with_necks);
// Body Part Examined: parts of a word count, too.
bool is_head_part(std::string_view body_part, Heads heads);
// A code of CID 4, evened (words.h).
bool is_head_code(std::string_view code, Heads heads);

}  // namespace staging
