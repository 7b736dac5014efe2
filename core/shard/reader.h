#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/keys.h"
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

    // Raw bytes of a sample: what read() will write.
    std::size_t raw_bytes(std::size_t field, std::int64_t sample) const;
    // Stored bytes and place in the file: samples of a block lie side by side.
    std::uint64_t offset(std::size_t field, std::int64_t sample) const;

    // Decrypts and unpacks one sample to `out` (raw_bytes long). `next`, if not negative, is the sample that
    // will be read after it: its bytes are prefetched. Throws Error(data) if a tag does not match; `out` then
    // holds rubbish.
    void read(std::size_t field, std::int64_t sample, std::uint8_t* out, std::int64_t next = -1) const;

    // The shape of one sample, authenticated; of a fixed-shape field, the schema's.
    std::vector<std::int64_t> shape(std::size_t field, std::int64_t sample) const;

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
