#include "core/keys/keys.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/seed.h"

namespace core {
namespace {

constexpr std::size_t kKeyBytes = 32;

void start_sodium() {
    static const int started = sodium_init();
    if (started < 0) throw Error(Fault::system, "libsodium: cannot start");
}

enum class Half { secret, open };

// Nothing is replaced, even by two who save at the same moment: what is encrypted under the first key would be lost.
void save_key(const std::filesystem::path& path, std::string_view kind, ByteView bytes, Half half) {
    char line[160];  // on the stack, where it can be wiped
    const std::string prefix = "aloft-key-1 " + std::string(kind) + " ";
    std::copy(prefix.begin(), prefix.end(), line);
    sodium_bin2base64(line + prefix.size(), sizeof line - prefix.size() - 1, bytes.data(), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    const std::size_t length = std::strlen(line);
    line[length] = '\n';
    struct Wipe {
        char (&line)[160];
        ~Wipe() { sodium_memzero(line, sizeof line); }
    } wipe{line};
    AtomicFile file(path, half == Half::secret ? 0400 : 0644);
    file.write(view({line, length + 1}));
    if (!file.commit_new())
        throw Error(Fault::usage, path.string() + ": exists already; a key is never overwritten");
}

// The key's 32 bytes into `out`.
void load_line(const std::filesystem::path& path, std::string_view kind, Half half, std::uint8_t* out) {
    start_sodium();
    const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!fd.is_open() || ::fstat(fd.get(), &status))
        throw Error(Fault::refused, with_errno("cannot open the key " + path.string(), errno));
    if (!S_ISREG(status.st_mode)) throw Error(Fault::refused, path.string() + ": is not a regular file");
    if (half == Half::secret && (status.st_mode & 077))
        throw Error(Fault::refused, path.string() + ": others can read this key; chmod 0400 it");
    char line[160];
    const ssize_t got = ::read(fd.get(), line, sizeof line);
    const std::string prefix = "aloft-key-1 " + std::string(kind) + " ";
    const std::size_t wanted =
        prefix.size() + sodium_base64_ENCODED_LEN(kKeyBytes, sodium_base64_VARIANT_ORIGINAL);
    std::size_t length = 0;
    const bool good = got == static_cast<ssize_t>(wanted) && std::equal(prefix.begin(), prefix.end(), line) &&
                      line[wanted - 1] == '\n' &&
                      sodium_base642bin(out, kKeyBytes, line + prefix.size(), wanted - 1 - prefix.size(),
                                        nullptr, &length, nullptr, sodium_base64_VARIANT_ORIGINAL) == 0 &&
                      length == kKeyBytes;
    sodium_memzero(line, sizeof line);
    if (!good) throw Error(Fault::data, path.string() + ": not a key of kind " + std::string(kind));
}

template <class Public>
Public load_public(const std::filesystem::path& path, std::string_view kind) {
    Public key;
    load_line(path, kind, Half::open, key.bytes.data());
    return key;
}

SecretKey load_secret(const std::filesystem::path& path, std::string_view kind) {
    std::uint8_t bytes[kKeyBytes];
    load_line(path, kind, Half::secret, bytes);
    SecretKey key = SecretKey::from(bytes);
    sodium_memzero(bytes, sizeof bytes);
    return key;
}

// DSSE's pre-authentication encoding.
std::string dsse_pae(std::string_view type, std::string_view payload) {
    std::string out = "DSSEv1 " + std::to_string(type.size()) + " ";
    out += type;
    out += " " + std::to_string(payload.size()) + " ";
    out += payload;
    return out;
}

}  // namespace

SecretKey::SecretKey() {
    start_sodium();
    bytes_.reset(static_cast<std::uint8_t*>(sodium_malloc(kKeyBytes)));  // locked, guarded, no core dump
    if (!bytes_) throw Error(Fault::system, "cannot lock memory for a key (ulimit -l)");
}
void SecretKey::Free::operator()(std::uint8_t* p) const noexcept {
    sodium_free(p);
}
SecretKey SecretKey::generate() {
    SecretKey key;
    randombytes_buf(key.bytes_.get(), kKeyBytes);
    return key;
}
SecretKey SecretKey::from(ByteView bytes) {
    if (bytes.size() != kKeyBytes) throw Error(Fault::data, "a key has 32 bytes");
    SecretKey key;
    std::copy(bytes.begin(), bytes.end(), key.bytes_.get());
    return key;
}
SecretKey SecretKey::load(const std::filesystem::path& path) {
    return load_secret(path, "secret");
}
void SecretKey::save(const std::filesystem::path& path) const {
    save_key(path, "secret", bytes(), Half::secret);
}
ByteView SecretKey::bytes() const noexcept {
    return {bytes_.get(), kKeyBytes};
}
std::string SecretKey::id() const {
    const Digest digest = hmac_sha256(bytes(), {view("aloft key id")});
    return to_hex(ByteView(digest).first(8));
}
SecretKey SecretKey::derive(ByteView salt, std::string_view purpose) const {
    Digest derived = hkdf_sha256(bytes(), salt, purpose);
    SecretKey key = from(derived);
    sodium_memzero(derived.data(), derived.size());
    return key;
}

std::string VerifyKey::id() const {
    return to_hex(ByteView(sha256(bytes)).first(8));
}
VerifyKey VerifyKey::load(const std::filesystem::path& path) {
    return load_public<VerifyKey>(path, "ed25519-public");
}
void VerifyKey::save(const std::filesystem::path& path) const {
    save_key(path, "ed25519-public", bytes, Half::open);
}

namespace {

// Of "NAME.WORD.pub". Other words are other keys': an enclave called NAME has NAME.enclave.pub there.
bool is_of_takeover(std::string_view word) {
    constexpr std::string_view kOld = "old-";
    return word == "next" || (word.size() == kOld.size() + 16 && word.starts_with(kOld) &&
                              word.find_first_not_of("0123456789abcdef", kOld.size()) == word.npos);
}

}  // namespace

std::vector<VerifyKey> load_verify_keys(const std::filesystem::path& folder, std::string_view name) {
    const std::string first = std::string(name) + ".", last = ".pub";
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error))
        if (const std::string file = entry->path().filename().string();
            file == first + "pub" ||
            (file.size() > first.size() + last.size() && file.starts_with(first) && file.ends_with(last) &&
             is_of_takeover(
                 std::string_view(file).substr(first.size(), file.size() - first.size() - last.size()))))
            files.push_back(entry->path());
    if (files.empty()) return {VerifyKey::load(folder / (first + "pub"))};
    std::sort(files.begin(), files.end());
    std::vector<VerifyKey> keys;
    for (const auto& file : files) keys.push_back(VerifyKey::load(file));
    return keys;
}

