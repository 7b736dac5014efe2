#pragma once
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/keys/keys.h"
#include "core/mpi/comm.h"

namespace staging {

// Brings records that belong together to one rank, through sealed files: every rank puts records into
// partitions, then each partition is read by one rank. Memory is one partition and `kBufferBytes`, however
// many records there are. What a partition holds does not depend on the number of ranks (its order does:
// sort).
class ShuffleFiles {
public:
    static constexpr std::size_t kBufferBytes = 64 << 20;

    // Collective. `folder` must be shared by the ranks; files begin with `name`.
    ShuffleFiles(const core::Comm& comm, std::filesystem::path folder, std::string name,
                 std::int64_t partitions, const core::SecretKey& key);
    void put(std::int64_t partition, core::ByteView record);
    // Collective: nothing more is put, everything can be read.
    void seal();
    // All records of the partition, as they were put. Any rank may read any partition.
    core::Bytes partition(std::int64_t number) const;
    std::int64_t partitions() const noexcept { return partitions_; }
    const core::Comm& comm() const noexcept { return comm_; }

private:
    void flush();
    std::filesystem::path file(std::int64_t partition, int rank) const;
    const core::Comm& comm_;
    std::filesystem::path folder_;
    std::string name_;
    std::int64_t partitions_;
    const core::SecretKey& key_;
    std::vector<core::Bytes> buffers_;
    std::size_t buffered_ = 0;
};

template <class Record>
class Shuffle : public ShuffleFiles {
    static_assert(std::is_trivially_copyable_v<Record>);

public:
    using ShuffleFiles::ShuffleFiles;
    void put(std::int64_t partition, const Record& record) {
        ShuffleFiles::put(partition, {reinterpret_cast<const std::uint8_t*>(&record), sizeof record});
    }
    std::vector<Record> records(std::int64_t number) const {
        const core::Bytes bytes = partition(number);
        std::vector<Record> out(bytes.size() / sizeof(Record));
        if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * sizeof(Record));
        return out;
    }
};

// Which of `partitions` (below 2^31) equal ranges of all 64-bit numbers holds `hash`.
inline std::int64_t partition_of(std::uint64_t hash, std::int64_t partitions) {
    return static_cast<std::int64_t>((hash >> 32) * static_cast<std::uint64_t>(partitions) >> 32);
}

}  // namespace staging
