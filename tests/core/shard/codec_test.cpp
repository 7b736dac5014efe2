#include "core/shard/codec.h"

#include <catch2/catch.hpp>
#include <random>

#include "core/base/error.h"

using namespace core;

TEST_CASE("what is compressed unpacks to the same, at any length") {
    const Codec codec = GENERATE(Codec::lz4, Codec::zstd);
    std::mt19937 random(1);
    for (const std::size_t bytes : {400, 1000, 70000, 3000000}) {
        Bytes raw(bytes), packed, back(bytes);
        for (auto& byte : raw) byte = static_cast<std::uint8_t>(random() % 4);
        REQUIRE(compress(codec, raw, packed));
        CHECK(packed.size() < raw.size());
        CHECK(decompress(codec, packed, back.data(), back.size()));
        CHECK(back == raw);
    }
}

TEST_CASE("what does not shrink is left as it is") {
    const Codec codec = GENERATE(Codec::none, Codec::lz4, Codec::zstd);
    Bytes packed;
    CHECK_FALSE(compress(codec, random_bytes(5000), packed));
    CHECK_FALSE(compress(codec, Bytes(1, 0), packed));
    CHECK_FALSE(compress(codec, {}, packed));
}

TEST_CASE("hostile payloads never unpack to another size or beyond it") {
    const Codec codec = GENERATE(Codec::lz4, Codec::zstd);
    std::mt19937 random(7);
    Bytes packed;
    REQUIRE(compress(codec, Bytes(100000, 0), packed));
    Bytes out(100001 + 64, 0xEE);
    CHECK_FALSE(decompress(codec, packed, out.data(), 99999));
    CHECK_FALSE(decompress(codec, packed, out.data(), 100001));
    CHECK_FALSE(decompress(codec, {packed.data(), packed.size() - 1}, out.data(), 100000));
    for (int i = 0; i < 3000; ++i) {
        Bytes hurt = packed;
        for (int k = 0; k < 3; ++k) hurt[random() % hurt.size()] = static_cast<std::uint8_t>(random());
        (void)decompress(codec, hurt, out.data(), 1000);  // a smaller target, so that most overrun it
        for (std::size_t k = 1000 + 100000; k < out.size(); ++k) REQUIRE(out[k] == 0xEE);
    }
    CHECK_FALSE(decompress(Codec::none, packed, out.data(), packed.size()));
}

TEST_CASE("codecs have names") {
    for (const Codec codec : {Codec::none, Codec::lz4, Codec::zstd}) CHECK(codec_of(name_of(codec)) == codec);
    CHECK_THROWS_AS(codec_of("gzip"), Error);
}
