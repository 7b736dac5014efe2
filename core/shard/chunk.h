#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/shard/codec.h"
#include "core/shard/crypto.h"
#include "core/shard/schema.h"

namespace core {

// A chunk is header, payload, tag: what one H5Dwrite_chunk writes and one read() opens (FORMAT.md, "Chunk").
inline constexpr std::size_t kHeaderBytes = 80, kTagBytes = 16, kChunkOverhead = kHeaderBytes + kTagBytes;
inline constexpr std::size_t kIndexOffset = 24, kNonceOffset = 68;
using PackedHeader = std::array<std::uint8_t, kHeaderBytes>;

// Of a page's record (page.h), where fields and columns have their types.
inline constexpr std::uint8_t kRecordElement = 192;

// Where a chunk belongs and what is in it.
struct ChunkHeader {
    std::uint16_t format = kFormat;
    Codec codec = Codec::none;
    std::uint8_t element = 0;  // DType of a field, 128 + ColumnType of a column, kRecordElement
    ShardId shard{};
    std::uint64_t index = 0;               // of the sample in the shard; 0 for a column
    std::uint64_t raw_bytes = 0;           // after decryption and decompression
    std::uint32_t dataset = 0;             // columns in the schema's order, then fields in the schema's order
    std::array<std::uint32_t, 4> shape{};  // of the whole sample; unused dimensions are 0
    std::uint32_t tile = 0;                // of a ragged sample; always 0 in format 1
    Nonce nonce{};

    PackedHeader pack() const noexcept;
    // Nothing if magic, version, codec or reserved bytes are not those of format version 1 or 2.
    static std::optional<ChunkHeader> parse(ByteView bytes) noexcept;  // kHeaderBytes
};

// The bytes that go into the file. `codec` is tried; what does not shrink is stored as it is. Sets
// header.codec, raw_bytes and nonce.
Bytes seal_chunk(ChunkHeader& header, Codec codec, ByteView raw, const ShardKeys& keys);

std::uint8_t element_of(const Field& field) noexcept;
std::uint8_t element_of(const Column& column) noexcept;
std::array<std::uint32_t, 4> packed_shape(const std::vector<std::int64_t>& shape) noexcept;

// One line of `/index`, little endian: columns in the schema's order, then sample by sample for each field in
// the schema's order, then, since format 2, the tiles of each ragged sample in the same order.
struct IndexEntry {
    std::uint64_t offset, stored_bytes, raw_bytes;
};
// Since format 2, the line of a ragged sample: where the lines of its tiles begin.
struct RaggedEntry {
    std::uint64_t first_tile;
    std::array<std::uint32_t, 4> shape;  // unused dimensions are 0
};
static_assert(sizeof(IndexEntry) == 24 && sizeof(RaggedEntry) == 24);
inline std::uint64_t index_line(const Schema& schema, std::int64_t samples, std::size_t field,
                                std::int64_t sample) noexcept {
    return schema.columns.size() + field * static_cast<std::uint64_t>(samples) +
           static_cast<std::uint64_t>(sample);
}
// Without those of tiles.
inline std::uint64_t index_lines(const Schema& schema, std::int64_t samples) noexcept {
    return schema.columns.size() + schema.fields.size() * static_cast<std::uint64_t>(samples);
}

}  // namespace core