SigningKey::SigningKey(SecretKey seed) : seed_(std::move(seed)) {
    std::uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(verify_.bytes.data(), secret, seed_.bytes().data());
    sodium_memzero(secret, sizeof secret);
}
SigningKey SigningKey::generate() {
    return SigningKey(SecretKey::generate());
}
SigningKey SigningKey::load(const std::filesystem::path& path) {
    return SigningKey(load_secret(path, "ed25519-private"));
}
SecretKey load_signing_seed(const std::filesystem::path& path) {
    return load_secret(path, "ed25519-private");
}
void SigningKey::save(const std::filesystem::path& path) const {
    save_key(path, "ed25519-private", seed_.bytes(), Half::secret);
}
std::array<std::uint8_t, 64> SigningKey::sign(ByteView message) const {
    std::uint8_t unused[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(unused, secret, seed_.bytes().data());
    std::array<std::uint8_t, 64> signature;
    crypto_sign_detached(signature.data(), nullptr, message.data(), message.size(), secret);
    sodium_memzero(secret, sizeof secret);
    return signature;
}
bool verify(const VerifyKey& key, ByteView message, ByteView signature) {
    start_sodium();
    return signature.size() == crypto_sign_BYTES &&
           crypto_sign_verify_detached(signature.data(), message.data(), message.size(), key.bytes.data()) ==
               0;
}

std::string dsse_sign(const SigningKey& key, std::string_view payload_type, std::string_view payload) {
    const auto signature = key.sign(view(dsse_pae(payload_type, payload)));
    const nlohmann::ordered_json envelope = {
        {"payloadType", payload_type},
        {"payload", to_base64(view(payload))},
        {"signatures", {{{"keyid", key.verify_key().id()}, {"sig", to_base64(signature)}}}}};
    return envelope.dump(1) + "\n";
}

std::string dsse_open(std::string_view envelope, std::string_view payload_type,
                      const std::vector<VerifyKey>& keys, const std::string& what) {
    std::string type, payload;
    std::vector<Bytes> signatures;
    try {
        const auto json = nlohmann::json::parse(envelope);
        type = json.at("payloadType").get<std::string>();
        payload = std::string(text(from_base64(json.at("payload").get<std::string>())));
        for (const auto& entry : json.at("signatures"))
            signatures.push_back(from_base64(entry.at("sig").get<std::string>()));
    } catch (const std::exception&) {
        throw Error(Fault::data, what + ": not a signed envelope (DSSE); fetch or publish it again");
    }
    if (type != payload_type) throw Error(Fault::refused, what + ": signed for another purpose");
    const std::string signed_text = dsse_pae(type, payload);
    for (const Bytes& signature : signatures)
        for (const VerifyKey& key : keys)
            if (verify(key, view(signed_text), signature)) return payload;
    throw Error(Fault::refused, what + ": the signature is not valid under any trusted key");
}

SealingKey SealingKey::load(const std::filesystem::path& path) {
    return load_public<SealingKey>(path, "x25519-public");
}
void SealingKey::save(const std::filesystem::path& path) const {
    save_key(path, "x25519-public", bytes, Half::open);
}
Bytes SealingKey::seal(const SecretKey& key) const {
    start_sodium();
    Bytes sealed(crypto_box_SEALBYTES + kKeyBytes);
    if (crypto_box_seal(sealed.data(), key.bytes().data(), kKeyBytes, bytes.data()))
        throw Error(Fault::data, "cannot seal a key: the enclave's public key is not valid");
    return sealed;
}

OpeningKey OpeningKey::generate() {
    return OpeningKey(SecretKey::generate());
}
OpeningKey OpeningKey::load(const std::filesystem::path& path) {
    return OpeningKey(load_secret(path, "x25519-private"));
}
void OpeningKey::save(const std::filesystem::path& path) const {
    save_key(path, "x25519-private", key_.bytes(), Half::secret);
}
SealingKey OpeningKey::sealing_key() const {
    SealingKey key;
    crypto_scalarmult_base(key.bytes.data(), key_.bytes().data());
    return key;
}
SecretKey OpeningKey::open(ByteView sealed) const {
    const SealingKey sealing = sealing_key();
    std::uint8_t bytes[kKeyBytes];
    if (sealed.size() != crypto_box_SEALBYTES + kKeyBytes ||
        crypto_box_seal_open(bytes, sealed.data(), sealed.size(), sealing.bytes.data(), key_.bytes().data()))
        throw Error(Fault::refused, "a sealed key was not sealed to this enclave, or is damaged");
    SecretKey key = SecretKey::from(bytes);
    sodium_memzero(bytes, sizeof bytes);
    return key;
}

void forbid_core_dumps() {
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        throw Error(Fault::system, with_errno("cannot forbid core dumps", errno));
}

}  // namespace core
