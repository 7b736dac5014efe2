#include <algorithm>
#include <cstring>

#include "staging/read/dicom/pixels.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

[[noreturn]] void mismatch() {
    throw Refused(Reason::pixel_size_mismatch, "fragments");
}

// The fragment at which each frame begins by the basic offset table; offsets count from the first byte of the first
// fragment's item tag. Empty if the table is none, or points between fragments.
std::vector<std::size_t> by_offset_table(const PixelSource& source, std::uint32_t frames) {
    std::vector<std::size_t> starts;
    if (source.offset_table.size() != std::size_t{4} * frames) return starts;
    std::uint64_t offset = 0;
    for (std::size_t i = 0; i < source.fragments.size() && starts.size() < frames; ++i) {
        std::uint32_t next;
        std::memcpy(&next, source.offset_table.data() + 4 * starts.size(), 4);
        if (next == offset) starts.push_back(i);
        offset += 8 + source.fragments[i].size();
    }
    return starts.size() == frames ? starts : std::vector<std::size_t>{};
}

}  // namespace

std::vector<Range> frame_fragments(const PixelSource& source, std::uint32_t frames, const Codec& codec) {
    const std::size_t count = source.fragments.size();
    if (count < frames) mismatch();
    // What begins a frame says so, whatever the tables say: a frame that is not counted would be lost in silence.
    std::vector<std::size_t> begins;
    for (std::size_t i = 0; i < count; ++i)
        if (codec.begins(source.fragments[i])) begins.push_back(i);
    std::vector<std::size_t> starts;
    if (count == frames) {
        for (std::size_t i = 0; i < count; ++i) starts.push_back(i);
    } else {
        if (begins.size() != frames) throw Refused(Reason::pixel_size_mismatch, "NumberOfFrames");
        starts = by_offset_table(source, frames);
        if (starts.empty()) starts = begins;
        if (starts != begins) mismatch();
    }
    if (starts.front() != 0) mismatch();
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < starts.size(); ++i)
        ranges.push_back({starts[i], i + 1 < starts.size() ? starts[i + 1] : count});
    return ranges;
}

}  // namespace staging
