#include "staging/read/dicom/palette.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Word kDetail = "PaletteColorLookupTable";

[[noreturn]] void unsupported() {
    throw Refused(Reason::pixel_format_unsupported, kDetail);
}

// Numbers of a table: bytes or words.
struct Numbers {
    core::ByteView bytes;
    bool words, big_endian;
    std::size_t size() const { return words ? bytes.size() / 2 : bytes.size(); }
    unsigned operator[](std::size_t i) const {
        if (!words) return bytes[i];
        const unsigned a = bytes[2 * i], b = bytes[2 * i + 1];
        return big_endian ? a << 8 | b : b << 8 | a;
    }
};

// PS3.3 section C.7.9.2. An indirect segment repeats earlier ones, which must be discrete or linear: so nothing recurses
// and nothing grows but by `most`.
class Segments {
public:
    Segments(Numbers from, std::size_t most) : from_(from), most_(most) {}

    std::vector<unsigned> expand() {
        for (std::size_t at = 0; at + 1 < from_.size() && out_.size() < most_;) at = segment(at, true);
        if (out_.size() != most_) unsupported();
        return std::move(out_);
    }

private:
    unsigned at(std::size_t i) const {
        if (i >= from_.size()) unsupported();
        return from_[i];
    }
    void put(unsigned value) {
        if (out_.size() == most_) unsupported();
        out_.push_back(value);
    }

    std::size_t segment(std::size_t i, bool may_repeat) {
        const unsigned kind = at(i), length = at(i + 1);
        i += 2;
        if (kind == 0) {
            for (unsigned n = 0; n < length; ++n) put(at(i + n));
            return i + length;
        }
        if (out_.empty()) unsupported();  // both others go on from what is there
        if (kind == 1) {
            const double from = out_.back(), to = at(i);
            for (unsigned n = 1; n <= length; ++n)
                put(static_cast<unsigned>(std::nearbyint(from + (to - from) * n / length)));
            return i + 1;
        }
        if (kind != 2 || !may_repeat) unsupported();
        // The offset of the first segment to repeat, in bytes of the table (its words: least significant first).
        const std::size_t parts = from_.words ? 2 : 4;
        std::size_t offset = 0;
        for (std::size_t n = parts; n-- > 0;) offset = offset << (from_.words ? 16 : 8) | at(i + n);
        std::size_t again = from_.words ? offset / 2 : offset;
        for (unsigned n = 0; n < length; ++n) again = segment(again, false);
        return i + parts;
    }

    const Numbers from_;
    const std::size_t most_;
    std::vector<unsigned> out_;
};

}  // namespace

PaletteColours::PaletteColours(const Palette& palette, bool is_signed) {
    std::optional<std::array<unsigned, 2>> first_table;  // entries and first index must agree
    for (std::size_t colour = 0; colour < 3; ++colour) {
        const Palette::Table& table = palette.tables[colour];
        if (table.descriptor.size() != 6 || (table.data.empty() && table.segmented.empty()))
            throw Refused(Reason::missing_attribute, kDetail);
        const Numbers descriptor{table.descriptor, true, palette.big_endian};
        const std::size_t count = descriptor[0] ? descriptor[0] : 65536;
        const unsigned bits = descriptor[2];
        if (bits != 8 && bits != 16) unsupported();
        const std::array<unsigned, 2> shape{descriptor[0], descriptor[1]};
        if (first_table.value_or(shape) != shape) unsupported();
        first_table = shape;
        first_ =
            is_signed ? static_cast<std::int16_t>(descriptor[1]) : static_cast<std::int64_t>(descriptor[1]);

        auto& entries = entries_[colour];
        entries.reserve(count);
        if (!table.data.empty()) {
            // Entries of 8 bits stand in bytes, but some writers give each a word.
            const bool words = bits == 16 || table.data.size() >= 2 * count;
            const Numbers numbers{table.data, words, palette.big_endian};
            if (numbers.size() < count) unsupported();
            // Words hold the value in their lower byte, or scaled to 16 bits.
            bool wide = bits == 16;
            for (std::size_t i = 0; i < count && words && !wide; ++i) wide = numbers[i] > 255;
            // Bytes in big endian words stand in pairs.
            const std::size_t pair = !words && palette.big_endian ? 1 : 0;
            if (pair && numbers.size() % 2) unsupported();
            for (std::size_t i = 0; i < count; ++i)
                entries.push_back(static_cast<std::uint8_t>(wide ? numbers[i] >> 8 : numbers[i ^ pair]));
        } else {
            const Numbers numbers{table.segmented, bits == 16, palette.big_endian};
            for (const unsigned value : Segments(numbers, count).expand())
                entries.push_back(static_cast<std::uint8_t>(bits == 16 ? value >> 8 : value));
        }
    }
}

std::array<std::uint8_t, 3> PaletteColours::operator[](std::int64_t index) const noexcept {
    const auto last = static_cast<std::int64_t>(entries_[0].size()) - 1;
    const auto at = static_cast<std::size_t>(std::clamp<std::int64_t>(index - first_, 0, last));
    return {entries_[0][at], entries_[1][at], entries_[2][at]};
}

}  // namespace staging
