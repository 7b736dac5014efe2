#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/keys/keys.h"

namespace core {

using Nonce = std::array<std::uint8_t, 12>;
using Tag = std::array<std::uint8_t, 16>;

// AES-256-GCM (NIST SP 800-38D) under one key, by libipsec-mb. The expanded key is wiped when it dies.
// const functions may be called from many threads at once.
class AesGcm {
public:
    explicit AesGcm(const SecretKey& key);
    AesGcm(AesGcm&&) noexcept = default;
    AesGcm& operator=(AesGcm&&) noexcept = default;

    // `out` has the size of `plain` and may be the same memory.
    Tag seal(const Nonce& nonce, ByteView authenticated, ByteView plain, std::uint8_t* out) const;

    // False if the tag does not match; `out` then holds rubbish that must not be used. Prefetches what lies
    // ahead: `next` (may be null) is what will be opened after this, so that memory never waits.
    [[nodiscard]] bool open(const Nonce& nonce, ByteView authenticated, ByteView sealed, const Tag& tag,
                            std::uint8_t* out, const std::uint8_t* next = nullptr) const noexcept;

private:
    struct Expanded;
    struct Wipe {
        void operator()(Expanded* key) const noexcept;
    };
    std::unique_ptr<Expanded, Wipe> key_;
};

// The format version that is written. Version 1 is read too.
inline constexpr std::uint16_t kFormat = 2;

// Names a shard inside its chunks: the first 16 bytes of SHA-256("aloft shard 2" 00 dataset 00 number), where
// `dataset` is "digits@1", `number` is decimal, and 2 is the format version. Equal input gives equal shards:
// nothing here is random.
using ShardId = std::array<std::uint8_t, 16>;
ShardId shard_id(std::string_view dataset, std::int64_t number, int format = kFormat);
// The same for a page of the manifest: "aloft page 2".
ShardId page_id(std::string_view dataset, std::int64_t number);

// The keys of one shard or page: HKDF-SHA-256 of the dataset's key, salted with its id.
struct ShardKeys {
    AesGcm cipher;
    SecretKey nonce;
    ShardKeys(const SecretKey& dataset_key, const ShardId& id, int format = kFormat);

    // First 96 bits of HMAC-SHA-256(nonce key, header || payload): never a counter, so that equal input gives
    // equal bytes and changed input never meets the same key and nonce. `header` has its nonce bytes zero.
    Nonce nonce_for(ByteView header, ByteView payload) const;
};

}  // namespace core
