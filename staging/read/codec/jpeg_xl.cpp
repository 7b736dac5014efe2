#include <jxl/decode.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "staging/read/codec/codec.h"
#include "staging/read/codec/samples.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

void need(bool ok) {
    if (!ok) throw Refused(Reason::decode_failed, "JPEG XL");
}

}  // namespace

Colour decode_jpeg_xl(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out) {
    const std::unique_ptr<JxlDecoder, void (*)(JxlDecoder*)> decoder(JxlDecoderCreate(nullptr),
                                                                     JxlDecoderDestroy);
    if (!decoder) throw std::bad_alloc();
    JxlDecoder* const jxl = decoder.get();
    need(JxlDecoderSubscribeEvents(jxl, JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE) == JXL_DEC_SUCCESS);
    need(JxlDecoderSetKeepOrientation(jxl, JXL_TRUE) == JXL_DEC_SUCCESS);
    need(JxlDecoderSetInput(jxl, frame.data(), frame.size()) == JXL_DEC_SUCCESS);
    JxlDecoderCloseInput(jxl);

    need(JxlDecoderProcessInput(jxl) == JXL_DEC_BASIC_INFO);
    JxlBasicInfo info{};
    need(JxlDecoderGetBasicInfo(jxl, &info) == JXL_DEC_SUCCESS);
    const std::size_t bytes = pixel_type_bytes(shape.type);
    need(info.ysize == shape.rows && info.xsize == shape.columns &&
         info.num_color_channels == shape.samples && info.num_extra_channels == 0 && !info.have_animation &&
         info.exponent_bits_per_sample == 0 && info.bits_per_sample >= 1 && info.bits_per_sample <= 16 &&
         info.bits_per_sample <= shape.allocated);

    // The library scales to whole bytes; as a fraction of the largest value, samples of up to 16 bits are exact.
    const JxlPixelFormat format{shape.samples, JXL_TYPE_FLOAT, JXL_NATIVE_ENDIAN, 0};
    std::vector<float> samples(shape.sample_count());
    need(JxlDecoderProcessInput(jxl) == JXL_DEC_NEED_IMAGE_OUT_BUFFER);
    need(JxlDecoderSetImageOutBuffer(jxl, &format, samples.data(), samples.size() * sizeof(float)) ==
         JXL_DEC_SUCCESS);
    need(JxlDecoderProcessInput(jxl) == JXL_DEC_FULL_IMAGE);
    need(JxlDecoderProcessInput(jxl) == JXL_DEC_SUCCESS);  // no second frame
    const unsigned precision = info.bits_per_sample;
    const auto most = static_cast<float>((1U << precision) - 1);
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const float scaled = std::clamp(std::floor(samples[i] * most + 0.5F), 0.F, most);
        put_sample(out, bytes, i,
                   settled(std::isnan(scaled) ? 0 : static_cast<std::int64_t>(scaled), precision, false,
                           shape.is_signed()));
    }
    return Colour::as_data_set_says;
}

}  // namespace staging
