#include "core/shard/reader.h"

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/shard/chunk_source.h"

namespace core {
namespace {

// Tiles that are not wanted whole are opened into this; one per thread, kept.
std::uint8_t* scratch(std::size_t bytes) {
    thread_local Bytes memory;
    if (memory.size() < bytes) memory.resize(bytes);
    return memory.data();
}

// Whether the rows of a tile lie in an array of extent `box` as they lie in the tile: one piece.
bool lies_in_one_piece(const Extent& tile, const Extent& box) {
    std::size_t first = 0;
    while (first < 3 && tile[first] == 1) ++first;
    return std::equal(tile.begin() + static_cast<std::ptrdiff_t>(first) + 1, tile.end(),
                      box.begin() + static_cast<std::ptrdiff_t>(first) + 1);
}

Extent relative(const Extent& at, const Extent& to) {
    return {at[0] - to[0], at[1] - to[1], at[2] - to[2], at[3] - to[3]};
}

std::size_t place_in(const Extent& at, const Extent& shape) {
    return static_cast<std::size_t>(((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3]);
}

// The box in four dimensions. Throws Error(bug) unless it lies in a sample of `shape`.
Box box_in(const std::vector<std::int64_t>& shape, std::span<const std::int64_t> origin,
           std::span<const std::int64_t> extent, const std::string& name) {
    bool good = origin.size() == shape.size() && extent.size() == shape.size();
    for (std::size_t i = 0; good && i < shape.size(); ++i)
        good = origin[i] >= 0 && extent[i] > 0 && origin[i] < shape[i] && extent[i] <= shape[i] - origin[i];
    if (!good) throw Error(Fault::bug, name + ": a box was asked for that does not lie in the sample");
    Box box{{}, {1, 1, 1, 1}};
    std::copy_backward(origin.begin(), origin.end(), box.origin.end());
    std::copy_backward(extent.begin(), extent.end(), box.extent.end());
    return box;
}

// One tile's part of `box`, to `out`, an array of the box's extent.
void open_part(const ChunkSource& chunks, const ChunkPlace& place, const Tiling& tiles, const Box& box,
               std::uint8_t* out, const std::uint8_t* next) {
    const Box shared = tiles.shared(place.tile, box);
    const Extent to = relative(shared.origin, box.origin);
    if (shared.extent == tiles.tile && lies_in_one_piece(tiles.tile, box.extent)) {
        chunks.open(place, out + place_in(to, box.extent) * tiles.element_bytes, next);
        return;
    }
    std::uint8_t* const tile = scratch(static_cast<std::size_t>(tiles.tile_bytes()));
    chunks.open(place, tile, next);
    copy_box(out, box.extent, to, tile, tiles.tile, relative(shared.origin, tiles.origin(place.tile)),
             shared.extent, tiles.element_bytes);
}

void open_box(const ChunkSource& chunks, std::size_t field, std::int64_t sample, const RaggedSample& found,
              const Box& box, std::uint8_t* out) {
    const std::vector<std::uint64_t> touched = found.tiles.touching(box);
    const bool ragged = chunks.schema().fields[field].ragged();
    for (std::size_t i = 0; i < touched.size(); ++i) {
        const ChunkPlace place =
            ragged ? chunks.tile(field, sample, found, touched[i]) : chunks.fixed(field, sample);
        const std::uint8_t* const next =
            i + 1 < touched.size() ? chunks.payload(found.first_line + touched[i + 1]) : nullptr;
        open_part(chunks, place, found.tiles, box, out, next);
    }
}

}  // namespace

ShardReader::ShardReader(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                         const std::string& dataset, std::int64_t number, const SecretKey& dataset_key)
    : chunks_(std::make_unique<ChunkSource>(path, entry, schema, dataset, number, dataset_key)) {}
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;
ShardReader::~ShardReader() = default;

std::int64_t ShardReader::samples() const noexcept {
    return chunks_->samples();
}

ColumnData ShardReader::column(std::size_t column) const {
    const ChunkPlace place = chunks_->column(column);
    Bytes bytes(static_cast<std::size_t>(place.raw_bytes));
    chunks_->open(place, bytes.data());
    const auto count = static_cast<std::size_t>(samples());
    const Column& description = chunks_->schema().columns[column];
    ColumnData data;
    const auto take = [&](auto& into) {
        into.resize(count);
        std::memcpy(into.data(), bytes.data(), bytes.size());
    };
    switch (description.type) {
        case ColumnType::i64:
            take(data.integers);
            break;
        case ColumnType::f64:
            take(data.numbers);
            break;
        case ColumnType::id16:
            take(data.ids);
            break;
        case ColumnType::category:
            take(data.codes);
            break;
    }
    for (const std::int32_t code : data.codes)
        if (code < kMissingCategory || code >= static_cast<std::int32_t>(description.names.size()))
            throw Error(Fault::data, chunks_->name() + ": /columns/" + description.name +
                                         ": has a category that the schema does not name");
    return data;
}

// Of a fixed field: as if its one chunk were a tile.
RaggedSample ShardReader::sample_of(std::size_t field, std::int64_t sample) const {
    const ChunkPlace place = chunks_->fixed(field, sample);  // checks both numbers
    const Field& description = chunks_->schema().fields[field];
    if (description.ragged()) return chunks_->ragged(field, sample);
    RaggedSample out;
    out.shape = description.shape;
    out.tiles.shape = out.tiles.tile = extent_of(description.shape);
    out.tiles.grid = {1, 1, 1, 1};
    out.tiles.element_bytes = bytes_of(description.dtype);
    out.first_line = place.line;
    return out;
}

std::uint64_t ShardReader::offset(std::size_t field, std::int64_t sample) const {
    const RaggedSample found = sample_of(field, sample);
    ChunkPlace place = chunks_->fixed(field, sample);
    place.line = found.first_line;
    return chunks_->entry(place).offset;
}

std::vector<std::int64_t> ShardReader::shape(std::size_t field, std::int64_t sample) const {
    return sample_of(field, sample).shape;
}

void ShardReader::read(std::size_t field, std::int64_t sample, std::span<std::uint8_t> out,
                       std::int64_t next) const {
    const Schema& schema = chunks_->schema();
    if (field >= schema.fields.size() || schema.fields[field].ragged() ||
        out.size() != schema.fields[field].sample_bytes())
        throw Error(Fault::bug, chunks_->name() + ": read into memory of another size");
    const ChunkPlace place = chunks_->fixed(field, sample);
    const std::uint8_t* coming = nullptr;
    if (next >= 0 && next < samples()) coming = chunks_->payload(index_line(schema, samples(), field, next));
    if (chunks_->quick(field, sample, out.data(), out.size(), coming)) return;
    chunks_->open(place, out.data(), coming);
}

Array ShardReader::array(std::size_t field, std::int64_t sample) const {
    const RaggedSample found = sample_of(field, sample);
    Array array;
    array.shape = found.shape;
    array.bytes.resize(static_cast<std::size_t>(elements_of(found.tiles.shape)) * found.tiles.element_bytes);
    open_box(*chunks_, field, sample, found, {{}, found.tiles.shape}, array.bytes.data());
    return array;
}

void ShardReader::read_box(std::size_t field, std::int64_t sample, std::span<const std::int64_t> origin,
                           std::span<const std::int64_t> extent, std::span<std::uint8_t> out) const {
    const RaggedSample found = sample_of(field, sample);
    const Box box = box_in(found.shape, origin, extent, chunks_->name());
    if (out.size() != static_cast<std::size_t>(elements_of(box.extent)) * found.tiles.element_bytes)
        throw Error(Fault::bug, chunks_->name() + ": read into memory of another size");
    open_box(*chunks_, field, sample, found, box, out.data());
}

std::vector<std::uint64_t> ShardReader::tiles(std::size_t field, std::int64_t sample,
                                              std::span<const std::int64_t> origin,
                                              std::span<const std::int64_t> extent) const {
    const RaggedSample found = sample_of(field, sample);
    return found.tiles.touching(box_in(found.shape, origin, extent, chunks_->name()));
}

void ShardReader::read_tile(std::size_t field, std::int64_t sample, std::uint64_t tile,
                            std::span<const std::int64_t> origin, std::span<const std::int64_t> extent,
                            std::span<std::uint8_t> out) const {
    const RaggedSample found = sample_of(field, sample);
    const Box box = box_in(found.shape, origin, extent, chunks_->name());
    const std::vector<std::uint64_t> touched = found.tiles.touching(box);
    if (out.size() != static_cast<std::size_t>(elements_of(box.extent)) * found.tiles.element_bytes ||
        !std::binary_search(touched.begin(), touched.end(), tile))
        throw Error(Fault::bug, chunks_->name() + ": a tile outside the box, or memory of another size");
    const ChunkPlace place = chunks_->schema().fields[field].ragged()
                                 ? chunks_->tile(field, sample, found, tile)
                                 : chunks_->fixed(field, sample);
    open_part(*chunks_, place, found.tiles, box, out.data(), nullptr);
}

void ShardReader::check_tiles() const {
    const Schema& schema = chunks_->schema();
    std::uint64_t next = index_lines(schema, samples());
    for (std::size_t field = 0; field < schema.fields.size(); ++field) {
        if (!schema.fields[field].ragged()) continue;
        for (std::int64_t i = 0; i < samples(); ++i) {
            const RaggedSample found = chunks_->ragged(field, i);
            if (found.first_line < index_lines(schema, samples())) return;  // format 1: a line is a sample
            if (found.first_line != next)
                throw Error(Fault::data, chunks_->name() + ": /index: the tiles of /fields/" +
                                             schema.fields[field].name + " sample " + std::to_string(i) +
                                             " are not where the sample before it ends");
            next += found.tiles.count();
        }
    }
    if (next != chunks_->lines())
        throw Error(Fault::data, chunks_->name() + ": /index: has lines of no sample");
}

void ShardReader::will_need(std::size_t field, std::int64_t sample, std::int64_t count) const noexcept {
    const Schema& schema = chunks_->schema();
    if (field >= schema.fields.size() || sample < 0 || count <= 0 || sample > samples() - count) return;
    if (!schema.fields[field].ragged()) {
        const std::uint64_t line = index_line(schema, samples(), field, sample);
        chunks_->will_need(line, line + static_cast<std::uint64_t>(count) - 1);
        return;
    }
    try {
        const RaggedSample first = chunks_->ragged(field, sample),
                           last = chunks_->ragged(field, sample + count - 1);
        chunks_->will_need(first.first_line, last.first_line + last.tiles.count() - 1);
    } catch (const std::exception&) {  // reading it says what is wrong
    }
}

}  // namespace core
