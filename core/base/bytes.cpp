#include "core/base/bytes.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <sodium.h>

#include <memory>

#include "core/base/error.h"

namespace core {
namespace {

[[noreturn]] void openssl_failed(const char* doing) {
    throw Error(Fault::system, std::string("OpenSSL: cannot ") + doing);
}

EVP_MD_CTX* context(void* p) {
    return static_cast<EVP_MD_CTX*>(p);
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || EVP_DigestInit_ex(context(context_), EVP_sha256(), nullptr) != 1)
        openssl_failed("start SHA-256");
}

Sha256::~Sha256() {
    EVP_MD_CTX_free(context(context_));
}

void Sha256::update(ByteView bytes) {
    if (EVP_DigestUpdate(context(context_), bytes.data(), bytes.size()) != 1)
        openssl_failed("continue SHA-256");
}

Digest Sha256::finish() {
    Digest digest;
    if (EVP_DigestFinal_ex(context(context_), digest.data(), nullptr) != 1) openssl_failed("finish SHA-256");
    return digest;
}

Digest sha256(ByteView bytes) {
    Digest digest;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        openssl_failed("compute SHA-256");
    return digest;
}

Digest hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
    static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);  // fetching costs microseconds
    const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> mac(
        algorithm ? EVP_MAC_CTX_new(algorithm) : nullptr, EVP_MAC_CTX_free);
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("digest", name, 0), OSSL_PARAM_END};
    if (!mac || EVP_MAC_init(mac.get(), key.data(), key.size(), parameters) != 1)
        openssl_failed("start HMAC");
    for (const ByteView part : parts)
        if (!part.empty() && EVP_MAC_update(mac.get(), part.data(), part.size()) != 1)
            openssl_failed("continue HMAC");
    Digest digest;
    std::size_t length = 0;
    if (EVP_MAC_final(mac.get(), digest.data(), &length, digest.size()) != 1 || length != digest.size())
        openssl_failed("finish HMAC");
    return digest;
}

Digest hkdf_sha256(ByteView key, ByteView salt, std::string_view info) {
    const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> hkdf(
        EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr), EVP_PKEY_CTX_free);
    Digest derived;
    std::size_t length = derived.size();
    const auto purpose = view(info);
    if (!hkdf || EVP_PKEY_derive_init(hkdf.get()) != 1 ||
        EVP_PKEY_CTX_set_hkdf_md(hkdf.get(), EVP_sha256()) != 1 ||
        EVP_PKEY_CTX_set1_hkdf_key(hkdf.get(), key.data(), static_cast<int>(key.size())) != 1 ||
        (!salt.empty() &&
         EVP_PKEY_CTX_set1_hkdf_salt(hkdf.get(), salt.data(), static_cast<int>(salt.size())) != 1) ||
        EVP_PKEY_CTX_add1_hkdf_info(hkdf.get(), purpose.data(), static_cast<int>(purpose.size())) != 1 ||
        EVP_PKEY_derive(hkdf.get(), derived.data(), &length) != 1 || length != derived.size())
        openssl_failed("derive a key");
    return derived;
}

std::string to_hex(ByteView bytes) {
    std::string out(bytes.size() * 2 + 1, '\0');
    sodium_bin2hex(out.data(), out.size(), bytes.data(), bytes.size());
    out.pop_back();
    return out;
}

Bytes from_hex(std::string_view text) {
    Bytes out(text.size() / 2 + 1);  // never empty: libsodium takes no null pointer
    std::size_t length = 0;
    if (text.size() % 2 ||
        sodium_hex2bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, nullptr) ||
        length != text.size() / 2)
        throw Error(Fault::data, "not hexadecimal");
    out.resize(length);
    return out;
}

std::string to_base64(ByteView bytes) {
    std::string out(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(out.data(), out.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_ORIGINAL);
    out.pop_back();
    return out;
}

Bytes from_base64(std::string_view text) {
    Bytes out(text.size() / 4 * 3 + 3);
    std::size_t length = 0;
    const char* end = nullptr;
    if (sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, &end,
                          sodium_base64_VARIANT_ORIGINAL) ||
        end != text.data() + text.size())
        throw Error(Fault::data, "not base64");
    out.resize(length);
    return out;
}

Bytes random_bytes(std::size_t count) {
    if (sodium_init() < 0) throw Error(Fault::system, "libsodium: cannot start");
    Bytes out(count);
    if (count > 0) randombytes_buf(out.data(), out.size());
    return out;
}

std::string random_id(std::size_t bytes) {
    return to_hex(random_bytes(bytes));
}

bool equal_secret(ByteView a, ByteView b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace core
