#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/shard/chunk.h"
#include "core/shard/h5.h"
#include "core/shard/schema.h"

namespace core {

// The HDF5 side of a shard that is being written: which dataset a chunk goes to, and where it came to lie.
// One thread at a time.
class Container {
public:
    // `path` exists and is empty; its folder and name do not enter the bytes.
    Container(const std::filesystem::path& path, const Schema& schema, const std::string& dataset,
              std::int64_t number);

    // Fields of one sample come in the order of the schema, samples in the order of their index.
    void put_field(std::size_t field, std::int64_t sample, const std::vector<std::int64_t>& shape,
                   const Bytes& chunk);
    void put_column(std::size_t column, std::int64_t samples, const Bytes& chunk);

    struct Index {
        std::uint64_t offset, bytes;
        Digest sha256;
    };
    // Finds every chunk in the file, writes `/index`, closes the file.
    Index finish(std::int64_t samples);

private:
    struct Written {
        PackedHeader header;
        std::uint64_t stored_bytes;
    };
    H5Dataset make(hid_t group, const std::string& name, hid_t type, const std::vector<hsize_t>& extent,
                   const std::vector<hsize_t>& chunk) const;
    void write(const H5Dataset& dataset, const std::vector<hsize_t>& at, const Bytes& chunk) const;
    void note(const Bytes& chunk);
    std::vector<IndexEntry> find_chunks(std::int64_t samples) const;

    std::filesystem::path path_;
    Schema schema_;
    H5File file_;
    H5Group fields_, columns_;
    std::vector<H5Group> ragged_;   // by field; empty for one of fixed shape
    std::vector<H5Dataset> fixed_;  // by field; empty for a ragged one
    std::vector<Written> written_;  // in the order of writing
};

}  // namespace core
