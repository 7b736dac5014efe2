#include <zlib.h>

#include "staging/read/codec/codec.h"
#include "staging/read/codec/native.h"
#include "staging/read/refused.h"

namespace staging {

// Deflated Image Frame Compression (PS3.5 sections 8.2.16, A.4.13): the bytes of a native frame, deflated (RFC 1951).
Colour decode_deflated_frame(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out) {
    const auto failed = [] { throw Refused(Reason::decode_failed, "deflated frame"); };
    core::Bytes native(native_frame_bytes(shape));
    z_stream stream{};
    if (frame.size() > 0x7fffffff || native.size() > 0x7fffffff) failed();
    if (inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();
    stream.next_in = const_cast<Bytef*>(frame.data());
    stream.avail_in = static_cast<uInt>(frame.size());
    stream.next_out = native.data();
    stream.avail_out = static_cast<uInt>(native.size());
    const int status = ::inflate(&stream, Z_FINISH);
    const bool ok = status == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (!ok) failed();
    decode_native_frame(native, shape, NativeOrder{}, out);
    return Colour::as_data_set_says;
}

}  // namespace staging
