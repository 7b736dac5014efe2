#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/env.h"
#include "core/keys/keys.h"
#include "core/shard/codec.h"
#include "core/shard/schema.h"
#include "core/shard/shard_entry.h"

namespace core {

struct Sample {
    std::vector<Array> fields;  // in the order of Schema::fields
    std::vector<Cell> columns;  // in the order of Schema::columns
};

struct WriterOptions {
    Codec codec = Codec::none;
    int threads = 1;                         // that compress and encrypt; the bytes do not depend on it
    std::uint64_t memory_bytes = 64u << 20;  // samples waiting; a larger sample is taken alone
    Env* env = nullptr;                      // of a test that makes writing fail; outlives the writer
};

// Writes one shard (FORMAT.md). One writer per file, one thread calls it; writers of other files may run
// beside it.
//   ShardWriter writer(dir / shard_file(3), schema, "digits@1", 3, key, {});
//   for (...) writer.append(sample);
//   manifest_writer.add(writer.finish());
// The file appears under its name when finish() returns, not before: a writer that is killed or dies without
// finish() leaves nothing under it. The bytes depend on schema, dataset, number, key, codec and samples only.
class ShardWriter {
public:
    // `number` is the shard's position in the manifest. Throws Error(usage) on a bad schema, Error(system) if
    // the file cannot be made or no thread can be started.
    ShardWriter(std::filesystem::path path, Schema schema, std::string dataset, std::int64_t number,
                const SecretKey& dataset_key, WriterOptions options);
    ShardWriter(const ShardWriter&) = delete;
    ShardWriter& operator=(const ShardWriter&) = delete;
    ~ShardWriter();

    // Takes the sample; its index in the shard is the number of samples before it. Waits while more than
    // memory_bytes are on their way. Throws Error(usage) if the sample does not fit the schema (nothing of it
    // is then written, and the writer goes on), Error(system) if an earlier one could not be written.
    void append(Sample sample);

    std::int64_t samples() const noexcept;
    std::uint64_t bytes() const noexcept;  // of samples appended, before compression: for cutting at a size

    // Writes columns and index, flushes, reads the file back from storage for its SHA-256, gives it its name.
    // Throws Error(system); the file then does not exist. Call once; append nothing after it.
    ShardEntry finish();

private:
    class Work;
    std::unique_ptr<Work> work_;
};

}  // namespace core
