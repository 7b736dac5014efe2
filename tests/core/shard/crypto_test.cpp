#include "core/shard/crypto.h"

#include <openssl/evp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "core/shard/chunk.h"
#include "core/shard/made.h"

using namespace core;

namespace {

Nonce nonce_of(const std::string& hex) {
    Nonce nonce{};
    const Bytes bytes = from_hex(hex);
    std::copy(bytes.begin(), bytes.end(), nonce.begin());
    return nonce;
}

// The same by OpenSSL: ciphertext and tag.
std::pair<Bytes, Tag> by_openssl(ByteView key, const Nonce& nonce, ByteView authenticated, ByteView plain) {
    EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
    Bytes out(plain.size() + 16);
    Tag tag{};
    int length = 0;
    EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, key.data(), nonce.data());
    EVP_EncryptUpdate(context, nullptr, &length, authenticated.data(),
                      static_cast<int>(authenticated.size()));
    EVP_EncryptUpdate(context, out.data(), &length, plain.data(), static_cast<int>(plain.size()));
    EVP_EncryptFinal_ex(context, out.data() + length, &length);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, tag.data());
    EVP_CIPHER_CTX_free(context);
    out.resize(plain.size());
    return {out, tag};
}

}  // namespace

TEST_CASE("AES-256-GCM gives the published results") {
    // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16 (as submitted to NIST).
    struct Case {
        std::string key, nonce, authenticated, plain, sealed, tag;
    };
    const std::string zeros(64, '0'),
        key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce = "cafebabefacedbaddecaf888",
        plain =
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        sealed =
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    const Case cases[] = {{zeros, zeros.substr(0, 24), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
                          {zeros, zeros.substr(0, 24), "", zeros.substr(0, 32),
                           "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
                          {key, nonce, "", plain, sealed, "b094dac5d93471bdec1a502270e3cc6c"},
                          {key, nonce, "feedfacedeadbeeffeedfacedeadbeefabaddad2", plain.substr(0, 120),
                           sealed.substr(0, 120), "76fc6ece0f4e1768cddf8853bb2d551b"}};
    for (const Case& c : cases) {
        const AesGcm cipher(SecretKey::from(from_hex(c.key)));
        const Bytes in = from_hex(c.plain), authenticated = from_hex(c.authenticated);
        Bytes out(in.size() + 1), back(in.size() + 1);
        const Tag tag = cipher.seal(nonce_of(c.nonce), authenticated, in, out.data());
        out.resize(in.size());
        CHECK(to_hex(out) == c.sealed);
        CHECK(to_hex(tag) == c.tag);
        CHECK(cipher.open(nonce_of(c.nonce), authenticated, out, tag, back.data()));
        back.resize(in.size());
        CHECK(back == in);
    }
}

TEST_CASE("it agrees with OpenSSL at every length around its pieces, and opens nothing that was changed") {
    std::mt19937 random(3);
    const Bytes key = random_bytes(32);
    const AesGcm cipher(SecretKey::from(key));
    for (const std::size_t bytes :
         {1, 15, 16, 17, 255, 4095, 4096, 4097, 8192, 12287, 12289, 50176, 100001}) {
        Bytes plain(bytes), authenticated(80), sealed(bytes), back(bytes);
        for (auto& byte : plain) byte = static_cast<std::uint8_t>(random());
        for (auto& byte : authenticated) byte = static_cast<std::uint8_t>(random());
        Nonce nonce{};
        for (auto& byte : nonce) byte = static_cast<std::uint8_t>(random());
        const Tag tag = cipher.seal(nonce, authenticated, plain, sealed.data());
        CHECK((std::pair(sealed, tag) == by_openssl(key, nonce, authenticated, plain)));
        CHECK(cipher.open(nonce, authenticated, sealed, tag, back.data()));
        CHECK(back == plain);
        sealed[random() % bytes] ^= 4;
        CHECK_FALSE(cipher.open(nonce, authenticated, sealed, tag, back.data()));
    }
}

TEST_CASE("shards of one dataset have keys of their own, and so have datasets and kinds of use") {
    std::set<std::string> seen;
    for (const char* dataset : {"digits@1", "digits@2", "digits@11"})
        for (const std::int64_t number : {0, 1, 11}) {
            const ShardId id = shard_id(dataset, number);
            CHECK(seen.insert(to_hex(id)).second);
            CHECK(seen.insert(to_hex(made::key().derive(id, "aloft shard 2 cipher").bytes())).second);
            CHECK(seen.insert(to_hex(made::key().derive(id, "aloft shard 2 nonce").bytes())).second);
        }
    CHECK(shard_id("digits@1", 11) != shard_id("digits@11", 1));
    CHECK(shard_id("digits@1", 1) == shard_id("digits@1", 1));
    CHECK(shard_id("digits@1", 1) != shard_id("digits@1", 1, 1));  // formats share no key
    CHECK(shard_id("digits@1", 1) != page_id("digits@1", 1));
}

TEST_CASE("the same key and nonce never meet different input; equal input gives equal bytes") {
    const ShardKeys keys(made::key(), shard_id("made@1", 0));
    std::map<Nonce, Bytes> seen;  // nonce -> everything that was encrypted or authenticated under it
    std::mt19937 random(9);
    const auto seal = [&](ChunkHeader header, const Bytes& raw, Codec codec) {
        ChunkHeader again = header;
        const Bytes chunk = seal_chunk(header, codec, raw, keys);
        CHECK(seal_chunk(again, codec, raw, keys) == chunk);
        Bytes input = chunk;
        input.resize(kNonceOffset);
        input.insert(input.end(), raw.begin(), raw.end());
        const auto [found, is_new] = seen.emplace(header.nonce, input);
        if (!is_new) CHECK(found->second == input);
        return is_new;
    };
    const ChunkHeader plain{};
    const Bytes raw(100, 3);
    CHECK(seal(plain, raw, Codec::none));
    CHECK_FALSE(seal(plain, raw, Codec::none));
    SECTION("any changed byte of the input") {
        for (std::size_t i = 0; i < raw.size(); ++i) {
            Bytes other = raw;
            other[i] ^= 128;
            CHECK(seal(plain, other, Codec::none));
        }
        CHECK(seal(plain, Bytes(101, 3), Codec::none));
        CHECK(seal(plain, Bytes(99, 3), Codec::none));
    }
    SECTION("any changed part of the header: position, tile, dataset, type, shape, codec") {
        ChunkHeader other = plain;
        other.index = 1;
        CHECK(seal(other, raw, Codec::none));
        other = plain;
        other.dataset = 1;
        CHECK(seal(other, raw, Codec::none));
        other = plain;
        other.element = 2;
        CHECK(seal(other, raw, Codec::none));
        other = plain;
        other.shape = {10, 10, 0, 0};
        CHECK(seal(other, raw, Codec::none));
        other = plain;
        other.tile = 1;
        CHECK(seal(other, raw, Codec::none));
        CHECK(seal(plain, raw, Codec::lz4));
        CHECK(seal(plain, raw, Codec::zstd));
        other = plain;
        other.shard[0] ^= 1;
        CHECK(seal(other, raw, Codec::none));
    }
    SECTION("many samples, some of them equal") {
        int fresh = 0;
        for (int i = 0; i < 20000; ++i) {
            ChunkHeader header;
            header.index = random() % 5000;
            fresh += seal(header, Bytes(16, static_cast<std::uint8_t>(random() % 2)), Codec::none);
        }
        CHECK(fresh <= 10000);
        CHECK(fresh > 8000);
    }
}

TEST_CASE("a header reads as it was written, and nothing else reads as a header") {
    ChunkHeader header;
    header.codec = Codec::zstd;
    header.element = 9;
    header.shard = shard_id("made@1", 4);
    header.index = 0x0102030405060708;
    header.raw_bytes = 0x11121314;
    header.dataset = 0x21222324;
    header.shape = {1, 2, 3, 4};
    header.tile = 0x31323334;
    header.nonce = {1, 2, 3};
    const PackedHeader packed = header.pack();
    const auto back = ChunkHeader::parse(packed);
    REQUIRE(back);
    CHECK(back->pack() == packed);
    CHECK(back->index == header.index);
    CHECK(back->tile == 0x31323334);
    PackedHeader first = packed;
    first[4] = 1;
    CHECK_FALSE(ChunkHeader::parse(first));  // format 1 has no tiles
    std::fill(first.begin() + 60, first.begin() + 64, std::uint8_t{0});
    CHECK(ChunkHeader::parse(first)->format == 1);
    for (const std::size_t at : {0, 1, 2, 3, 4, 5, 64, 67}) {
        PackedHeader other = packed;
        other[at] ^= 4;
        CHECK_FALSE(ChunkHeader::parse(other));
    }
}
