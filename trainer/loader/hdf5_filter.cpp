// Filter 41321 for the HDF5 library, decode only: h5py, h5dump and every other program open a shard where this
// process may read it. Links nothing of HDF5, since a program may bring its own.
#include <H5PLextern.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/shard/chunk.h"
#include "core/shard/tiles.h"
#include "trainer/loader/permission.h"
#include "trainer/loader/wording.h"

namespace {

using core::ByteView;
using core::ChunkHeader;

constexpr H5Z_filter_t kFilter = 41321;
constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 30;  // of a chunk, as HDF5 has it

struct Freed {
    void operator()(void* p) const noexcept { std::free(p); }
};
using Memory = std::unique_ptr<std::uint8_t, Freed>;

// HDF5 frees it. Zeros beyond what is written: the library reads as much as its own chunk is long.
Memory allocate(std::uint64_t bytes) {
    Memory memory(static_cast<std::uint8_t*>(std::calloc(std::max<std::uint64_t>(bytes, 1), 1)));
    if (!memory) throw std::bad_alloc();
    return memory;
}

// No chunk of the dataset is longer.
std::uint64_t longest_chunk(const core::Manifest& manifest) {
    std::uint64_t longest =
        sizeof(core::Id16) * static_cast<std::uint64_t>(manifest.samples());  // of a column
    for (const core::Field& field : manifest.schema.fields)
        longest = std::max<std::uint64_t>(longest, field.ragged() ? core::kTileBytes : field.sample_bytes());
    return std::min(longest, kMostBytes);
}

// The shards that were met, each with the keys that open it.
class Shards {
public:
    struct Known {
        core::ShardKeys keys;
        std::uint64_t room;  // bytes that the library may read
    };

    // Calls `open` with the keys of each dataset that may be read until it says that they were the right ones.
    template <class Open>
    bool with_keys(const ChunkHeader& header, Open&& open) {
        const std::lock_guard lock(mutex_);
        if (const auto found = known_.find(header.shard); found != known_.end()) return open(found->second);
        for (const trainer::Access& access : trainer::Access::all()) {
            const std::string name = access.dataset.filename();
            try {
                const trainer::Granted dataset = trainer::granted(access);
                Known known{core::ShardKeys(dataset.key, header.shard, header.format),
                            longest_chunk(dataset.version.manifest())};
                if (!open(known)) continue;
                known_.emplace(header.shard, std::move(known));
                return true;
            } catch (const core::Error& e) {
                say(name + ": " + trainer::without_paths(e.what(), {access.dataset, access.key}));
            }
        }
        say("no dataset that this process may read has this shard, or it was changed");
        return false;
    }

    // HDF5 takes no text from a filter of another library than its own; each is said once.
    void say(const std::string& text) {
        if (said_.insert(text).second) core::Event("error", "hdf5_filter").with("text", text);
    }

private:
    std::mutex mutex_;
    std::map<core::ShardId, Known> known_;
    std::set<std::string> said_;
};

Shards& shards() {
    static auto* const all = new Shards;  // never destroyed: HDF5 may read while the program ends
    return *all;
}

// The chunk's elements at `out`; their bytes, 0 if it is not authentic.
std::size_t decode(ByteView chunk, Memory& out, std::size_t& room) {
    if (chunk.size() < core::kChunkOverhead) return 0;
    const auto header = ChunkHeader::parse(chunk.first(core::kHeaderBytes));
    if (!header || header->element == core::kRecordElement || header->raw_bytes > kMostBytes) return 0;
    const ByteView head = chunk.first(core::kHeaderBytes),
                   payload = chunk.subspan(core::kHeaderBytes, chunk.size() - core::kChunkOverhead);
    core::Tag tag;
    std::copy(chunk.end() - core::kTagBytes, chunk.end(), tag.begin());
    const bool packed = header->codec != core::Codec::none;
    if (!packed && header->raw_bytes != payload.size()) return 0;
    const bool opened = shards().with_keys(*header, [&](const Shards::Known& known) {
        Memory plain =
            allocate(packed ? payload.size() : std::max<std::uint64_t>(known.room, payload.size()));
        if (!known.keys.cipher.open(header->nonce, head, payload, tag, plain.get())) return false;
        room = std::max<std::uint64_t>(known.room, header->raw_bytes);  // authentic from here on
        if (!packed) {
            out = std::move(plain);
            return true;
        }
        out = allocate(room);
        return core::decompress(header->codec, {plain.get(), payload.size()}, out.get(), header->raw_bytes);
    });
    return opened ? header->raw_bytes : 0;
}

std::size_t filter(unsigned flags, std::size_t, const unsigned*, std::size_t bytes, std::size_t* buffer_bytes,
                   void** buffer) noexcept {
    if (!(flags & H5Z_FLAG_REVERSE)) return 0;  // writing is staging's
    try {
        Memory out;
        std::size_t room = 0;
        const std::size_t got = decode({static_cast<const std::uint8_t*>(*buffer), bytes}, out, room);
        if (got == 0) return 0;
        std::free(*buffer);  // as HDF5 allocates where it is not built to check its own memory
        *buffer = out.release();
        *buffer_bytes = room;
        return got;
    } catch (const std::exception&) {  // C is above us
        return 0;
    }
}

const H5Z_class2_t kClass{
    H5Z_CLASS_T_VERS, kFilter, 0,     1, "aloft: authenticated encryption (decode only)",
    nullptr,          nullptr, filter};

}  // namespace

H5PL_type_t H5PLget_plugin_type() {
    return H5PL_TYPE_FILTER;
}

const void* H5PLget_plugin_info() {
    return &kClass;
}
