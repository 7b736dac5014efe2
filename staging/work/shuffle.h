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
#include "staging/work/options.h"
#include "staging/work/sealed_file.h"

namespace staging {

// Brings records that belong together to one rank: every rank puts records into partitions, the ranks exchange
// them in rounds, and the owner of a partition (number modulo ranks) keeps its records in a sealed file: two
// files for each rank, however many partitions. Memory is a few times `exchange_bytes`. What a partition holds
// does not depend on the number of ranks (its order does: sort).
class ShuffleFiles {
public:
    using Put = std::function<void(std::int64_t partition, core::ByteView record)>;

    // `folder` must be shared by the ranks; files begin with `name`.
    ShuffleFiles(const core::Comm& comm, std::filesystem::path folder, std::string name,
                 std::int64_t partitions, const core::SecretKey& key, const Options& options);
    // Collective, once. `step` puts some records and returns false when it has put its last; records are
    // complete when this returns. Throws AgreedError.
    void fill(const std::function<bool(const Put&)>& step);
    // All records of the partition, into what `room` gives for their bytes: nothing is there twice but a block. Any rank
    // may read any partition. Throws Error(data) if the file does not hold what was put there.
    void partition(std::int64_t number, const std::function<std::uint8_t*(std::uint64_t bytes)>& room) const;
    std::int64_t partitions() const noexcept { return partitions_; }
    // Whether this rank owns the partition.
    bool owns(std::int64_t number) const noexcept { return number % comm_.size() == comm_.rank(); }
    const core::Comm& comm() const noexcept { return comm_; }

    // The end of the files' names, by which they are known and removed.
    static constexpr char kRecords[] = ".records", kIndex[] = ".index";

private:
    struct Part {
        core::Bytes buffer;
        std::vector<std::uint64_t> blocks;
        std::uint64_t bytes = 0;
    };
    void take(core::ByteView bytes);
    void flush();
    void write_index() const;
    std::filesystem::path file(int owner, const char* end) const;
    const core::Comm& comm_;
    std::filesystem::path folder_;
    std::string name_;
    std::int64_t partitions_;
    const core::SecretKey& key_;
    const Options& options_;
    std::vector<Part> mine_;  // of this rank: partition / ranks
    std::uint64_t put_bytes_ = 0, taken_bytes_ = 0, buffered_ = 0;
};

template <class Record>
class Shuffle : private ShuffleFiles {
    static_assert(std::is_trivially_copyable_v<Record>);

public:
    using Put = std::function<void(std::int64_t partition, const Record& record)>;
    using ShuffleFiles::comm;
    using ShuffleFiles::owns;
    using ShuffleFiles::partitions;
    using ShuffleFiles::ShuffleFiles;

    void fill(const std::function<bool(const Put&)>& step) {
        ShuffleFiles::fill([&](const ShuffleFiles::Put& put_bytes) {
            return step([&](std::int64_t partition, const Record& record) {
                put_bytes(partition, {reinterpret_cast<const std::uint8_t*>(&record), sizeof record});
            });
        });
    }
    std::vector<Record> records(std::int64_t number) const {
        std::vector<Record> out;
        partition(number, [&](std::uint64_t bytes) {
            if (bytes % sizeof(Record)) throw core::Error(core::Fault::bug, "a partition of other records");
            out.resize(bytes / sizeof(Record));
            return reinterpret_cast<std::uint8_t*>(out.data());
        });
        return out;
    }
    // Collective. Calls `work` with the records of each partition that this rank owns.
    template <class Work>
    void each_own(Work work) const {
        core::together(comm(), [&] {
            for (std::int64_t p = comm().rank(); p < partitions(); p += comm().size()) work(p, records(p));
        });
    }
};

// Which of `partitions` (below 2^31) equal ranges of all 64-bit numbers holds `hash`.
inline std::int64_t partition_of(std::uint64_t hash, std::int64_t partitions) {
    return static_cast<std::int64_t>((hash >> 32) * static_cast<std::uint64_t>(partitions) >> 32);
}

}  // namespace staging
