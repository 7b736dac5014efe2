#include "staging/image/pixels.h"

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
        return false;
    else if constexpr (std::integral<From> && std::integral<To>)
        return std::in_range<To>(value);
    else if constexpr (std::floating_point<From>)
        return std::isnan(value) || static_cast<From>(converted) == value;
    else
        return std::fabs(static_cast<double>(value)) <= std::ldexp(1.0, std::numeric_limits<To>::digits);
}

// From [frames, rows x columns, samples] to [samples, frames, rows x columns].
template <class From, class To>
bool convert(const Pixels& pixels, core::Bytes& out) {
    if constexpr (std::floating_point<From> && std::integral<To>) return false;
    const std::size_t plane = std::size_t{pixels.rows} * pixels.columns, frames = pixels.frames,
                      samples = pixels.samples;
    out.resize(plane * frames * samples * sizeof(To));
    const std::uint8_t* from = pixels.bytes.data();
    if constexpr (std::is_same_v<From, To>) {
        if (samples == 1) {
            if (!out.empty()) std::memcpy(out.data(), from, out.size());
            return true;
        }
    }
    bool fits = true;
    for (std::size_t frame = 0; frame < frames; ++frame)
        for (std::size_t i = 0; i < plane; ++i)
            for (std::size_t sample = 0; sample < samples; ++sample) {
                From value;
                std::memcpy(&value, from, sizeof value);
                from += sizeof value;
                const To converted = static_cast<To>(value);
                fits &= keeps_value(value, converted);
                std::memcpy(out.data() + ((sample * frames + frame) * plane + i) * sizeof converted,
                            &converted, sizeof converted);
            }
    return fits;
}

template <class From>
bool convert_from(const Pixels& pixels, core::DType to, core::Bytes& out) {
    using core::DType;
    switch (to) {
        case DType::u8:
            return convert<From, std::uint8_t>(pixels, out);
        case DType::i8:
            return convert<From, std::int8_t>(pixels, out);
        case DType::u16:
            return convert<From, std::uint16_t>(pixels, out);
        case DType::i16:
            return convert<From, std::int16_t>(pixels, out);
        case DType::u32:
            return convert<From, std::uint32_t>(pixels, out);
        case DType::i32:
            return convert<From, std::int32_t>(pixels, out);
        case DType::i64:
            return convert<From, std::int64_t>(pixels, out);
        case DType::f32:
            return convert<From, float>(pixels, out);
        case DType::f64:
            return convert<From, double>(pixels, out);
    }
    return false;
}

bool convert_any(const Pixels& pixels, core::DType to, core::Bytes& out) {
    switch (pixels.type) {
        case PixelType::u8:
            return convert_from<std::uint8_t>(pixels, to, out);
        case PixelType::i8:
            return convert_from<std::int8_t>(pixels, to, out);
        case PixelType::u16:
            return convert_from<std::uint16_t>(pixels, to, out);
        case PixelType::i16:
            return convert_from<std::int16_t>(pixels, to, out);
        case PixelType::u32:
            return convert_from<std::uint32_t>(pixels, to, out);
        case PixelType::i32:
            return convert_from<std::int32_t>(pixels, to, out);
        case PixelType::f32:
            return convert_from<float>(pixels, to, out);
        case PixelType::f64:
            return convert_from<double>(pixels, to, out);
        case PixelType::none:
            return false;
    }
    return false;
}

}  // namespace

std::variant<core::Array, Rejection> pixels_to_array(const Pixels& pixels, const core::Field& field) {
    core::Array array;
    const bool volume = field.ragged() ? pixels.frames != 1 : field.shape.size() == 4;
    array.shape = {pixels.samples, pixels.rows, pixels.columns};
    if (volume) array.shape.insert(array.shape.begin() + 1, pixels.frames);
    if (!field.ragged() && (array.shape != field.shape || (!volume && pixels.frames != 1)))
        return Rejection{Reason::shape_differs, field.name};
    if (pixels.bytes.size() != pixels.byte_count() || pixels.bytes.empty())
        throw core::Error(core::Fault::bug, "decoded pixels without their bytes");
    if (!convert_any(pixels, field.dtype, array.bytes))
        return Rejection{Reason::value_does_not_fit, field.name};
    return array;
}

}  // namespace staging
