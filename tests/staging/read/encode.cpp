#include "staging/read/encode.h"

// clang-format off
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmjpeg/djcparam.h>
#include <dcmtk/dcmjpeg/djeijg12.h>
#include <dcmtk/dcmjpeg/djeijg16.h>
#include <dcmtk/dcmjpeg/djeijg8.h>
// clang-format on
#include <charls/charls_jpegls_encoder.h>
#include <jxl/encode.h>
#include <openjpeg.h>
#include <zlib.h>

#include <cstring>
#include <stdexcept>

namespace test {
namespace {

void need(bool ok) {
    if (!ok) throw std::runtime_error("an encoder of the tests failed");
}

template <class Encoder>
std::string by_dcmtk(Encoder&& encoder, const Picture& picture, auto* values) {
    Uint8* to = nullptr;
    Uint32 length = 0;
    need(encoder
             .encode(static_cast<Uint16>(picture.columns), static_cast<Uint16>(picture.rows),
                     picture.samples == 3 ? EPI_RGB : EPI_Monochrome2, static_cast<Uint16>(picture.samples),
                     values, to, length)
             .good());
    std::string out(reinterpret_cast<char*>(to), length);
    delete[] to;
    return out;
}

}  // namespace

std::string Picture::bytes(unsigned allocated) const {
    std::string out;
    for (const std::uint16_t value : values) {
        out += static_cast<char>(value);
        if (allocated == 16) out += static_cast<char>(value >> 8);
    }
    return out;
}

Picture picture(unsigned rows, unsigned columns, unsigned samples, unsigned bits) {
    Picture out{rows, columns, samples, bits, {}};
    std::uint32_t noise = 1;
    for (unsigned i = 0; i < rows * columns * samples; ++i) {
        noise = noise * 1664525 + 1013904223;
        out.values.push_back(
            static_cast<std::uint16_t>((i * 37 + (noise >> 27) + (i % samples) * 11) % (1U << bits)));
    }
    return out;
}

std::string jpeg_lossless(const Picture& picture, int predictor) {
    const DJCodecParameter parameter(ECC_lossyRGB, EDC_never, EUC_never, EPC_colorByPixel);
    auto values = picture.values;
    if (picture.bits > 12)
        return by_dcmtk(DJCompressIJG16Bit(parameter, EJM_lossless, predictor, 0), picture, values.data());
    if (picture.bits > 8)
        return by_dcmtk(DJCompressIJG12Bit(parameter, EJM_lossless, predictor, 0), picture, values.data());
    std::vector<Uint8> bytes(values.begin(), values.end());
    return by_dcmtk(DJCompressIJG8Bit(parameter, EJM_lossless, predictor, 0), picture, bytes.data());
}

std::string jpeg_12_bits(const Picture& picture) {
    const DJCodecParameter parameter(ECC_lossyRGB, EDC_never, EUC_never, EPC_colorByPixel);
    auto values = picture.values;
    return by_dcmtk(DJCompressIJG12Bit(parameter, EJM_sequential, static_cast<Uint8>(100)), picture,
                    values.data());
}

std::string jpeg_ls(const Picture& picture, bool by_plane) {
    const std::string pixels = picture.bytes(picture.bits > 8 ? 16 : 8);
    std::string bytes = pixels;
    const std::size_t plane = std::size_t{picture.rows} * picture.columns;
    if (by_plane)
        for (std::size_t i = 0; i < plane; ++i)
            for (std::size_t s = 0; s < picture.samples; ++s)
                bytes[s * plane + i] = pixels[i * picture.samples + s];
    charls::jpegls_encoder encoder;
    encoder.frame_info({picture.columns, picture.rows, static_cast<std::int32_t>(picture.bits),
                        static_cast<std::int32_t>(picture.samples)});
    if (picture.samples > 1)
        encoder.interleave_mode(by_plane ? charls::interleave_mode::none : charls::interleave_mode::sample);
    std::string out(encoder.estimated_destination_size() + 1000, '\0');
    encoder.destination(out.data(), out.size());
    out.resize(encoder.encode(bytes.data(), bytes.size()));
    return out;
}

std::string jpeg_2000(const Picture& picture, bool is_signed) {
    std::vector<opj_image_cmptparm_t> parts(picture.samples);
    for (auto& part : parts) {
        part.dx = part.dy = 1;
        part.w = picture.columns;
        part.h = picture.rows;
        part.prec = picture.bits;
        part.sgnd = is_signed;
    }
    opj_image_t* image = opj_image_create(picture.samples, parts.data(),
                                          picture.samples == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
    image->x1 = picture.columns;
    image->y1 = picture.rows;
    for (std::size_t i = 0; i < picture.values.size(); ++i) {
        int value = picture.values[i];
        if (is_signed && value >> (picture.bits - 1)) value -= 1 << picture.bits;
        image->comps[i % picture.samples].data[i / picture.samples] = value;
    }
    opj_cparameters_t parameters;
    opj_set_default_encoder_parameters(&parameters);
    parameters.numresolution = picture.rows < 8 ? 1 : 3;  // each halves the picture
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    parameters.tcp_mct = picture.samples == 3;
    opj_codec_t* codec = opj_create_compress(OPJ_CODEC_J2K);
    need(opj_setup_encoder(codec, &parameters, image));
    struct Sink {
        std::string bytes;
        std::size_t at = 0;
    } sink;
    opj_stream_t* stream = opj_stream_create(1 << 16, OPJ_FALSE);
    opj_stream_set_user_data(stream, &sink, nullptr);
    opj_stream_set_write_function(stream, [](void* from, OPJ_SIZE_T count, void* user) -> OPJ_SIZE_T {
        auto& to = *static_cast<Sink*>(user);
        if (to.bytes.size() < to.at + count) to.bytes.resize(to.at + count);
        std::memcpy(to.bytes.data() + to.at, from, count);
        to.at += count;
        return count;
    });
    opj_stream_set_seek_function(stream, [](OPJ_OFF_T at, void* user) -> OPJ_BOOL {
        static_cast<Sink*>(user)->at = static_cast<std::size_t>(at);
        return OPJ_TRUE;
    });
    opj_stream_set_skip_function(stream, [](OPJ_OFF_T count, void* user) -> OPJ_OFF_T {
        static_cast<Sink*>(user)->at += static_cast<std::size_t>(count);
        return count;
    });
    need(opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
         opj_end_compress(codec, stream));
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return sink.bytes;
}

std::string jpeg_xl(const Picture& picture) {
    JxlEncoder* encoder = JxlEncoderCreate(nullptr);
    JxlBasicInfo info;
    JxlEncoderInitBasicInfo(&info);
    info.xsize = picture.columns;
    info.ysize = picture.rows;
    info.bits_per_sample = picture.bits;
    info.num_color_channels = picture.samples;
    info.uses_original_profile = JXL_TRUE;
    need(JxlEncoderSetBasicInfo(encoder, &info) == JXL_ENC_SUCCESS);
    JxlColorEncoding colour;
    JxlColorEncodingSetToSRGB(&colour, picture.samples == 1);
    need(JxlEncoderSetColorEncoding(encoder, &colour) == JXL_ENC_SUCCESS);
    JxlEncoderFrameSettings* settings = JxlEncoderFrameSettingsCreate(encoder, nullptr);
    need(JxlEncoderSetFrameLossless(settings, JXL_TRUE) == JXL_ENC_SUCCESS);
    // As fractions of the largest value, so that any number of bits goes in exactly.
    std::vector<float> values;
    for (const std::uint16_t value : picture.values)
        values.push_back(static_cast<float>(value) / static_cast<float>((1U << picture.bits) - 1));
    const JxlPixelFormat format{picture.samples, JXL_TYPE_FLOAT, JXL_NATIVE_ENDIAN, 0};
    need(JxlEncoderAddImageFrame(settings, &format, values.data(), values.size() * sizeof(float)) ==
         JXL_ENC_SUCCESS);
    JxlEncoderCloseInput(encoder);
    std::string out(1 << 20, '\0');
    auto* next = reinterpret_cast<std::uint8_t*>(out.data());
    std::size_t left = out.size();
    need(JxlEncoderProcessOutput(encoder, &next, &left) == JXL_ENC_SUCCESS);
    out.resize(out.size() - left);
    JxlEncoderDestroy(encoder);
    return out;
}

std::string deflated_frame(const Picture& picture, unsigned allocated) {
    const std::string bytes = picture.bytes(allocated);
    std::string out(compressBound(bytes.size()) + 100, '\0');
    z_stream z{};
    need(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    z.avail_in = static_cast<uInt>(bytes.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    need(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - z.avail_out);
    deflateEnd(&z);
    return out;
}

}  // namespace test
