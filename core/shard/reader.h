#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/manifest.h"
#include "core/shard/schema.h"

namespace core {

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

    // Where the sample is stored: samples that follow each other lie side by side.
    std::uint64_t offset(std::size_t field, std::int64_t sample) const;

    // Decrypts and unpacks one sample of a fixed-shape field to `out`, which has its size. `next`, if not
    // negative, is the sample that will be read after it: its bytes are prefetched. Throws Error(data) if a
    // tag does not match; `out` then holds rubbish.
    void read(std::size_t field, std::int64_t sample, std::span<std::uint8_t> out,
              std::int64_t next = -1) const;

    // One sample of any field, with its shape. Throws Error(data).
    Array array(std::size_t field, std::int64_t sample) const;

    // Asks the kernel to bring `count` samples from `sample` on into memory; returns at once.
    void will_need(std::size_t field, std::int64_t sample, std::int64_t count) const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Reads the whole file and checks everything: SHA-256, index, every tag, every payload. Throws Error(data)
// that names the first damage by file, dataset and sample (or says that it lies outside all samples).
void verify_shard(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                  const std::string& dataset, std::int64_t number, const SecretKey& dataset_key);

}  // namespace core
