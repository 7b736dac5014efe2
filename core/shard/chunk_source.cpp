#include "core/shard/chunk_source.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/shard/of_host.h"

namespace core {
namespace {

// Compressed payloads are decrypted into this before they are unpacked; one per thread, kept.
std::uint8_t* scratch(std::size_t bytes) {
    thread_local Bytes memory;
    if (memory.size() < bytes) memory.resize(bytes);
    return memory.data();
}

// The shape that a header or a line of the index packs; empty if it is not one, or a sample of it too large.
std::vector<std::int64_t> unpacked(const std::array<std::uint32_t, 4>& packed, std::size_t element_bytes) {
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = element_bytes;
    for (std::size_t i = 0; i < packed.size(); ++i) {
        if (packed[i] == 0) {
            if (std::any_of(packed.begin() + static_cast<std::ptrdiff_t>(i), packed.end(),
                            [](std::uint32_t extent) { return extent != 0; }))
                return {};
            break;
        }
        if (packed[i] > kMaxRaggedBytes / bytes) return {};
        bytes *= packed[i];
        shape.push_back(packed[i]);
    }
    return shape;
}

}  // namespace

const char* ChunkSource::reason(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::bounds:
            return "its place in /index is outside the file";
        case Outcome::header:
            return "its header is damaged or belongs to another sample";
        case Outcome::tag:
            return "authentication failed: its bytes were changed, or the key is another one";
        case Outcome::payload:
            return "it does not unpack to its size";
        case Outcome::gone:
            return "the file was cut or its storage failed while it was read";
    }
    return "";
}

void ChunkSource::fail(const ChunkPlace& place, Outcome outcome) const {
    const std::size_t columns = schema_.columns.size();
    std::string where;
    if (place.dataset < columns) {
        where = "/columns/" + schema_.columns[place.dataset].name;
    } else {
        const Field& field = schema_.fields[place.dataset - columns];
        where = "/fields/" + field.name + " sample " + std::to_string(place.sample);
        if (field.ragged() && format_ > 1) where += " tile " + std::to_string(place.tile);
    }
    throw Error(Fault::data, name_ + ": " + where + ": " + reason(outcome) +
                                 ". Restore the file from a copy that `verify` accepts.");
}

ChunkSource::ChunkSource(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                         const std::string& dataset, std::int64_t number, const SecretKey& dataset_key)
    : name_(path.filename().string()),
      schema_(schema),
      format_(entry.format),
      samples_(entry.samples),
      id_(shard_id(dataset, number, entry.format)),
      keys_(dataset_key, id_, entry.format),
      file_(of_host([&] { return Mapping(path); })),
      index_offset_(entry.index_offset),
      lines_(entry.index_bytes / sizeof(IndexEntry)) {
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
        ChunkHeader header;
        header.format = static_cast<std::uint16_t>(format_);
        header.element = element_of(schema.fields[i]);
        header.shard = id_;
        header.raw_bytes = schema.fields[i].sample_bytes();
        header.dataset = static_cast<std::uint32_t>(schema.columns.size() + i);
        header.shape = packed_shape(schema.fields[i].shape);
        expected_.push_back(header.pack());
    }
    check_index(entry);
}

template <class Line>
bool ChunkSource::read_line(std::uint64_t line, Line& out) const noexcept {
    static_assert(sizeof(Line) == sizeof(IndexEntry));
    const std::uint8_t* const from = file_.data() + index_offset_ + line * sizeof out;
    return guarded([&] { std::memcpy(&out, from, sizeof out); });
}

void ChunkSource::check_index(const ShardEntry& entry) const {
    const std::uint64_t size = file_.size();
    if (size != entry.bytes)
        throw Error(Fault::data, name_ + ": has " + std::to_string(size) + " bytes, the manifest says " +
                                     std::to_string(entry.bytes) + ". Copy the file again.");
    const bool with_tiles = format_ > 1 && std::any_of(schema_.fields.begin(), schema_.fields.end(),
                                                       [](const Field& field) { return field.ragged(); });
    const auto fits = [&] {
        if (entry.samples <= 0 || static_cast<std::uint64_t>(entry.samples) > size ||
            entry.index_bytes > size || entry.index_offset > size - entry.index_bytes ||
            entry.index_bytes % sizeof(IndexEntry) != 0)
            return false;
        const std::uint64_t least = index_lines(schema_, entry.samples);
        return with_tiles ? lines_ > least : lines_ == least;
    };
    if (!fits()) throw Error(Fault::data, name_ + ": the manifest's place of /index does not fit the file");
    Sha256 sha;
    Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(entry.index_bytes, 1 << 20)));
    bool there = true;
    for (std::uint64_t done = 0; there && done < entry.index_bytes; done += buffer.size()) {
        const auto bytes =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), entry.index_bytes - done));
        const std::uint8_t* const from = file_.data() + entry.index_offset + done;
        there = guarded([&] { std::memcpy(buffer.data(), from, bytes); });
        sha.update({buffer.data(), bytes});
    }
    if (!there || sha.finish() != entry.index_sha256)
        throw Error(Fault::data, name_ +
                                     ": /index: its digest differs from the manifest's. Restore the file "
                                     "from a copy that `verify` accepts.");
    for (std::size_t i = 0; with_tiles && i < schema_.fields.size(); ++i) {
        if (!schema_.fields[i].ragged()) continue;
        RaggedEntry first{};  // of all tiles: told by nothing else, where the number of samples is wrong
        if (!read_line(index_line(schema_, samples_, i, 0), first) ||
            first.first_tile != index_lines(schema_, samples_))
            throw Error(Fault::data, name_ + ": the manifest's number of samples does not fit /index");
        break;
    }
}

