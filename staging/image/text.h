#pragma once
#include <cstdint>
#include <vector>

#include "staging/image/plane.h"
#include "staging/read/record.h"

namespace staging {

// A rectangle of a frame, in pixels; bottom and right are just outside.
struct Box {
    std::int32_t top = 0, left = 0, bottom = 0, right = 0;
    bool operator==(const Box&) const = default;
};

// Where text is drawn into one channel: words, numbers and names of one ink, lighter or darker than what they lie on,
// in any direction that is a row or a column, of any script. The way: thin strokes at three scales (what is
// darker on both sides within three pixels), joined to components, of which those of one ink that are
// neighbours make a block (after Epshtein et al., "Detecting text in natural scenes with stroke width transform",
// CVPR 2010: glyphs are components of even strokes, and lines are chains of alike ones). Ink is what pictures of
// nature do not have: the same value, again and again. Boxes hold the whole of the strokes, and may overlap.
//
// A glyph that stands alone (the L or R of a side) is no text, nor are strokes in one direction alone (a scale). A
// function of the values and nothing else; time and memory are linear in the pixels.
std::vector<Box> find_text(const Plane& plane);

// The same of all channels of one frame. Throws Error(bug) if the pixels lack their bytes.
std::vector<Box> find_text(const Pixels& pixels, std::uint32_t frame);

}  // namespace staging
