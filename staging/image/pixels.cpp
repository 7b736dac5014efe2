#include "staging/image/pixels.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>
#include <utility>

#include "core/base/error.h"

namespace staging {
namespace {

template <class From, class To>
bool keeps_value(From value, To converted) {
    if constexpr (std::floating_point<From> && std::integral<To>)
        return value == std::trunc(value) && value >= static_cast<From>(std::numeric_limits<To>::lowest()) &&
               value < std::ldexp(From{1}, std::numeric_limits<To>::digits);
    else if constexpr (std::integral<From> && std::integral<To>)
        return std::in_range<To>(value);
    else if constexpr (std::floating_point<From>)
        return std::isnan(value) || static_cast<From>(converted) == value;
    else
        return std::fabs(static_cast<double>(value)) <= std::ldexp(1.0, std::numeric_limits<To>::digits);
}

// What one frame's stored values mean.
struct Scale {
    double slope = 1, intercept = 0;
    bool changes() const noexcept { return slope != 1 || intercept != 0; }
};

// What all values of a record mean.
struct Meaning {
    std::vector<Scale> scales;             // one for each frame, or one for all
    std::optional<double> turn;            // MONOCHROME1: v becomes turn - v
    const ModalityTable* table = nullptr;  // stands instead of a scale
    std::optional<std::array<double, 2>> padding;
    double padding_value = 0;

