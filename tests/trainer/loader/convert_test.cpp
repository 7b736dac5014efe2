#include "trainer/loader/convert.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

TEST_CASE("every element type converts by value, at any length and alignment") {
    const auto check = [](core::DType type, auto example) {
        using T = decltype(example);
        for (const std::size_t count : {1, 3, 16, 65}) {
            std::vector<std::uint8_t> memory(count * sizeof(T) + 1);
            std::vector<float> out(count + 1, -7.0F);
            for (std::size_t i = 0; i < count; ++i) {
                const T value = static_cast<T>(example + static_cast<T>(i));
                std::memcpy(memory.data() + 1 + i * sizeof(T), &value, sizeof value);
            }
            trainer::to_float(type, memory.data() + 1, count, 0.5F, -3.0F, out.data());
            for (std::size_t i = 0; i < count; ++i) {
                const float value = static_cast<float>(static_cast<T>(example + static_cast<T>(i)));
                const volatile float product = value * 0.5F;  // rounded before the sum
                CHECK(out[i] == product - 3.0F);
            }
            CHECK(out[count] == -7.0F);
        }
    };
    check(core::DType::u8, std::uint8_t{180});
    check(core::DType::i8, std::int8_t{-100});
    check(core::DType::u16, std::uint16_t{65000});
    check(core::DType::i16, std::int16_t{-1024});
    check(core::DType::u32, std::uint32_t{4000000000});
    check(core::DType::i32, std::int32_t{-2000000000});
    check(core::DType::i64, std::int64_t{-1} << 40);
    check(core::DType::f32, 0.1F);
    check(core::DType::f64, 1e-3);
}
