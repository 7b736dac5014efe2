#include "core/shard/chunk.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/error.h"

namespace core {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian, and so is this code");
constexpr std::array<std::uint8_t, 4> kMagic{'A', 'L', 'F', 'T'};

template <class T>
void put(PackedHeader& bytes, std::size_t at, const T& value) noexcept {
    std::memcpy(bytes.data() + at, &value, sizeof value);
}
template <class T>
void get(ByteView bytes, std::size_t at, T& value) noexcept {
    std::memcpy(&value, bytes.data() + at, sizeof value);
}

}  // namespace

PackedHeader ChunkHeader::pack() const noexcept {
    PackedHeader bytes{};
    put(bytes, 0, kMagic);
    put(bytes, 4, format);
    put(bytes, 6, codec);
    put(bytes, 7, element);
    put(bytes, 8, shard);
    put(bytes, kIndexOffset, index);
    put(bytes, 32, raw_bytes);
    put(bytes, 40, dataset);
    put(bytes, 44, shape);
    put(bytes, 60, tile);  // 64 to 67 are reserved: zero
    put(bytes, kNonceOffset, nonce);
    return bytes;
}

std::optional<ChunkHeader> ChunkHeader::parse(ByteView bytes) noexcept {
    std::array<std::uint8_t, 4> magic;
    std::uint32_t reserved = 0;
    ChunkHeader header;
    get(bytes, 0, magic);
    get(bytes, 4, header.format);
    get(bytes, 60, header.tile);
    get(bytes, 64, reserved);
    if (magic != kMagic || header.format < 1 || header.format > kFormat || reserved != 0 || bytes[6] > 2 ||
        (header.format == 1 && header.tile != 0))
        return std::nullopt;
    get(bytes, 6, header.codec);
    get(bytes, 7, header.element);
    get(bytes, 8, header.shard);
    get(bytes, kIndexOffset, header.index);
    get(bytes, 32, header.raw_bytes);
    get(bytes, 40, header.dataset);
    get(bytes, 44, header.shape);
    get(bytes, kNonceOffset, header.nonce);
    return header;
}

Bytes seal_chunk(ChunkHeader& header, Codec codec, ByteView raw, const ShardKeys& keys) {
    thread_local Bytes packed;
    const bool smaller = compress(codec, raw, packed);
    const ByteView payload = smaller ? ByteView(packed) : raw;
    header.codec = smaller ? codec : Codec::none;
    header.raw_bytes = raw.size();
    header.nonce = {};
    header.nonce = keys.nonce_for(header.pack(), payload);
    const PackedHeader head = header.pack();
    Bytes chunk(kChunkOverhead + payload.size());
    std::copy(head.begin(), head.end(), chunk.begin());
    const Tag tag = keys.cipher.seal(header.nonce, head, payload, chunk.data() + kHeaderBytes);
    std::copy(tag.begin(), tag.end(), chunk.end() - kTagBytes);
    return chunk;
}

std::uint8_t element_of(const Field& field) noexcept {
    return static_cast<std::uint8_t>(field.dtype);
}
std::uint8_t element_of(const Column& column) noexcept {
    return static_cast<std::uint8_t>(128 + static_cast<int>(column.type));
}
std::array<std::uint32_t, 4> packed_shape(const std::vector<std::int64_t>& shape) noexcept {
    std::array<std::uint32_t, 4> packed{};
    for (std::size_t i = 0; i < shape.size() && i < packed.size(); ++i)
        packed[i] = static_cast<std::uint32_t>(shape[i]);
    return packed;
}

}  // namespace core
