#pragma once
#include <cstdint>
#include <variant>

#include "core/base/bytes.h"
#include "staging/deid/clean.h"
#include "staging/image/text.h"
#include "staging/read/record.h"

namespace staging {

// What became of a file's pixels.
struct TextCleaned {
    core::Bytes bytes;                    // all of its pixels, text blanked; empty: none was found
    std::uint64_t frames = 0, boxes = 0;  // that were blanked
};

// Looks for text in every frame, each by itself (text.h). With TextPolicy::blank, what is found is overwritten with the
// background's value, and looked for again. A rejection (risk_burned_in_text) where the profile says quarantine, where
// text lies over the anatomy, where a frame holds more text than an image does, and where a second look finds any.
//
// The background is what a level of the frame's edge reaches from the edge: pixels that differ from the edge's
// median by no more than a thirtieth of the frame's range, and those that they touch. Text lies over it if
// of the pixels around its box 19 in 20 belong to it, and of those in its box a fourth.
std::variant<TextCleaned, Rejection> clean_text(const Record& record, TextPolicy policy);

}  // namespace staging
