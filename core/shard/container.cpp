#include "core/shard/container.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/base/files.h"

namespace core {
namespace {

// Names our chunks to HDF5, which then knows that stored and logical sizes differ. In the range for private
// use (H5Zpublic.h); a decode-only filter under this number can be put beside HDF5.
constexpr H5Z_filter_t kFilter = 41321;
// Room HDF5 sets aside at once for its own structure and for small chunks, so that chunks lie side by side.
constexpr hsize_t kPoolBytes = 16 << 10;

H5Type element_type(const Field& field) {
    const hid_t types[] = {H5I_INVALID_HID, H5T_STD_U8LE,  H5T_STD_I8LE,  H5T_STD_U16LE,  H5T_STD_I16LE,
                           H5T_STD_U32LE,   H5T_STD_I32LE, H5T_STD_I64LE, H5T_IEEE_F32LE, H5T_IEEE_F64LE};
    return {H5Tcopy(types[static_cast<std::size_t>(field.dtype)]), "copy a type"};
}

H5Type element_type(const Column& column) {
    switch (column.type) {
        case ColumnType::i64:
            return {H5Tcopy(H5T_STD_I64LE), "copy a type"};
        case ColumnType::f64:
            return {H5Tcopy(H5T_IEEE_F64LE), "copy a type"};
        case ColumnType::id16: {
            H5Type type(H5Tcreate(H5T_OPAQUE, sizeof(Id16)), "make a type");
            check_h5(H5Tset_tag(type.get(), "pseudonym"), "name a type");
            return type;
        }
        case ColumnType::category:
            break;
    }
    H5Type type(H5Tenum_create(H5T_STD_I32LE), "make a type");
    std::int32_t code = kMissingCategory;
    check_h5(H5Tenum_insert(type.get(), "(missing)", &code), "name a category");
    for (const std::string& name : column.names) {
        ++code;
        check_h5(H5Tenum_insert(type.get(), name.c_str(), &code), "name a category");
    }
    return type;
}

void set_attribute(hid_t object, const char* name, hid_t type, const void* value) {
    const H5Space scalar(H5Screate(H5S_SCALAR), "make a space");
    const H5Attribute attribute(H5Acreate2(object, name, type, scalar.get(), H5P_DEFAULT, H5P_DEFAULT),
                                "make an attribute");
    check_h5(H5Awrite(attribute.get(), type, value), "write an attribute");
}

void set_attribute(hid_t object, const char* name, const std::string& value) {
    if (value.empty()) return;
    const H5Type type(H5Tcopy(H5T_C_S1), "copy a type");
    check_h5(H5Tset_size(type.get(), value.size()), "size a type");
    check_h5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "mark a type as UTF-8");
    set_attribute(object, name, type.get(), value.data());
}

// No times in any object: equal input gives equal bytes.
H5Properties timeless(hid_t kind) {
    H5Properties properties(H5Pcreate(kind), "make properties");
    check_h5(H5Pset_obj_track_times(properties.get(), false), "leave times out");
    return properties;
}

H5Group make_group(hid_t parent, const std::string& name) {
    const H5Properties properties = timeless(H5P_GROUP_CREATE);
    return {H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), "make a group"};
}

std::string sample_name(std::int64_t sample) {
    const std::string digits = std::to_string(sample);
    return std::string(8 - std::min<std::size_t>(8, digits.size()), '0') + digits;
}

void read_all(int fd, std::uint8_t* out, std::size_t bytes, std::uint64_t offset) {
    while (bytes > 0) {
        const ssize_t got = ::pread(fd, out, bytes, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            throw Error(Fault::system, with_errno("cannot read a shard back", got < 0 ? errno : EIO));
        out += got;
        bytes -= static_cast<std::size_t>(got);
        offset += static_cast<std::uint64_t>(got);
    }
}

// Where `header` lies in the file from `from` on; the size of the file if nowhere.
std::uint64_t search(int fd, const PackedHeader& header, std::uint64_t from, std::uint64_t size) {
    Bytes window(1 << 20);
    while (from + header.size() <= size) {
        const std::size_t bytes =
            static_cast<std::size_t>(std::min<std::uint64_t>(window.size(), size - from));
        read_all(fd, window.data(), bytes, from);
        const auto end = window.begin() + static_cast<std::ptrdiff_t>(bytes);
        const auto found = std::search(window.begin(), end, header.begin(), header.end());
        if (found != end) return from + static_cast<std::uint64_t>(found - window.begin());
        from += bytes - header.size() + 1;
    }
    return size;
}

}  // namespace

