#include "staging/read/codec/gunzip.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "staging/read/refused.h"

namespace staging {
namespace {

struct Stream {
    z_stream z{};
    Stream() {
        if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { inflateEnd(&z); }
};

}  // namespace

bool is_gzip(core::ByteView head) noexcept {
    return head.size() >= 2 && head[0] == 0x1f && head[1] == 0x8b;
}

core::Bytes gunzip(core::ByteView file, const Limits& limits) {
    constexpr std::size_t kStep = 1 << 20;
    const std::uint64_t most =
        std::min<std::uint64_t>(limits.inflated_bytes, (file.size() + 65536) * limits.inflate_ratio);
    Stream stream;
    core::Bytes out;
    while (true) {
        // zlib counts in 32 bits: the input goes in piece by piece, and room for output is made as it comes.
        const std::size_t piece = std::min<std::size_t>(file.size(), 1u << 30);
        stream.z.next_in = const_cast<Bytef*>(file.data());
        stream.z.avail_in = static_cast<uInt>(piece);
        const std::size_t have = out.size();
        const std::size_t room = std::min<std::uint64_t>(most - have, std::max(kStep, have / 2));
        if (room == 0) throw Refused(Reason::decompression_limit);
        out.resize(have + room);
        stream.z.next_out = out.data() + have;
        stream.z.avail_out = static_cast<uInt>(room);
        const int status = ::inflate(&stream.z, Z_NO_FLUSH);
        out.resize(have + room - stream.z.avail_out);
        file = file.subspan(piece - stream.z.avail_in);
        if (status == Z_MEM_ERROR) throw std::bad_alloc();
        if (status == Z_STREAM_END) {
            // Another member, or padding that does not matter.
            if (!is_gzip(file)) return out;
            if (inflateReset(&stream.z) != Z_OK) throw std::bad_alloc();
        } else if (status == Z_BUF_ERROR || (status == Z_OK && file.empty() && stream.z.avail_out != 0)) {
            throw Refused(Reason::truncated, "gzip");
        } else if (status != Z_OK) {
            throw Refused(Reason::malformed, "gzip");
        }
    }
}

}  // namespace staging
