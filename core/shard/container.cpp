#include "core/shard/container.h"

#include <algorithm>
#include <cstring>

#include "core/shard/tiles.h"

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

}  // namespace

Container::Container(int fd, Env& env, const std::string& file, const Schema& schema,
                     const std::string& dataset, std::int64_t number)
    : schema_(schema), sink_(fd, env, file), fixed_(schema.fields.size()), lines_(schema.fields.size()) {
    quiet_h5();
    const H5Properties access(H5Pcreate(H5P_FILE_ACCESS), "make properties");
    // Fixed on both sides: the bytes must not change with the library's newest format.
    check_h5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18), "fix the version");
    check_h5(H5Pset_meta_block_size(access.get(), kPoolBytes), "size a pool");
    check_h5(H5Pset_small_data_block_size(access.get(), kPoolBytes), "size a pool");
    file_ = sink_.create(timeless(H5P_FILE_CREATE), access);
    const std::int32_t format = kFormat;
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

IndexEntry Container::write(const H5Dataset& dataset, const std::vector<hsize_t>& at, const Bytes& chunk) {
    sink_.watch(chunk.data(), chunk.size());
    check_h5(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, at.data(), chunk.size(), chunk.data()),
             "write a chunk");
    const ChunkHeader header = ChunkHeader::parse(chunk).value();
    return {sink_.watched_at(), chunk.size(), header.raw_bytes};
}

void Container::put_field(std::size_t field, std::int64_t sample, const std::vector<std::int64_t>& shape,
                          const std::vector<Bytes>& chunks) {
    quiet_h5();
    const Field& description = schema_.fields[field];
    Lines& lines = lines_[field];
    if (description.ragged()) {
        const Tiling tiles = Tiling::of(shape, bytes_of(description.dtype));
        const std::size_t rank = shape.size();
        const std::vector<hsize_t> extent(shape.begin(), shape.end()),
            chunk(tiles.tile.end() - static_cast<std::ptrdiff_t>(rank), tiles.tile.end());
        const H5Dataset dataset =
            make(ragged_[field].get(), sample_name(sample), element_type(description).get(), extent, chunk);
        lines.samples.push_back({lines.chunks.size(), packed_shape(shape)});
        for (std::size_t tile = 0; tile < chunks.size(); ++tile) {
            const Extent origin = tiles.origin(tile);
            const std::vector<hsize_t> at(origin.end() - static_cast<std::ptrdiff_t>(rank), origin.end());
            lines.chunks.push_back(write(dataset, at, chunks[tile]));
        }
    } else {
        std::vector<hsize_t> extent(description.shape.begin(), description.shape.end());
        extent.insert(extent.begin(), static_cast<hsize_t>(sample) + 1);
        check_h5(H5Dset_extent(fixed_[field].get(), extent.data()), "extend a dataset");
        std::vector<hsize_t> at(extent.size(), 0);
        at[0] = static_cast<hsize_t>(sample);
        lines.chunks.push_back(write(fixed_[field], at, chunks.at(0)));
    }
    sink_.check();
}

void Container::put_column(std::size_t column, std::int64_t samples, const Bytes& chunk) {
    quiet_h5();
    const Column& description = schema_.columns[column];
    const std::vector<hsize_t> extent{static_cast<hsize_t>(samples)};
    const H5Dataset dataset =
        make(columns_.get(), description.name, element_type(description).get(), extent, extent);
    column_lines_.push_back(write(dataset, {0}, chunk));
}

Bytes Container::index() const {
    Bytes bytes;
    const auto append = [&](const auto& lines) {
        const auto* from = reinterpret_cast<const std::uint8_t*>(lines.data());
        bytes.insert(bytes.end(), from, from + lines.size() * sizeof(lines[0]));
    };
    append(column_lines_);
    std::uint64_t tiles = column_lines_.size();
    for (const Lines& field : lines_)
        tiles += field.samples.empty() ? field.chunks.size() : field.samples.size();
    for (const Lines& field : lines_) {
        if (field.samples.empty()) {
            append(field.chunks);
            continue;
        }
        std::vector<RaggedEntry> samples = field.samples;
        for (RaggedEntry& sample : samples) sample.first_tile += tiles;
        append(samples);
        tiles += field.chunks.size();
    }
    for (const Lines& field : lines_)
        if (!field.samples.empty()) append(field.chunks);
    return bytes;
}

Container::Index Container::finish() {
    quiet_h5();
    const Bytes bytes = index();
    const hsize_t extent[2] = {bytes.size() / sizeof(IndexEntry), 3};
    const H5Space space(H5Screate_simple(2, extent, nullptr), "make a space");
    const H5Properties creation = timeless(H5P_DATASET_CREATE);
    H5Dataset dataset(H5Dcreate2(file_.get(), "index", H5T_STD_U64LE, space.get(), H5P_DEFAULT,
                                 creation.get(), H5P_DEFAULT),
                      "make the index");
    check_h5(H5Dwrite(dataset.get(), H5T_STD_U64LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()),
             "write the index");
    const haddr_t offset = H5Dget_offset(dataset.get());
    if (offset == HADDR_UNDEF) fail_h5("find the index");
    dataset.close("close the index");
    for (auto& field : fixed_) field.close("close a field");
    for (auto& group : ragged_) group.close("close a field");
    fields_.close("close the fields");
    columns_.close("close the columns");
    file_.close("close a shard");
    sink_.check();
    return {offset, bytes.size(), sha256(bytes)};
}

}  // namespace core