Container::Container(const std::filesystem::path& path, const Schema& schema, const std::string& dataset,
                     std::int64_t number)
    : path_(path), schema_(schema), fixed_(schema.fields.size()) {
    quiet_h5();
    const H5Properties access(H5Pcreate(H5P_FILE_ACCESS), "make properties");
    // Fixed on both sides: the bytes must not change with the library's newest format.
    check_h5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18), "fix the version");
    check_h5(H5Pset_meta_block_size(access.get(), kPoolBytes), "size a pool");
    check_h5(H5Pset_small_data_block_size(access.get(), kPoolBytes), "size a pool");
    // The name is ours alone, and network file systems may not know flock.
    check_h5(H5Pset_file_locking(access.get(), false, true), "do without locks");
    const H5Properties creation = timeless(H5P_FILE_CREATE);
    file_ = H5File(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), "create a shard");
    const std::int32_t format = 1;
    set_attribute(file_.get(), "aloft_format", H5T_STD_I32LE, &format);
    set_attribute(file_.get(), "dataset", dataset);
    set_attribute(file_.get(), "shard", H5T_STD_I64LE, &number);
    fields_ = make_group(file_.get(), "fields");
    columns_ = make_group(file_.get(), "columns");
    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
        const Field& field = schema_.fields[i];
        ragged_.push_back(field.ragged() ? make_group(fields_.get(), field.name) : H5Group());
        if (field.ragged()) {
            set_attribute(ragged_[i].get(), "units", field.units);
            continue;
        }
        std::vector<hsize_t> extent(field.shape.begin(), field.shape.end()), chunk;
        extent.insert(extent.begin(), 0);
        chunk = extent;
        chunk[0] = 1;
        fixed_[i] = make(fields_.get(), field.name, element_type(field).get(), extent, chunk);
        set_attribute(fixed_[i].get(), "units", field.units);
    }
}

H5Dataset Container::make(hid_t group, const std::string& name, hid_t type,
                          const std::vector<hsize_t>& extent, const std::vector<hsize_t>& chunk) const {
    const H5Properties creation = timeless(H5P_DATASET_CREATE);
    const int rank = static_cast<int>(extent.size());
    check_h5(H5Pset_chunk(creation.get(), rank, chunk.data()), "set a chunk's shape");
    check_h5(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), "leave fill values out");
    check_h5(H5Pset_filter(creation.get(), kFilter, H5Z_FLAG_OPTIONAL, 0, nullptr), "name the filter");
    std::vector<hsize_t> most(extent);
    if (extent[0] == 0) most[0] = H5S_UNLIMITED;
    const H5Space space(H5Screate_simple(rank, extent.data(), most.data()), "make a space");
    return {H5Dcreate2(group, name.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
            "make a dataset"};
}

void Container::write(const H5Dataset& dataset, const std::vector<hsize_t>& at, const Bytes& chunk) const {
    check_h5(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, at.data(), chunk.size(), chunk.data()),
             "write a chunk");
}

void Container::note(const Bytes& chunk) {
    Written written;
    std::copy_n(chunk.begin(), kHeaderBytes, written.header.begin());
    written.stored_bytes = chunk.size();
    written_.push_back(written);
}

