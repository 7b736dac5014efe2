#pragma once
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

// Keys at rest are one line of text, so that an operator can tell them apart:
//   aloft-key-1 <kind> <base64>
// kinds: secret (32 random bytes: pseudonym or dataset key), ed25519-private, ed25519-public, x25519-private,
// x25519-public. Private files are 0400; a private file that others can read is refused.

namespace core {

// 32 secret bytes: locked in memory where the limits allow, left out of core dumps, wiped when they die.
class SecretKey {
public:
    static SecretKey generate();
    static SecretKey from(ByteView bytes);  // throws Error(data) unless 32 bytes
    // Throws Error(refused) if the file is absent or not readable by us alone, Error(data) if it is not a
    // key of this kind.
    static SecretKey load(const std::filesystem::path& path);
    void save(const std::filesystem::path& path) const;  // 0400; refuses to overwrite: Error(usage)

    ByteView bytes() const noexcept;
    // First 8 bytes, in hex, of HMAC(key, "aloft key id"): names the key without telling anything about it.
    std::string id() const;
    // HKDF-SHA-256 of this key for one purpose.
    SecretKey derive(ByteView salt, std::string_view purpose) const;

    SecretKey(SecretKey&&) noexcept = default;
    SecretKey& operator=(SecretKey&&) noexcept = default;

private:
    struct Free {
        void operator()(std::uint8_t* p) const noexcept;
    };
    SecretKey();
    std::unique_ptr<std::uint8_t[], Free> bytes_;
};

// Ed25519 (RFC 8032). The id of a key is the first 16 hex digits of the SHA-256 of its public half.
struct VerifyKey {
    std::array<std::uint8_t, 32> bytes{};
    std::string id() const;
    static VerifyKey load(const std::filesystem::path& path);
    void save(const std::filesystem::path& path) const;  // 0644
};

// The keys that are trusted for one purpose: FOLDER/NAME.pub and, while one key takes over from another, NAME.next.pub and
// every NAME.old-ID.pub (VerifyKey::id) beside it. Throws as VerifyKey::load for NAME.pub if there is none at all.
std::vector<VerifyKey> load_verify_keys(const std::filesystem::path& folder, std::string_view name);

class SigningKey {
public:
    static SigningKey generate();
    static SigningKey load(const std::filesystem::path& path);  // throws as SecretKey::load
    void save(const std::filesystem::path& path) const;
    const VerifyKey& verify_key() const noexcept { return verify_; }
    std::array<std::uint8_t, 64> sign(ByteView message) const;

private:
    explicit SigningKey(SecretKey seed);
    SecretKey seed_;
    VerifyKey verify_;
};

bool verify(const VerifyKey& key, ByteView message, ByteView signature);

// Signed documents are DSSE envelopes (Dead Simple Signing Envelope 1.0.2, secure-systems-lab): JSON with
// payloadType, payload (base64) and signatures; what is signed is the pre-authentication encoding.
std::string dsse_sign(const SigningKey& key, std::string_view payload_type, std::string_view payload);

// The payload, if one of `keys` signed it under `payload_type`. Throws Error(refused) if none did,
// Error(data) if the text is no envelope. `what` names the document in the message.
std::string dsse_open(std::string_view envelope, std::string_view payload_type,
                      const std::vector<VerifyKey>& keys, const std::string& what);

// A 32-byte key sealed to an enclave's X25519 key (libsodium's sealed box); only its private half opens it.
struct SealingKey {  // public half
    std::array<std::uint8_t, 32> bytes{};
    static SealingKey load(const std::filesystem::path& path);
    void save(const std::filesystem::path& path) const;  // 0644
    Bytes seal(const SecretKey& key) const;
};

class OpeningKey {  // private half
public:
    static OpeningKey generate();
    static OpeningKey load(const std::filesystem::path& path);
    void save(const std::filesystem::path& path) const;
    SealingKey sealing_key() const;
    SecretKey open(ByteView sealed) const;  // throws Error(refused) if it was not sealed to this key

private:
    explicit OpeningKey(SecretKey key) : key_(std::move(key)) {}
    SecretKey key_;
};

// No core dumps, not traceable by other processes of the same user (prctl PR_SET_DUMPABLE 0, RLIMIT_CORE 0).
// Programs that hold keys or identifiers call it first. Throws Error(system).
void forbid_core_dumps();

}  // namespace core
