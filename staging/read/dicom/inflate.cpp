#include <zlib.h>

#include <algorithm>
#include <new>

#include "staging/read/dicom/walker.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

struct Stream {
    z_stream z{};
    Stream() {
        if (inflateInit2(&z, -15) != Z_OK) throw std::bad_alloc();
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { inflateEnd(&z); }
};

}  // namespace

core::Bytes inflate(core::ByteView deflated, std::uint64_t file_bytes, const Limits& limits) {
    constexpr std::size_t kStep = 1 << 20;
    const std::uint64_t most = std::min(limits.inflated_bytes, (file_bytes + 65536) * limits.inflate_ratio);
    Stream stream;
    stream.z.next_in = const_cast<Bytef*>(deflated.data());
    stream.z.avail_in = static_cast<uInt>(deflated.size());  // file_bytes is capped far below 4 GB

    core::Bytes out;
    for (int status = Z_OK; status != Z_STREAM_END;) {
        const std::size_t have = out.size();
        // Growth is by what has come out, never by what is declared.
        const std::size_t room = std::min<std::uint64_t>(most - have, std::max(kStep, have / 2));
        if (room == 0) throw Refused(Reason::decompression_limit);
        out.reserve(have + room);
        out.resize(have + room);
        stream.z.next_out = out.data() + have;
        stream.z.avail_out = static_cast<uInt>(room);
        status = ::inflate(&stream.z, Z_NO_FLUSH);
        out.resize(have + room - stream.z.avail_out);
        if (status == Z_MEM_ERROR) throw std::bad_alloc();
        if (status == Z_BUF_ERROR || (status == Z_OK && stream.z.avail_in == 0 && stream.z.avail_out != 0))
            throw Refused(Reason::truncated, "deflated data set");
        if (status != Z_OK && status != Z_STREAM_END) throw Refused(Reason::malformed, "deflated data set");
    }
    return out;
}

}  // namespace staging