void Container::put_field(std::size_t field, std::int64_t sample, const std::vector<std::int64_t>& shape,
                          const Bytes& chunk) {
    quiet_h5();
    const Field& description = schema_.fields[field];
    if (description.ragged()) {
        const std::vector<hsize_t> extent(shape.begin(), shape.end());
        const H5Dataset dataset =
            make(ragged_[field].get(), sample_name(sample), element_type(description).get(), extent, extent);
        write(dataset, std::vector<hsize_t>(extent.size(), 0), chunk);
    } else {
        std::vector<hsize_t> extent(description.shape.begin(), description.shape.end());
        extent.insert(extent.begin(), static_cast<hsize_t>(sample) + 1);
        check_h5(H5Dset_extent(fixed_[field].get(), extent.data()), "extend a dataset");
        std::vector<hsize_t> at(extent.size(), 0);
        at[0] = static_cast<hsize_t>(sample);
        write(fixed_[field], at, chunk);
    }
    note(chunk);
}

void Container::put_column(std::size_t column, std::int64_t samples, const Bytes& chunk) {
    quiet_h5();
    const Column& description = schema_.columns[column];
    const std::vector<hsize_t> extent{static_cast<hsize_t>(samples)};
    const H5Dataset dataset =
        make(columns_.get(), description.name, element_type(description).get(), extent, extent);
    write(dataset, {0}, chunk);
    note(chunk);
}

// HDF5 1.10 looks for one chunk's address by walking all of them (11 s for 20,000): the chunks are found in
// the file instead, each by its own header (with its nonce) right after the one before it, or, where HDF5
// put structure in between, by searching on.
std::vector<IndexEntry> Container::find_chunks(std::int64_t samples) const {
    const Fd fd = open_regular(path_);
    const off_t end = ::lseek(fd.get(), 0, SEEK_END);
    if (end < 0) throw Error(Fault::system, with_errno("cannot measure a shard", errno));
    const auto size = static_cast<std::uint64_t>(end);
    std::vector<IndexEntry> index(index_lines(schema_, samples));
    std::uint64_t next = 0;
    for (const Written& written : written_) {
        PackedHeader there{};
        std::uint64_t offset = next;
        if (offset + there.size() <= size) read_all(fd.get(), there.data(), there.size(), offset);
        if (there != written.header) offset = search(fd.get(), written.header, next, size);
        if (offset == size) offset = search(fd.get(), written.header, 0, size);
        if (offset == size || written.stored_bytes > size - offset)
            throw Error(Fault::bug, "a chunk is not in the shard it was written to");
        const ChunkHeader header = ChunkHeader::parse(written.header).value();
        const std::size_t columns = schema_.columns.size();
        const std::uint64_t line = header.dataset < columns
                                       ? header.dataset
                                       : index_line(schema_, samples, header.dataset - columns,
                                                    static_cast<std::int64_t>(header.index));
        index[line] = {offset, written.stored_bytes, header.raw_bytes};
        next = offset + written.stored_bytes;
    }
    return index;
}

Container::Index Container::finish(std::int64_t samples) {
    quiet_h5();
    check_h5(H5Fflush(file_.get(), H5F_SCOPE_LOCAL), "flush a shard");
    const std::vector<IndexEntry> index = find_chunks(samples);
    const hsize_t extent[2] = {index.size(), 3};
    const H5Space space(H5Screate_simple(2, extent, nullptr), "make a space");
    const H5Properties creation = timeless(H5P_DATASET_CREATE);
    H5Dataset dataset(H5Dcreate2(file_.get(), "index", H5T_STD_U64LE, space.get(), H5P_DEFAULT,
                                 creation.get(), H5P_DEFAULT),
                      "make the index");
    check_h5(H5Dwrite(dataset.get(), H5T_STD_U64LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, index.data()),
             "write the index");
    const haddr_t offset = H5Dget_offset(dataset.get());
    if (offset == HADDR_UNDEF) fail_h5("find the index");
    dataset.close("close the index");
    for (auto& field : fixed_) field.close("close a field");
    for (auto& group : ragged_) group.close("close a field");
    fields_.close("close the fields");
    columns_.close("close the columns");
    file_.close("close a shard");
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(index.data());
    return {offset, index.size() * sizeof(IndexEntry), sha256({bytes, index.size() * sizeof(IndexEntry)})};
}

}  // namespace core
