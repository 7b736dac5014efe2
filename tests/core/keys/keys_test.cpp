#include "core/keys/keys.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

TEST_CASE("a secret key survives its file, which only the owner can read") {
    const test::Scratch folder;
    const SecretKey key = SecretKey::generate();
    key.save(folder / "k");
    struct stat status {};
    REQUIRE(::stat((folder / "k").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0400);
    CHECK(equal_secret(SecretKey::load(folder / "k").bytes(), key.bytes()));
    CHECK(SecretKey::load(folder / "k").id() == key.id());
    CHECK_THROWS_WITH(SecretKey::generate().save(folder / "k"), Contains("never overwritten"));
    ::chmod((folder / "k").c_str(), 0440);
    CHECK_THROWS_WITH(SecretKey::load(folder / "k"), Contains("others can read"));
}

TEST_CASE("of several who save a key under one name at the same moment one does, the others are told") {
    for (int round = 0; round < 20; ++round) {
        const test::Scratch folder;
        std::vector<SecretKey> keys;
        for (int i = 0; i < 4; ++i) keys.push_back(SecretKey::generate());
        std::vector<int> saved(keys.size(), 0);
        {
            std::vector<std::jthread> threads;
            for (std::size_t i = 0; i < keys.size(); ++i)
                threads.emplace_back([&, i] {
                    try {
                        keys[i].save(folder / "k");
                        saved[i] = 1;
                    } catch (const Error& e) {
                        if (e.fault() != Fault::usage) saved[i] = 100;
                    }
                });
        }
        REQUIRE(std::count(saved.begin(), saved.end(), 1) == 1);
        REQUIRE(std::count(saved.begin(), saved.end(), 0) == 3);
        const auto winner =
            static_cast<std::size_t>(std::find(saved.begin(), saved.end(), 1) - saved.begin());
        CHECK(SecretKey::load(folder / "k").id() == keys[winner].id());
        const auto entries = std::filesystem::directory_iterator(folder.path());
        CHECK(std::distance(begin(entries), end(entries)) == 1);  // nothing temporary stays
    }
}

TEST_CASE("a missing key is refused, a key of another kind is not taken") {
    const test::Scratch folder;
    try {
        SecretKey::load(folder / "absent");
        FAIL();
    } catch (const Error& e) {
        CHECK(e.fault() == Fault::refused);
    }
    SigningKey::generate().save(folder / "s");
    CHECK_THROWS_WITH(SecretKey::load(folder / "s"), Contains("not a key of kind secret"));
}

TEST_CASE("Ed25519 gives RFC 8032's test 2") {
    const test::Scratch folder;
    const Bytes seed = from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    write_atomically(folder / "k", "aloft-key-1 ed25519-private " + to_base64(seed) + "\n", 0400);
    const SigningKey key = SigningKey::load(folder / "k");
    CHECK(to_hex(key.verify_key().bytes) ==
          "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    CHECK(to_hex(key.sign(from_hex("72"))) ==
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST_CASE("a signed envelope opens under the right key and type, and not after any change") {
    const SigningKey key = SigningKey::generate(), other = SigningKey::generate();
    const std::string payload = R"({"grant":"G-1"})";
    const std::string envelope = dsse_sign(key, "application/vnd.aloft.grant+json", payload);
    CHECK(dsse_open(envelope, "application/vnd.aloft.grant+json", {other.verify_key(), key.verify_key()},
                    "grant") == payload);
    CHECK_THROWS_WITH(dsse_open(envelope, "application/vnd.aloft.manifest+json", {key.verify_key()}, "grant"),
                      Contains("another purpose"));
    CHECK_THROWS_WITH(dsse_open(envelope, "application/vnd.aloft.grant+json", {other.verify_key()}, "grant"),
                      Contains("not valid"));
    for (std::size_t i = 0; i < envelope.size(); ++i) {
        std::string changed = envelope;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        try {  // a change that DSSE does not sign (white space, the key's id) may pass, with the same payload
               // only
            const std::string opened =
                dsse_open(changed, "application/vnd.aloft.grant+json", {key.verify_key()}, "grant");
            CHECK(opened == payload);
        } catch (const Error&) {
        }
    }
}

TEST_CASE("a sealed key opens for its enclave only") {
    const OpeningKey enclave = OpeningKey::generate(), other = OpeningKey::generate();
    const SecretKey key = SecretKey::generate();
    Bytes sealed = enclave.sealing_key().seal(key);
    CHECK(equal_secret(enclave.open(sealed).bytes(), key.bytes()));
    CHECK_THROWS_AS(other.open(sealed), Error);
    sealed[40] ^= 1;
    CHECK_THROWS_AS(enclave.open(sealed), Error);
}

TEST_CASE("after forbid_core_dumps a crash leaves no core") {
    const pid_t child = fork();
    if (child == 0) {
        ::signal(SIGABRT, SIG_DFL);  // not Catch's handler
        forbid_core_dumps();
        ::abort();
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK_FALSE(WCOREDUMP(status));
}
