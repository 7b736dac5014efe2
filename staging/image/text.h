#pragma once
#include <cstdint>
#include <vector>

#include "staging/image/plane.h"
#include "staging/image/strokes.h"
#include "staging/read/record.h"

namespace staging {

// What was found in a frame.
struct FoundText {
    std::vector<Box> boxes;             // text; they may overlap
    std::vector<Box> alike;             // strokes elsewhere of the ink of what was found
    std::vector<std::uint8_t> strokes;  // [rows, columns], 1: of either's strokes; empty if there are none
    bool is_too_much = false;           // more strokes than an image has: it was not looked at to the end
};

// Where text is drawn into one channel: words, numbers and names of one ink, lighter or darker than what they lie on,
// in any direction that is a row or a column. The way: thin strokes at three scales (what is
// darker on both sides within three pixels), joined to components, of which those of one ink that are
// neighbours make a block (after Epshtein et al., "Detecting text in natural scenes with stroke width transform",
// CVPR 2010: glyphs are components of even strokes, and lines are chains of alike ones). Ink is what pictures of
// nature do not have: the same value, again and again. Boxes hold the whole of the strokes.
//
// Not found: fewer than three components beside each other ("LI", the L or R of a side, two characters of one component
// each), strokes in one direction alone (a scale's ticks), what differs from its ground by less than a quarter of the
// frame's range (without the hundredth part at both ends), what differs in ink from glyph to glyph, slants and curves.
// Latin, digits and Han are measured (tests/bench/text); scripts whose letters join are not.
//
// A function of the values and nothing else; time and memory are linear in the pixels, and bounded by kMostRuns.
FoundText find_text(const Plane& plane);

// The same of all channels of one frame. Throws Error(bug) if the pixels lack their bytes.
FoundText find_text(const Pixels& pixels, std::uint32_t frame, const Padding& padding = {});

}  // namespace staging
