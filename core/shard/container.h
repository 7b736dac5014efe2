#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/env.h"
#include "core/shard/chunk.h"
#include "core/shard/h5.h"
#include "core/shard/h5_sink.h"
#include "core/shard/schema.h"

namespace core {

// The HDF5 side of a shard that is being written: which dataset a chunk goes to, and where it came to lie.
// One thread at a time. Throws Error(system) where the disk fails; then only the destructor may follow.
class Container {
public:
    // `fd` is an empty file, open for reading and writing, and outlives this; `file` is what it will be called.
    Container(int fd, Env& env, const std::string& file, const Schema& schema, const std::string& dataset,
              std::int64_t number);

    // Fields of one sample come in the order of the schema, samples in the order of their index. A sample of
    // fixed shape is one chunk; a ragged one brings its shape and the chunks of its tiles, in order.
    void put_field(std::size_t field, std::int64_t sample, const std::vector<std::int64_t>& shape,
                   const std::vector<Bytes>& chunks);
    void put_column(std::size_t column, std::int64_t samples, const Bytes& chunk);

    struct Index {
        std::uint64_t offset, bytes;
        Digest sha256;
    };
    // Writes `/index`, closes the file.
    Index finish();

private:
    H5Dataset make(hid_t group, const std::string& name, hid_t type, const std::vector<hsize_t>& extent,
                   const std::vector<hsize_t>& chunk) const;
    IndexEntry write(const H5Dataset& dataset, const std::vector<hsize_t>& at, const Bytes& chunk);
    Bytes index() const;

    Schema schema_;
    H5Sink sink_;
    H5File file_;
    H5Group fields_, columns_;
    std::vector<H5Group> ragged_;   // by field; empty for one of fixed shape
    std::vector<H5Dataset> fixed_;  // by field; empty for a ragged one
    std::vector<IndexEntry> column_lines_;
    struct Lines {                         // of a field
        std::vector<IndexEntry> chunks;    // samples, or tiles of all samples
        std::vector<RaggedEntry> samples;  // of a ragged field; first_tile counted from its own first tile
    };
    std::vector<Lines> lines_;  // by field
};

}  // namespace core
