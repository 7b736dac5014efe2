#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "core/shard/chunk.h"
#include "core/shard/crypto.h"
#include "core/shard/mapping.h"
#include "core/shard/shard_entry.h"
#include "core/shard/tiles.h"

namespace core {

// Which chunk is wanted, and what it must say of itself.
struct ChunkPlace {
    std::uint64_t line = 0;     // of `/index`
    std::uint32_t dataset = 0;  // as ChunkHeader::dataset
    std::int64_t sample = 0;
    std::uint32_t tile = 0;
    std::uint8_t element = 0;
    std::array<std::uint32_t, 4> shape{};
    std::uint64_t raw_bytes = 0;
};

// A ragged sample as the index has it.
struct RaggedSample {
    std::vector<std::int64_t> shape;
    Tiling tiles;  // one tile, the sample, in format 1
    std::uint64_t first_line = 0;
};

// The chunks of one shard: finds, compares, authenticates and unpacks them; under ShardReader, which knows what
// they mean. const functions may be called from many threads at once.
class ChunkSource {
public:
    ChunkSource(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                const std::string& dataset, std::int64_t number, const SecretKey& dataset_key);

    const std::string& name() const noexcept { return name_; }  // of the file, for messages
    const Schema& schema() const noexcept { return schema_; }
    std::int64_t samples() const noexcept { return samples_; }
    std::uint64_t lines() const noexcept { return lines_; }

    ChunkPlace column(std::size_t column) const;
    ChunkPlace fixed(std::size_t field, std::int64_t sample) const;
    RaggedSample ragged(std::size_t field, std::int64_t sample) const;
    ChunkPlace tile(std::size_t field, std::int64_t sample, const RaggedSample& ragged,
                    std::uint64_t tile) const;

    // Where the chunk lies, checked against the file's size.
    IndexEntry entry(const ChunkPlace& place) const;
    // The raw bytes to `out`, which has room for place.raw_bytes. `next` (may be null) is what will be opened
    // after this. Throws Error(data); `out` then holds rubbish.
    void open(const ChunkPlace& place, std::uint8_t* out, const std::uint8_t* next = nullptr) const;
    // The way of nearly every read: fixed shape, not compressed, nothing wrong. False: open() finds out what is
    // the matter, or unpacks.
    bool quick(std::size_t field, std::int64_t sample, std::uint8_t* out, std::size_t bytes,
               const std::uint8_t* next) const noexcept;
    // Where the payload of the chunk of this line lies; null if nowhere. For prefetches.
    const std::uint8_t* payload(std::uint64_t line) const noexcept;
    // Asks the kernel to bring the bytes of the chunks of these lines and all between them.
    void will_need(std::uint64_t first_line, std::uint64_t last_line) const noexcept;

private:
    enum class Outcome { bounds, header, tag, payload, gone };
    static const char* reason(Outcome outcome) noexcept;
    [[noreturn]] void fail(const ChunkPlace& place, Outcome outcome) const;
    // Lines are read from the mapping whenever they are needed (their page may fail later), checked each time.
    template <class Line>
    bool read_line(std::uint64_t line, Line& out) const noexcept;
    ChunkHeader header(const ChunkPlace& place, const IndexEntry& at) const;
    void check_index(const ShardEntry& entry) const;

    std::string name_;
    const Schema& schema_;
    int format_;
    std::int64_t samples_;
    ShardId id_;
    ShardKeys keys_;
    Mapping file_;
    std::uint64_t index_offset_, lines_;
    std::vector<PackedHeader> expected_;  // by field: of an uncompressed sample, its index and nonce zero
};

}  // namespace core
