#include "trainer/loader/convert.h"

#include <cstring>

namespace trainer {
namespace {

template <class T>
[[gnu::always_inline]] inline void convert(const std::uint8_t* in, std::size_t count, float scale,
                                           float offset, float* out) {
    for (std::size_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, in + i * sizeof value, sizeof value);
        out[i] = static_cast<float>(value) * scale + offset;
    }
}

}  // namespace

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
[[gnu::target_clones("avx512f", "avx2", "default")]]
#endif
void to_float(core::DType type, const std::uint8_t* in, std::size_t count, float scale, float offset, float* out) {
    switch (type) {
        case core::DType::u8:
            return convert<std::uint8_t>(in, count, scale, offset, out);
        case core::DType::i8:
            return convert<std::int8_t>(in, count, scale, offset, out);
        case core::DType::u16:
            return convert<std::uint16_t>(in, count, scale, offset, out);
        case core::DType::i16:
            return convert<std::int16_t>(in, count, scale, offset, out);
        case core::DType::u32:
            return convert<std::uint32_t>(in, count, scale, offset, out);
        case core::DType::i32:
            return convert<std::int32_t>(in, count, scale, offset, out);
        case core::DType::i64:
            return convert<std::int64_t>(in, count, scale, offset, out);
        case core::DType::f32:
            return convert<float>(in, count, scale, offset, out);
        case core::DType::f64:
            return convert<double>(in, count, scale, offset, out);
    }
}

}  // namespace trainer
