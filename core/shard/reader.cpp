#include "core/shard/reader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "core/shard/chunk.h"
#include "core/shard/crypto.h"
#include "core/shard/mapping.h"

namespace core {
namespace {

enum class Outcome { bounds, header, tag, payload, gone };

std::string reason(Outcome outcome) {
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

// Compressed payloads are decrypted into this before they are unpacked; one per thread, kept.
std::uint8_t* scratch(std::size_t bytes) {
    thread_local Bytes memory;
    if (memory.size() < bytes) memory.resize(bytes);
    return memory.data();
}

}  // namespace

struct ShardReader::State {
    std::string name;  // of the file, for messages
    const Schema& schema;
    std::int64_t samples;
    ShardId id;
    ShardKeys keys;
    Mapping file;
    std::uint64_t index_offset;
    std::vector<PackedHeader> expected;  // by field: of an uncompressed sample, its index and nonce zero

    // The way of nearly every read: fixed shape, not compressed, nothing wrong. All in one guarded stretch,
    // the header compared as bytes. False: open() finds out what is the matter, or unpacks.
    bool quick(std::size_t field, std::int64_t sample, std::uint8_t* out, std::size_t bytes,
               const std::uint8_t* next) const noexcept {
        const std::uint8_t* const line =
            file.data() + index_offset + index_line(schema, samples, field, sample) * sizeof(IndexEntry);
        bool good = false;
        return guarded([&] {
                   IndexEntry at;
                   std::memcpy(&at, line, sizeof at);
                   const std::uint64_t stored = bytes + kChunkOverhead;
                   if (at.stored_bytes != stored || at.raw_bytes != bytes || stored > file.size() ||
                       at.offset > file.size() - stored)
                       return;
                   const std::uint8_t* const chunk = file.data() + at.offset;
                   PackedHeader head;
                   std::memcpy(head.data(), chunk, head.size());
                   PackedHeader wanted = expected[field];
                   std::memcpy(wanted.data() + kIndexOffset, &sample, sizeof sample);
                   if (std::memcmp(head.data(), wanted.data(), kNonceOffset) != 0) return;
                   Nonce nonce;
                   Tag tag;
                   std::memcpy(nonce.data(), head.data() + kNonceOffset, nonce.size());
                   std::memcpy(tag.data(), chunk + kHeaderBytes + bytes, tag.size());
                   good = keys.cipher.open(nonce, head, {chunk + kHeaderBytes, bytes}, tag, out, next);
               }) &&
               good;
    }

    // Lines are read from the mapping whenever they are needed (their page may fail later), checked each
    // time.
    bool entry(std::uint64_t line, IndexEntry& out) const noexcept {
        const std::uint8_t* const from = file.data() + index_offset + line * sizeof(IndexEntry);
        return guarded([&] { std::memcpy(&out, from, sizeof out); });
    }

    [[noreturn]] void fail(std::uint32_t dataset, std::int64_t sample, Outcome outcome) const {
        const std::size_t columns = schema.columns.size();
        const std::string where = dataset < columns ? "/columns/" + schema.columns[dataset].name
                                                    : "/fields/" + schema.fields[dataset - columns].name +
                                                          " sample " + std::to_string(sample);
        throw Error(Fault::data, name + ": " + where + ": " + reason(outcome) +
                                     ". Restore the file from a copy that `verify` accepts.");
    }

    IndexEntry checked_entry(std::uint32_t dataset, std::int64_t sample) const {
        if (sample < 0 || sample >= samples || dataset >= schema.columns.size() + schema.fields.size())
            throw Error(Fault::bug, name + ": a sample was asked for that is not there");
        IndexEntry found{};
        const std::size_t columns = schema.columns.size();
        if (!entry(dataset < columns ? dataset : index_line(schema, samples, dataset - columns, sample),
                   found))
            fail(dataset, sample, Outcome::gone);
        if (found.stored_bytes < kChunkOverhead || found.stored_bytes > file.size() ||
            found.offset > file.size() - found.stored_bytes || found.raw_bytes > UINT32_MAX)
            fail(dataset, sample, Outcome::bounds);
        return found;
    }