    const Scale& scale(std::size_t frame) const { return scales[scales.size() == 1 ? 0 : frame]; }
    double in_table(double stored) const {
        const double last = static_cast<double>(table->entries.size() - 1);
        return table->entries[static_cast<std::size_t>(std::clamp(stored - table->first, 0.0, last))];
    }
    bool is_plain() const noexcept {
        return scales.size() == 1 && !scales[0].changes() && !turn && !padding && !table;
    }
};

enum class Outcome { fits, does_not_fit, is_padding };

// From [frames, rows x columns, samples] to [samples, frames, rows x columns].
template <class From, class To>
Outcome convert(const Pixels& pixels, const Meaning& meaning, bool padding_declared, core::Bytes& out) {
    const std::size_t plane = std::size_t{pixels.rows} * pixels.columns, frames = pixels.frames,
                      samples = pixels.samples;
    out.resize(plane * frames * samples * sizeof(To));
    const std::uint8_t* from = pixels.bytes.data();
    const bool plain = meaning.is_plain();
    if constexpr (std::is_same_v<From, To>) {
        if (samples == 1 && plain) {
            if (!out.empty()) std::memcpy(out.data(), from, out.size());
            return Outcome::fits;
        }
    }
    bool fits = true, undeclared = false;
    for (std::size_t frame = 0; frame < frames; ++frame) {
        const Scale scale = meaning.scale(frame);
        for (std::size_t i = 0; i < plane; ++i)
            for (std::size_t sample = 0; sample < samples; ++sample) {
                From value;
                std::memcpy(&value, from, sizeof value);
                from += sizeof value;
                To converted;
                if (plain) {
                    if constexpr (std::floating_point<From> && std::integral<To>)
                        if (!keeps_value(value, To{})) return Outcome::does_not_fit;
                    converted = static_cast<To>(value);
                    fits &= keeps_value(value, converted);
                } else {
                    auto real = static_cast<double>(value);
                    if (meaning.padding && real >= (*meaning.padding)[0] && real <= (*meaning.padding)[1]) {
                        undeclared |= !padding_declared;
                        real = meaning.padding_value;
                    } else {
                        if (meaning.turn) real = *meaning.turn - real;
                        real = meaning.table ? meaning.in_table(real) : real * scale.slope + scale.intercept;
                    }
                    // What is rounded to a float is rounded once; an infinity is no value of a scanner's.
                    if constexpr (std::floating_point<To>)
                        fits &= std::isnan(real) || std::fabs(real) <= std::numeric_limits<To>::max();
                    else
                        fits &= keeps_value(real, To{});
                    if (!fits) return Outcome::does_not_fit;
                    converted = static_cast<To>(real);
                }
                std::memcpy(out.data() + ((sample * frames + frame) * plane + i) * sizeof converted,
                            &converted, sizeof converted);
            }
    }
    if (undeclared) return Outcome::is_padding;
    return fits ? Outcome::fits : Outcome::does_not_fit;
}

template <class To>
Outcome convert_to(const Pixels& pixels, const Meaning& meaning, bool declared, core::Bytes& out) {
    switch (pixels.type) {
        case PixelType::u8:
            return convert<std::uint8_t, To>(pixels, meaning, declared, out);
        case PixelType::i8:
            return convert<std::int8_t, To>(pixels, meaning, declared, out);
        case PixelType::u16:
            return convert<std::uint16_t, To>(pixels, meaning, declared, out);
        case PixelType::i16:
            return convert<std::int16_t, To>(pixels, meaning, declared, out);
        case PixelType::u32:
            return convert<std::uint32_t, To>(pixels, meaning, declared, out);
        case PixelType::i32:
            return convert<std::int32_t, To>(pixels, meaning, declared, out);
        case PixelType::f32:
        case PixelType::f64:
            return pixels.type == PixelType::f32 ? convert<float, To>(pixels, meaning, declared, out)
                                                 : convert<double, To>(pixels, meaning, declared, out);
        case PixelType::none:
            break;
    }
    return Outcome::does_not_fit;
}

Outcome convert_any(const Pixels& pixels, const Meaning& meaning, core::DType to, bool declared,
                    core::Bytes& out) {
    return core::with_type(
        to, [&](auto zero) { return convert_to<decltype(zero)>(pixels, meaning, declared, out); });
}

bool is_signed(PixelType type) {
    return type == PixelType::i8 || type == PixelType::i16 || type == PixelType::i32;
}

std::variant<Meaning, Rejection> meaning_of(const Record& record, const FieldChoice& choice) {
    Meaning out{{Scale{}}, {}, nullptr, {}, 0};
    if (choice.stored) return out;
    const Pixels& pixels = record.pixels;
    if (choice.field.units == kHounsfieldUnits && record.units != Units::hounsfield)
        return Rejection{Reason::units_differ, choice.field.name};
    if (!record.frames.empty()) {
        out.scales.clear();
        for (const Frame& frame : record.frames) {
            const Scale scale{frame.slope.value_or(1), frame.intercept.value_or(0)};
            if (!std::isfinite(scale.slope) || !std::isfinite(scale.intercept) || scale.slope == 0)
                return Rejection{Reason::bad_value, "RescaleSlope"};
            out.scales.push_back(scale);
        }
        if (out.scales.size() != 1 && out.scales.size() != pixels.frames)
            throw core::Error(core::Fault::bug, "frames without their pixels");
    }
    if (record.modality_table) {
        // A table and a scale are two truths. What is turned around has none: its entries are units of their own.
        if (pixels.type == PixelType::f32 || pixels.type == PixelType::f64 || out.scales.size() != 1 ||
            out.scales[0].changes())
            return Rejection{Reason::pixel_format_unsupported, "ModalityLUTSequence"};
        if (is_inverted(record))
            return Rejection{Reason::pixel_format_unsupported, "PhotometricInterpretation"};
        out.table = &*record.modality_table;
    }
    if (is_inverted(record)) {
        if (pixels.type == PixelType::f32 || pixels.type == PixelType::f64)
            return Rejection{Reason::pixel_format_unsupported, "PhotometricInterpretation"};
        out.turn = is_signed(pixels.type) ? -1 : std::ldexp(1.0, pixels.bits_stored) - 1;
    }
    out.padding = record.padding;
    out.padding_value = choice.padding.value_or(0);
    return out;
}

}  // namespace

bool is_inverted(const Record& record) {
    return record.pixels.photometric == "MONOCHROME1" && record.units != Units::hounsfield;
}

std::vector<std::int64_t> array_shape(const Pixels& pixels, const FieldChoice& choice, bool is_volume) {
    std::vector<std::int64_t> shape{pixels.samples, pixels.rows, pixels.columns};
    if (is_volume || pixels.frames != 1 || choice.field.shape.size() == 4)
        shape.insert(shape.begin() + 1, pixels.frames);
    return shape;
}

std::variant<core::Array, Rejection> pixels_to_array(const Record& record, const FieldChoice& choice,
                                                     bool is_volume) {
    const Pixels& pixels = record.pixels;
    const core::Field& field = choice.field;
    core::Array array;
    array.shape = array_shape(pixels, choice, is_volume);
    if (pixels.bytes.size() != pixels.byte_count() || pixels.bytes.empty())
        throw core::Error(core::Fault::bug, "decoded pixels without their bytes");
    const auto meaning = meaning_of(record, choice);
    if (const auto* rejected = std::get_if<Rejection>(&meaning)) return *rejected;
    switch (convert_any(pixels, std::get<Meaning>(meaning), field.dtype, choice.padding.has_value(),
                        array.bytes)) {
        case Outcome::fits:
            return array;
        case Outcome::does_not_fit:
            return Rejection{Reason::value_does_not_fit, field.name};
        case Outcome::is_padding:
            return Rejection{Reason::padding_undeclared, field.name};
    }
    throw core::Error(core::Fault::bug, "an outcome without a case");
}

}  // namespace staging
