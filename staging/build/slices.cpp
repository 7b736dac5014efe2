#include "staging/build/slices.h"

#include <cstring>

#include "staging/image/fields.h"

namespace staging {

std::vector<SliceRef> slices_of(const Record& record, const SampleRef& ref, const core::Id16& series,
                                const Rejected& blank, HeaderSays header, const Pseudonyms& pseudonyms) {
    SliceRef slice;
    slice.ref = ref;
    slice.series = series;
    slice.header_says = static_cast<std::uint64_t>(header);
    slice.file_content = ref.content;
    slice.frames = record.pixels.frames;
    slice.rows = record.pixels.rows;
    slice.columns = record.pixels.columns;
    slice.samples = record.pixels.samples;
    slice.is_localizer = folded(record.facts.image_type).find("LOCALIZER") != std::string::npos;
    std::memcpy(slice.file_name, blank.file_name, sizeof slice.file_name);
    std::vector<SliceRef> out;
    for (std::uint32_t frame = 0; frame < record.pixels.frames; ++frame) {
        slice.frame = frame;
        slice.ref.content = content_of_frame(record, frame, pseudonyms);
        // One place for several frames is a place for none of them.
        slice.place = record.frames.size() == record.pixels.frames ? record.frames[frame] : Frame{};
        out.push_back(slice);
    }
    return out;
}

}  // namespace staging