    // The header, if it is the one that belongs here; it is authenticated only by opening the chunk.
    ChunkHeader header(std::uint32_t dataset, std::int64_t sample, const IndexEntry& at) const {
        PackedHeader bytes;
        if (!guarded([&] { std::memcpy(bytes.data(), file.data() + at.offset, bytes.size()); }))
            fail(dataset, sample, Outcome::gone);
        const auto found = ChunkHeader::parse(bytes);
        const std::size_t columns = schema.columns.size();
        const bool column = dataset < columns;
        bool right = found && found->shard == id && found->dataset == dataset &&
                     found->index == static_cast<std::uint64_t>(column ? 0 : sample) &&
                     found->raw_bytes == at.raw_bytes &&
                     found->element == (column ? element_of(schema.columns[dataset])
                                               : element_of(schema.fields[dataset - columns]));
        if (right && column) {
            right = found->shape == std::array<std::uint32_t, 4>{} &&
                    found->raw_bytes ==
                        bytes_of(schema.columns[dataset].type) * static_cast<std::uint64_t>(samples);
        } else if (right) {
            const Field& field = schema.fields[dataset - columns];
            std::uint64_t bytes_needed = bytes_of(field.dtype);
            for (const std::uint32_t extent : found->shape)
                if (extent != 0 && bytes_needed <= UINT32_MAX) bytes_needed *= extent;
            right = field.ragged() ? found->shape[0] > 0 && bytes_needed == found->raw_bytes
                                   : found->shape == packed_shape(field.shape) &&
                                         found->raw_bytes == field.sample_bytes();
        }
        right = right && (found->codec != Codec::none || at.raw_bytes == at.stored_bytes - kChunkOverhead);
        if (!right) fail(dataset, sample, Outcome::header);
        return *found;
    }

    // `place(header)` says where the raw bytes go; for a packed payload it is asked only once the tag is
    // right, so that nobody takes memory for what an unauthenticated header says.
    template <class Place>
    void open(std::uint32_t dataset, std::int64_t sample, Place place, const std::uint8_t* next) const {
        const IndexEntry at = checked_entry(dataset, sample);
        const ChunkHeader head = header(dataset, sample, at);
        const PackedHeader authenticated = head.pack();
        const std::uint8_t* const payload = file.data() + at.offset + kHeaderBytes;
        const std::size_t payload_bytes = static_cast<std::size_t>(at.stored_bytes - kChunkOverhead);
        const bool packed = head.codec != Codec::none;
        std::uint8_t* const plain = packed ? scratch(payload_bytes) : place(head);
        bool good = false;
        if (!guarded([&] {
                Tag tag;
                std::memcpy(tag.data(), payload + payload_bytes, tag.size());
                good =
                    keys.cipher.open(head.nonce, authenticated, {payload, payload_bytes}, tag, plain, next);
            }))
            fail(dataset, sample, Outcome::gone);
        if (!good) fail(dataset, sample, Outcome::tag);
        if (packed && !decompress(head.codec, {plain, payload_bytes}, place(head),
                                  static_cast<std::size_t>(head.raw_bytes)))
            fail(dataset, sample, Outcome::payload);
    }
};

ShardReader::ShardReader(const std::filesystem::path& path, const ShardEntry& entry, const Schema& schema,
                         const std::string& dataset, std::int64_t number, const SecretKey& dataset_key) {
    const ShardId id = shard_id(dataset, number);
    state_.reset(new State{path.filename().string(),
                           schema,
                           entry.samples,
                           id,
                           ShardKeys(dataset_key, id),
                           Mapping(path),
                           entry.index_offset,
                           {}});
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
        ChunkHeader header;
        header.element = element_of(schema.fields[i]);
        header.shard = id;
        header.raw_bytes = schema.fields[i].sample_bytes();
        header.dataset = static_cast<std::uint32_t>(schema.columns.size() + i);
        header.shape = packed_shape(schema.fields[i].shape);
        state_->expected.push_back(header.pack());
    }
    const std::string& name = state_->name;
    const std::uint64_t size = state_->file.size();
    if (size != entry.bytes)
        throw Error(Fault::data, name + ": has " + std::to_string(size) + " bytes, the manifest says " +
                                     std::to_string(entry.bytes) + ". Copy the file again.");
    if (entry.samples <= 0 || static_cast<std::uint64_t>(entry.samples) > size ||
        entry.index_bytes != index_lines(schema, entry.samples) * sizeof(IndexEntry) ||
        entry.index_bytes > size || entry.index_offset > size - entry.index_bytes)
        throw Error(Fault::data, name + ": the manifest's place of /index does not fit the file");
    Digest found{};
    Sha256 sha;
    Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(entry.index_bytes, 1 << 20)));
    bool there = true;
    for (std::uint64_t done = 0; there && done < entry.index_bytes; done += buffer.size()) {
        const std::size_t bytes =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), entry.index_bytes - done));
        const std::uint8_t* const from = state_->file.data() + entry.index_offset + done;
        there = guarded([&] { std::memcpy(buffer.data(), from, bytes); });
        sha.update({buffer.data(), bytes});
    }
    found = sha.finish();
    if (!there || found != entry.index_sha256)
        throw Error(Fault::data, name +
                                     ": /index: its digest differs from the manifest's. Restore the file "
                                     "from a copy that `verify` accepts.");
}
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;
ShardReader::~ShardReader() = default;

