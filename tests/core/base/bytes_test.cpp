#include "core/base/bytes.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/time.h"

using namespace core;

TEST_CASE("SHA-256 gives FIPS 180-4's example") {
    const char* expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    CHECK(to_hex(sha256(view("abc"))) == expected);
    Sha256 stream;
    stream.update(view("a"));
    stream.update(view("bc"));
    CHECK(to_hex(stream.finish()) == expected);
}

TEST_CASE("HMAC-SHA-256 gives RFC 4231's case 2, however the message is cut") {
    const char* expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    CHECK(to_hex(hmac_sha256(view("Jefe"), {view("what do ya want for nothing?")})) == expected);
    CHECK(to_hex(hmac_sha256(view("Jefe"), {view("what do ya "), view("want for nothing?")})) == expected);
}

TEST_CASE("HKDF-SHA-256 gives the first block of RFC 5869's case 1") {
    const Bytes key(22, 0x0b), salt = from_hex("000102030405060708090a0b0c"),
                               info = from_hex("f0f1f2f3f4f5f6f7f8f9");
    CHECK(to_hex(hkdf_sha256(key, salt, text(info))) ==
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

TEST_CASE("hex and base64 return what went in, and refuse what they did not write") {
    const Bytes bytes = random_bytes(GENERATE(0, 1, 2, 3, 31, 257));
    CHECK(from_hex(to_hex(bytes)) == bytes);
    CHECK(from_base64(to_base64(bytes)) == bytes);
    for (const char* bad : {"a", "zz", "0g", "00 "}) CHECK_THROWS_AS(from_hex(bad), Error);
    for (const char* bad : {"A", "AAA*", "AAAA\n"}) CHECK_THROWS_AS(from_base64(bad), Error);
}

TEST_CASE("times are RFC 3339 in UTC and nothing else") {
    CHECK(rfc3339(0) == "1970-01-01T00:00:00Z");
    CHECK(parse_rfc3339("2026-11-23T20:35:08Z") == 1795466108);
    for (const char* bad :
         {"2026-11-23", "2026-11-23T20:35:08", "2026-02-30T00:00:00Z", "2026-11-23T20:35:08Z "})
        CHECK_THROWS_AS(parse_rfc3339(bad), Error);
}
