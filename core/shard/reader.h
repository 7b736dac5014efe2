#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/schema.h"
#include "core/shard/shard_entry.h"

namespace core {

class ChunkSource;
struct RaggedSample;

// The values of one column of one shard.
struct ColumnData {
    std::vector<std::int64_t> integers;  // i64
    std::vector<double> numbers;         // f64
    std::vector<std::int32_t> codes;     // category: into Column::names, -1 missing
    std::vector<Id16> ids;               // id16
};

// Reads one shard from a memory map, without the HDF5 library: the index is checked against its digest in the
// manifest, every chunk against its tag. What fails is named by file, dataset and sample:
//   shard-000003.h5: /fields/image sample 17: authentication failed: ...
// const functions may be called from many threads at once. A file that is cut, or whose storage fails, while
// it is read ends in Error(data), not in SIGBUS.
class ShardReader {
public:
    // Throws Error(data) if the file is not what `entry` says (size, index); Error(system) if it cannot be
    // opened. `schema` must outlive the reader.
    ShardReader(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                const std::string& dataset, std::int64_t number, const SecretKey& dataset_key);
    ShardReader(ShardReader&&) noexcept;
    ShardReader& operator=(ShardReader&&) noexcept;
    ~ShardReader();

    std::int64_t samples() const noexcept;

    // Decrypts a whole column. Throws Error(data).
    ColumnData column(std::size_t column) const;

    // Where the sample, or its first tile, is stored: samples that follow each other lie side by side.
    std::uint64_t offset(std::size_t field, std::int64_t sample) const;

    // Of one sample, without reading it.
    std::vector<std::int64_t> shape(std::size_t field, std::int64_t sample) const;

    // Decrypts and unpacks one sample of a fixed-shape field to `out`, which has its size. `next`, if not
    // negative, is the sample that will be read after it: its bytes are prefetched. Throws Error(data) if a
    // tag does not match; `out` then holds rubbish.
    void read(std::size_t field, std::int64_t sample, std::span<std::uint8_t> out,
              std::int64_t next = -1) const;

    // One sample of any field, with its shape. Throws Error(data).
    Array array(std::size_t field, std::int64_t sample) const;

    // The box of `extent` from `origin` on, both in the sample's dimensions, to `out`, which has its size: a
    // patch of a volume. Of a ragged sample it reads the tiles that the box touches and no more. Throws
    // Error(bug) if the box does not lie in the sample, Error(data) if a tag does not match.
    void read_box(std::size_t field, std::int64_t sample, std::span<const std::int64_t> origin,
                  std::span<const std::int64_t> extent, std::span<std::uint8_t> out) const;
    // The same tile by tile, for threads that share a box, or a whole sample: those of `tiles` in their order,
    // which is that of the file. Different tiles write different bytes of `out`.
    std::vector<std::uint64_t> tiles(std::size_t field, std::int64_t sample,
                                     std::span<const std::int64_t> origin,
                                     std::span<const std::int64_t> extent) const;
    void read_tile(std::size_t field, std::int64_t sample, std::uint64_t tile,
                   std::span<const std::int64_t> origin, std::span<const std::int64_t> extent,
                   std::span<std::uint8_t> out) const;

    // That the lines of ragged samples lead to all tiles, each once. Throws Error(data). For verify.
    void check_tiles() const;

    // Asks the kernel to bring `count` samples from `sample` on into memory; returns at once.
    void will_need(std::size_t field, std::int64_t sample, std::int64_t count) const noexcept;

private:
    RaggedSample sample_of(std::size_t field, std::int64_t sample) const;
    std::unique_ptr<ChunkSource> chunks_;
};

}  // namespace core