std::int64_t ShardReader::samples() const noexcept {
    return state_->samples;
}

ColumnData ShardReader::column(std::size_t column) const {
    Bytes bytes;
    const auto place = [&](const ChunkHeader& head) {
        bytes.resize(static_cast<std::size_t>(head.raw_bytes));
        return bytes.data();
    };
    state_->open(static_cast<std::uint32_t>(column), 0, place, nullptr);
    const auto count = static_cast<std::size_t>(state_->samples);
    const Column& description = state_->schema.columns[column];
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
            throw Error(Fault::data, state_->name + ": /columns/" + description.name +
                                         ": has a category that the schema does not name");
    return data;
}

std::uint64_t ShardReader::offset(std::size_t field, std::int64_t sample) const {
    return state_->checked_entry(static_cast<std::uint32_t>(state_->schema.columns.size() + field), sample)
        .offset;
}

void ShardReader::read(std::size_t field, std::int64_t sample, std::span<std::uint8_t> out,
                       std::int64_t next) const {
    const Schema& schema = state_->schema;
    if (field >= schema.fields.size() || schema.fields[field].ragged() ||
        out.size() != schema.fields[field].sample_bytes())
        throw Error(Fault::bug, state_->name + ": read into memory of another size");
    const std::uint8_t* coming = nullptr;
    IndexEntry after{};
    if (sample < 0 || sample >= state_->samples)
        throw Error(Fault::bug, state_->name + ": a sample was asked for that is not there");
    if (next >= 0 && next < state_->samples &&
        state_->entry(index_line(schema, state_->samples, field, next), after))
        coming = state_->file.data() + after.offset + kHeaderBytes;
    if (state_->quick(field, sample, out.data(), out.size(), coming)) return;
    state_->open(
        static_cast<std::uint32_t>(schema.columns.size() + field), sample,
        [&](const ChunkHeader&) { return out.data(); }, coming);  // header() has compared the sizes
}

Array ShardReader::array(std::size_t field, std::int64_t sample) const {
    Array array;
    const auto place = [&](const ChunkHeader& head) {
        for (const std::uint32_t extent : head.shape)
            if (extent > 0) array.shape.push_back(extent);
        array.bytes.resize(static_cast<std::size_t>(head.raw_bytes));
        return array.bytes.data();
    };
    state_->open(static_cast<std::uint32_t>(state_->schema.columns.size() + field), sample, place, nullptr);
    return array;
}

void ShardReader::will_need(std::size_t field, std::int64_t sample, std::int64_t count) const noexcept {
    IndexEntry first{}, last{};
    const std::uint64_t line = index_line(state_->schema, state_->samples, field, sample);
    if (sample < 0 || count <= 0 || sample + count > state_->samples || !state_->entry(line, first) ||
        !state_->entry(line + static_cast<std::uint64_t>(count) - 1, last))
        return;
    const std::uint64_t size = state_->file.size(),
                        page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (first.offset >= size || last.offset >= size || last.offset < first.offset) return;
    const std::uint64_t from = first.offset / page * page,
                        to = std::min(size, last.offset + last.stored_bytes);
    if (to > from) ::madvise(const_cast<std::uint8_t*>(state_->file.data()) + from, to - from, MADV_WILLNEED);
}

}  // namespace core
