#include "identifiers/inflate.h"

#include <zlib.h>

#include "core/base/error.h"

namespace identifiers {
namespace {

constexpr std::size_t kMost = std::size_t{64} << 20;
constexpr int kZlib = MAX_WBITS, kGzip = MAX_WBITS + 16, kRaw = -MAX_WBITS;

core::Bytes inflated(core::ByteView from, int kind) {
    z_stream stream{};
    if (::inflateInit2(&stream, kind) != Z_OK)
        throw core::Error(core::Fault::system, "zlib: cannot begin to inflate");
    core::Bytes out;
    std::uint8_t part[16384];
    stream.next_in = const_cast<Bytef*>(from.data());
    stream.avail_in = static_cast<uInt>(from.size());
    for (int state = Z_OK; state == Z_OK && out.size() < kMost;) {
        stream.next_out = part;
        stream.avail_out = sizeof part;
        state = ::inflate(&stream, Z_NO_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) break;
        out.insert(out.end(), part, part + (sizeof part - stream.avail_out));
    }
    ::inflateEnd(&stream);
    return out;
}

// Where the member of a zip file's local header at `at` begins (APPNOTE 4.3.7); 0 if it is not deflated.
std::size_t member(core::ByteView bytes, std::size_t at) {
    if (at + 30 > bytes.size() || bytes[at + 8] != 8 || bytes[at + 9] != 0) return 0;
    const auto length = [&](std::size_t from) {
        return std::size_t{bytes[from]} | std::size_t{bytes[from + 1]} << 8;
    };
    const std::size_t begin = at + 30 + length(at + 26) + length(at + 28);
    return begin < bytes.size() ? begin : 0;
}

}  // namespace

void for_each_inflated(core::ByteView bytes, const std::function<void(core::ByteView)>& take) {
    const auto from = [&](std::size_t at, int kind) {
        if (const core::Bytes out = inflated(bytes.subspan(at), kind); !out.empty()) take(out);
    };
    for (std::size_t at = 0; at + 3 < bytes.size(); ++at) {
        const unsigned first = bytes[at], second = bytes[at + 1];
        if (first == 0x78 && second % 32 != 0x20 && (first * 256 + second) % 31 == 0) from(at, kZlib);
        if (first == 0x1F && second == 0x8B && bytes[at + 2] == 8) from(at, kGzip);
        if (first == 'P' && second == 'K' && bytes[at + 2] == 3 && bytes[at + 3] == 4)
            if (const std::size_t begin = member(bytes, at)) from(begin, kRaw);
    }
}

}  // namespace identifiers
