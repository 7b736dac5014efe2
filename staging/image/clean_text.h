#pragma once
#include <cstdint>
#include <functional>
#include <variant>

#include "core/base/bytes.h"
#include "staging/deid/clean.h"
#include "staging/image/text.h"
#include "staging/read/record.h"

namespace staging {

// What became of a file's pixels.
struct TextCleaned {
    core::Bytes bytes;                    // all of its pixels, text blanked; empty: none was found
    core::Digest sha256{};                // of `bytes`
    std::uint64_t frames = 0, boxes = 0;  // that were blanked
    bool stopped = false;                 // `stop` said so: not all frames were looked at
};

// Looks for text in every frame, each by itself (text.h), and asks `stop` before each. With TextPolicy::blank, what is found is
// overwritten with the background's value, and looked for again. So are strokes on the background that are of the ink of what was found.
// A rejection (risk_burned_in_text) where the profile says quarantine, where blanking could touch anatomy, where a frame
// holds more text than an image does, and where a second look finds any.
//
// The background is what a level of the frame's edge reaches from the edge: pixels that differ from the edge's
// median by no more than a thirtieth of the frame's range, and those that they touch. It is a background only at
// the frame's low end (of MONOCHROME1 the high one). A box is blanked only if of the pixels around it 19 in 20 belong to the
// background; if of those in it 49 in 50 are level with it, or within the margin of strokes of text; if nothing in it
// that is not level holds a square of 7 x 7 pixels; and if a frame's boxes are no more than a quarter of it.
std::variant<TextCleaned, Rejection> clean_text(const Record& record, TextPolicy policy,
                                                const std::function<bool()>& stop = {});

}  // namespace staging
