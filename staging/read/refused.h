#pragma once
#include "staging/read/record.h"
#include "staging/read/word.h"

namespace staging {

// Thrown inside the worker when a file cannot be taken; becomes Record::reason and Record::detail.
struct Refused {
    explicit Refused(Reason why, Word what = {}) : reason(why), detail(what) {}
    Reason reason;
    Word detail;
};

// That many frames of so many bytes, decoded, are within the limits. Throws Refused(pixels_too_large); where no limit could be
// raised so far, it says so.
inline void check_pixels(std::uint64_t frames, std::uint64_t frame_bytes, const Limits& limits) {
    if (frames <= limits.pixel_bytes / frame_bytes) return;
    throw Refused(Reason::pixels_too_large,
                  frames > kMostArrayBytes / frame_bytes ? Word("more than 2 GiB") : Word());
}
// Rows and columns are numbers of 16 bits.
inline void check_sides(std::uint64_t rows, std::uint64_t columns) {
    if (rows > 0xffff) throw Refused(Reason::pixels_too_large, "Rows");
    if (columns > 0xffff) throw Refused(Reason::pixels_too_large, "Columns");
}

// Reads into `record`; what is refused leaves the reason, and nothing of the picture.
template <class Read>
void read_or_refuse(Record& record, Read read) {
    try {
        read();
    } catch (const Refused& refused) {
        record.reason = refused.reason;
        record.detail = refused.detail.text();
        record.pixels = {};
        record.frames.clear();
    }
}

}  // namespace staging
