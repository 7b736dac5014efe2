#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "staging/read/codec/codec.h"
#include "staging/read/codec/samples.h"
#include "staging/read/refused.h"

// JPEG 2000 part 1, and part 15 (HTJ2K), by OpenJPEG.
namespace staging {
namespace {

void need(bool ok) {
    if (!ok) throw Refused(Reason::decode_failed, "JPEG 2000");
}

// The bytes of a frame as OpenJPEG reads them.
struct Source {
    core::ByteView bytes;
    std::size_t at = 0;
};

OPJ_SIZE_T read(void* to, OPJ_SIZE_T count, void* user) {
    auto& source = *static_cast<Source*>(user);
    const std::size_t given = std::min<std::size_t>(count, source.bytes.size() - source.at);
    if (given == 0) return static_cast<OPJ_SIZE_T>(-1);
    std::memcpy(to, source.bytes.data() + source.at, given);
    source.at += given;
    return given;
}

OPJ_OFF_T skip(OPJ_OFF_T count, void* user) {
    auto& source = *static_cast<Source*>(user);
    if (count < 0 || static_cast<std::size_t>(count) > source.bytes.size() - source.at) return -1;
    source.at += static_cast<std::size_t>(count);
    return count;
}

OPJ_BOOL seek(OPJ_OFF_T to, void* user) {
    auto& source = *static_cast<Source*>(user);
    if (to < 0 || static_cast<std::size_t>(to) > source.bytes.size()) return OPJ_FALSE;
    source.at = static_cast<std::size_t>(to);
    return OPJ_TRUE;
}

void no_message(const char*, void*) {}

}  // namespace

Colour decode_jpeg_2000(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out) {
    const bool boxed = frame.size() > 4 && frame[0] == 0;
    const std::unique_ptr<opj_codec_t, void (*)(opj_codec_t*)> codec(
        opj_create_decompress(boxed ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K), opj_destroy_codec);
    const std::unique_ptr<opj_stream_t, void (*)(opj_stream_t*)> stream(
        opj_stream_create(std::clamp<std::size_t>(frame.size(), 1024, 1 << 20), OPJ_TRUE),
        opj_stream_destroy);
    if (!codec || !stream) throw std::bad_alloc();
    for (const auto set : {opj_set_info_handler, opj_set_warning_handler, opj_set_error_handler})
        set(codec.get(), no_message, nullptr);
    Source source{frame};
    opj_stream_set_user_data(stream.get(), &source, nullptr);
    opj_stream_set_user_data_length(stream.get(), frame.size());
    opj_stream_set_read_function(stream.get(), read);
    opj_stream_set_skip_function(stream.get(), skip);
    opj_stream_set_seek_function(stream.get(), seek);

    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    need(opj_setup_decoder(codec.get(), &parameters));
    need(opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE));  // a part of an image is none
    opj_image_t* header = nullptr;
    const bool read_header = opj_read_header(stream.get(), codec.get(), &header);
    const std::unique_ptr<opj_image_t, void (*)(opj_image_t*)> image(header, opj_image_destroy);
    need(read_header && image);
    need(image->numcomps == shape.samples && image->x1 - image->x0 == shape.columns &&
         image->y1 - image->y0 == shape.rows);
    for (OPJ_UINT32 i = 0; i < image->numcomps; ++i) {
        const opj_image_comp_t& component = image->comps[i];
        need(component.dx == 1 && component.dy == 1 && component.prec >= 1 && component.prec <= 31 &&
             component.prec <= shape.allocated && component.prec == image->comps[0].prec &&
             component.sgnd == image->comps[0].sgnd);
    }
    need(opj_decode(codec.get(), stream.get(), image.get()) && opj_end_decompress(codec.get(), stream.get()));

    const std::size_t plane = std::size_t{shape.rows} * shape.columns, bytes = pixel_type_bytes(shape.type);
    for (OPJ_UINT32 i = 0; i < image->numcomps; ++i) {
        const opj_image_comp_t& component = image->comps[i];
        need(component.data && component.w == shape.columns && component.h == shape.rows &&
             component.factor == 0);
        for (std::size_t pixel = 0; pixel < plane; ++pixel)
            put_sample(out, bytes, pixel * shape.samples + i,
                       settled(component.data[pixel], component.prec, component.sgnd, shape.is_signed()));
    }
    return Colour::as_data_set_says;
}

}  // namespace staging
