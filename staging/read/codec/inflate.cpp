#include "staging/read/codec/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "staging/read/refused.h"

namespace staging {
namespace {

struct Stream {
    z_stream z{};
    explicit Stream(int window_bits) {
        if (inflateInit2(&z, window_bits) != Z_OK) throw std::bad_alloc();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { inflateEnd(&z); }
};

// What it may grow to, and by which limit.
struct Most {
    std::uint64_t bytes;
    Word key;
};
Most most_of(std::uint64_t file_bytes, const Limits& limits) {
    const std::uint64_t by_ratio = (file_bytes + 65536) * limits.inflate_ratio;
    if (by_ratio < limits.inflated_bytes) return {by_ratio, "inflate_ratio"};
    return {limits.inflated_bytes, "inflated_bytes"};
}

// All of `packed`, of `window_bits` as zlib counts them; `what` names it in a refusal. Behind the end of one
// member `is_more` says whether another begins; else what is left does not matter.
core::Bytes unpack(core::ByteView packed, int window_bits, const Most& most, Word what,
                   bool (*is_more)(core::ByteView) noexcept) {
    constexpr std::size_t kStep = 1 << 20;
    Stream stream(window_bits);
    // All that it may grow to, of which only what is filled is memory: growing by copies would take three times as much.
    core::Bytes out;
    out.reserve(most.bytes);
    while (true) {
        // zlib counts in 32 bits: the input goes in piece by piece. Growth is by what has come out, never by what
        // is declared.
        const std::size_t piece = std::min<std::size_t>(packed.size(), 1u << 30);
        stream.z.next_in = const_cast<Bytef*>(packed.data());
        stream.z.avail_in = static_cast<uInt>(piece);
        const std::size_t have = out.size();
        const std::size_t room = std::min<std::uint64_t>(most.bytes - have, std::max(kStep, have / 2));
        if (room == 0) throw Refused(Reason::decompression_limit, most.key);
        out.resize(have + room);
        stream.z.next_out = out.data() + have;
        stream.z.avail_out = static_cast<uInt>(room);
        const int status = ::inflate(&stream.z, Z_NO_FLUSH);
        out.resize(have + room - stream.z.avail_out);
        packed = packed.subspan(piece - stream.z.avail_in);
        if (status == Z_MEM_ERROR) throw std::bad_alloc();
        if (status == Z_STREAM_END) {
            if (!is_more(packed)) {
                if (out.size() <= kStep) out.shrink_to_fit();  // the header of a pair, beside its data
                return out;
            }
            if (inflateReset(&stream.z) != Z_OK) throw std::bad_alloc();
        } else if (status == Z_BUF_ERROR || (status == Z_OK && packed.empty() && stream.z.avail_out != 0)) {
            throw Refused(Reason::truncated, what);
        } else if (status != Z_OK) {
            throw Refused(Reason::malformed, what);
        }
    }
}

bool never(core::ByteView) noexcept {
    return false;
}

}  // namespace

core::Bytes inflate(core::ByteView deflated, std::uint64_t file_bytes, const Limits& limits) {
    return unpack(deflated, -MAX_WBITS, most_of(file_bytes, limits), "deflated data set", never);
}

bool is_gzip(core::ByteView head) noexcept {
    return head.size() >= 2 && head[0] == 0x1f && head[1] == 0x8b;
}

core::Bytes gunzip(core::ByteView file, const Limits& limits) {
    return unpack(file, 16 + MAX_WBITS, most_of(file.size(), limits), "gzip", is_gzip);
}

}  // namespace staging