ChunkPlace ChunkSource::column(std::size_t column) const {
    if (column >= schema_.columns.size())
        throw Error(Fault::bug, name_ + ": a column was asked for that is not there");
    ChunkPlace place;
    place.line = column;
    place.dataset = static_cast<std::uint32_t>(column);
    place.element = element_of(schema_.columns[column]);
    place.raw_bytes = bytes_of(schema_.columns[column].type) * static_cast<std::uint64_t>(samples_);
    return place;
}

ChunkPlace ChunkSource::fixed(std::size_t field, std::int64_t sample) const {
    if (field >= schema_.fields.size() || sample < 0 || sample >= samples_)
        throw Error(Fault::bug, name_ + ": a sample was asked for that is not there");
    ChunkPlace place;
    place.line = index_line(schema_, samples_, field, sample);
    place.dataset = static_cast<std::uint32_t>(schema_.columns.size() + field);
    place.sample = sample;
    place.element = element_of(schema_.fields[field]);
    place.shape = packed_shape(schema_.fields[field].shape);
    place.raw_bytes = schema_.fields[field].sample_bytes();
    return place;
}

RaggedSample ChunkSource::ragged(std::size_t field, std::int64_t sample) const {
    ChunkPlace place = fixed(field, sample);
    const std::size_t element_bytes = bytes_of(schema_.fields[field].dtype);
    RaggedSample out;
    if (format_ == 1) {  // the shape is in the chunk's header, which opening it authenticates
        const IndexEntry at = entry(place);
        PackedHeader bytes;
        if (!guarded([&] { std::memcpy(bytes.data(), file_.data() + at.offset, bytes.size()); }))
            fail(place, Outcome::gone);
        const auto head = ChunkHeader::parse(bytes);
        if (head) out.shape = unpacked(head->shape, element_bytes);
        if (out.shape.empty()) fail(place, Outcome::header);
        out.first_line = place.line;
        out.tiles.shape = out.tiles.tile = extent_of(out.shape);
        out.tiles.grid = {1, 1, 1, 1};
        out.tiles.element_bytes = element_bytes;
        if (out.tiles.tile_bytes() != at.raw_bytes) fail(place, Outcome::header);
        return out;
    }
    RaggedEntry line{};
    if (!read_line(place.line, line)) fail(place, Outcome::gone);
    out.shape = unpacked(line.shape, element_bytes);
    if (out.shape.empty()) fail(place, Outcome::bounds);
    out.first_line = line.first_tile;
    out.tiles = Tiling::of(out.shape, element_bytes);
    if (out.first_line < index_lines(schema_, samples_) || out.first_line > lines_ ||
        out.tiles.count() > lines_ - out.first_line)
        fail(place, Outcome::bounds);
    return out;
}

ChunkPlace ChunkSource::tile(std::size_t field, std::int64_t sample, const RaggedSample& ragged,
                             std::uint64_t tile) const {
    if (tile >= ragged.tiles.count())
        throw Error(Fault::bug, name_ + ": a tile was asked for that is not there");
    ChunkPlace place = fixed(field, sample);
    place.line = ragged.first_line + tile;
    place.tile = static_cast<std::uint32_t>(tile);
    place.shape = packed_shape(ragged.shape);
    place.raw_bytes = ragged.tiles.tile_bytes();
    return place;
}

IndexEntry ChunkSource::entry(const ChunkPlace& place) const {
    IndexEntry found{};
    if (!read_line(place.line, found)) fail(place, Outcome::gone);
    if (found.stored_bytes < kChunkOverhead || found.stored_bytes > file_.size() ||
        found.offset > file_.size() - found.stored_bytes || found.raw_bytes > UINT32_MAX)
        fail(place, Outcome::bounds);
    return found;
}

