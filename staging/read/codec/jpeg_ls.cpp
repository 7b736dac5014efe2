#include <charls/charls_jpegls_decoder.h>

#include <cstring>
#include <memory>

#include "staging/read/codec/codec.h"
#include "staging/read/codec/samples.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

void need(bool ok) {
    if (!ok) throw Refused(Reason::decode_failed, "JPEG-LS");
}

void need(charls::jpegls_errc code) {
    if (code == charls::jpegls_errc::not_enough_memory) throw std::bad_alloc();
    need(code == charls::jpegls_errc::success);
}

// CharLS 2.4.1 goes round for ever in data that end without the marker of an end (EOI), which cut ones do.
bool has_end(core::ByteView frame) {
    const auto last = core::text(frame).find_last_not_of('\0');  // padding
    return last != std::string_view::npos && last >= 1 && frame[last - 1] == 0xff && frame[last] == 0xd9;
}

}  // namespace

Colour decode_jpeg_ls(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out) {
    need(has_end(frame));
    const std::unique_ptr<charls_jpegls_decoder, void (*)(const charls_jpegls_decoder*)> decoder(
        charls_jpegls_decoder_create(), charls_jpegls_decoder_destroy);
    if (!decoder) throw std::bad_alloc();
    need(charls_jpegls_decoder_set_source_buffer(decoder.get(), frame.data(), frame.size()));
    need(charls_jpegls_decoder_read_header(decoder.get()));
    charls_frame_info info{};
    need(charls_jpegls_decoder_get_frame_info(decoder.get(), &info));
    need(info.height == shape.rows && info.width == shape.columns &&
         info.component_count == static_cast<std::int32_t>(shape.samples) && info.bits_per_sample >= 2 &&
         static_cast<unsigned>(info.bits_per_sample) <= shape.allocated);
    charls::interleave_mode mode{};
    need(charls_jpegls_decoder_get_interleave_mode(decoder.get(), &mode));

    const auto precision = static_cast<unsigned>(info.bits_per_sample);
    const std::size_t coded_bytes = precision <= 8 ? 1 : 2, bytes = pixel_type_bytes(shape.type);
    const bool planes = mode == charls::interleave_mode::none && shape.samples > 1;
    if (coded_bytes == bytes && !planes && !(shape.is_signed() && precision < 8 * bytes)) {
        need(charls_jpegls_decoder_decode_to_buffer(decoder.get(), out.data(), out.size(), 0));
        return Colour::as_data_set_says;
    }
    core::Bytes coded(shape.sample_count() * coded_bytes);
    need(charls_jpegls_decoder_decode_to_buffer(decoder.get(), coded.data(), coded.size(), 0));
    const std::size_t plane = std::size_t{shape.rows} * shape.columns;
    for (std::size_t pixel = 0; pixel < plane; ++pixel)
        for (std::size_t sample = 0; sample < shape.samples; ++sample) {
            const std::size_t to = pixel * shape.samples + sample;
            const std::size_t from = planes ? sample * plane + pixel : to;
            std::uint16_t value = coded[from * coded_bytes];
            if (coded_bytes == 2) std::memcpy(&value, coded.data() + 2 * from, 2);
            put_sample(out, bytes, to, settled(value, precision, false, shape.is_signed()));
        }
    return Colour::as_data_set_says;
}

}  // namespace staging