// The header, if it is the one that belongs here; it is authenticated only by opening the chunk.
ChunkHeader ChunkSource::header(const ChunkPlace& place, const IndexEntry& at) const {
    PackedHeader bytes;
    if (!guarded([&] { std::memcpy(bytes.data(), file_.data() + at.offset, bytes.size()); }))
        fail(place, Outcome::gone);
    const auto found = ChunkHeader::parse(bytes);
    const bool right =
        found && found->format == format_ && found->shard == id_ && found->dataset == place.dataset &&
        found->index == static_cast<std::uint64_t>(place.sample) && found->tile == place.tile &&
        found->element == place.element && found->shape == place.shape &&
        found->raw_bytes == place.raw_bytes && at.raw_bytes == place.raw_bytes &&
        (found->codec != Codec::none || at.raw_bytes == at.stored_bytes - kChunkOverhead);
    if (!right) fail(place, Outcome::header);
    return *found;
}

void ChunkSource::open(const ChunkPlace& place, std::uint8_t* out, const std::uint8_t* next) const {
    const IndexEntry at = entry(place);
    const ChunkHeader head = header(place, at);
    const PackedHeader authenticated = head.pack();
    const std::uint8_t* const payload = file_.data() + at.offset + kHeaderBytes;
    const auto payload_bytes = static_cast<std::size_t>(at.stored_bytes - kChunkOverhead);
    const bool packed = head.codec != Codec::none;
    std::uint8_t* const plain = packed ? scratch(payload_bytes) : out;
    bool good = false;
    if (!guarded([&] {
            Tag tag;
            std::memcpy(tag.data(), payload + payload_bytes, tag.size());
            good = keys_.cipher.open(head.nonce, authenticated, {payload, payload_bytes}, tag, plain, next);
        }))
        fail(place, Outcome::gone);
    if (!good) fail(place, Outcome::tag);
    if (packed &&
        !decompress(head.codec, {plain, payload_bytes}, out, static_cast<std::size_t>(head.raw_bytes)))
        fail(place, Outcome::payload);
}

// All in one guarded stretch, the header compared as bytes.
bool ChunkSource::quick(std::size_t field, std::int64_t sample, std::uint8_t* out, std::size_t bytes,
                        const std::uint8_t* next) const noexcept {
    const std::uint8_t* const line =
        file_.data() + index_offset_ + index_line(schema_, samples_, field, sample) * sizeof(IndexEntry);
    bool good = false;
    return guarded([&] {
               IndexEntry at;
               std::memcpy(&at, line, sizeof at);
               const std::uint64_t stored = bytes + kChunkOverhead;
               if (at.stored_bytes != stored || at.raw_bytes != bytes || stored > file_.size() ||
                   at.offset > file_.size() - stored)
                   return;
               const std::uint8_t* const chunk = file_.data() + at.offset;
               PackedHeader head;
               std::memcpy(head.data(), chunk, head.size());
               PackedHeader wanted = expected_[field];
               std::memcpy(wanted.data() + kIndexOffset, &sample, sizeof sample);
               if (std::memcmp(head.data(), wanted.data(), kNonceOffset) != 0) return;
               Nonce nonce;
               Tag tag;
               std::memcpy(nonce.data(), head.data() + kNonceOffset, nonce.size());
               std::memcpy(tag.data(), chunk + kHeaderBytes + bytes, tag.size());
               good = keys_.cipher.open(nonce, head, {chunk + kHeaderBytes, bytes}, tag, out, next);
           }) &&
           good;
}

const std::uint8_t* ChunkSource::payload(std::uint64_t line) const noexcept {
    IndexEntry at{};
    if (line >= lines_ || !read_line(line, at) || at.offset >= file_.size()) return nullptr;
    return file_.data() + at.offset + kHeaderBytes;
}

void ChunkSource::will_need(std::uint64_t first_line, std::uint64_t last_line) const noexcept {
    IndexEntry first{}, last{};
    if (first_line > last_line || last_line >= lines_ || !read_line(first_line, first) ||
        !read_line(last_line, last))
        return;
    const std::uint64_t size = file_.size(), page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (first.offset >= size || last.offset >= size || last.offset < first.offset) return;
    const std::uint64_t from = first.offset / page * page,
                        to = std::min(size, last.offset + last.stored_bytes);
    if (to > from) ::madvise(const_cast<std::uint8_t*>(file_.data()) + from, to - from, MADV_WILLNEED);
}

}  // namespace core
