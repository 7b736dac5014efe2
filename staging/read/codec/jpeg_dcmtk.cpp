// clang-format off
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmjpeg/djcparam.h>
#include <dcmtk/dcmjpeg/djdijg12.h>
#include <dcmtk/dcmjpeg/djdijg16.h>
#include <dcmtk/dcmjpeg/djdijg8.h>
// clang-format on

#include <algorithm>

#include "staging/read/codec/codec.h"
#include "staging/read/codec/jpeg_header.h"
#include "staging/read/codec/samples.h"
#include "staging/read/refused.h"

// JPEG lossless and JPEG of 12 bits: DCMTK brings the IJG library three times, for 8, 12 and 16 bits, with the lossless
// processes in it. Only its frame decoders are used, nothing of its data sets, codecs' registry or log.
namespace staging {
namespace {

// A sequential image in several scans is held whole in 16-bit coefficients.
constexpr std::uint64_t kMostSamples = 128 << 20;

// Warnings are data that are missing or damaged, for which the library makes up samples: not taken for an image.
template <class Library>
class Decoder final : public Library {
public:
    explicit Decoder(const DJCodecParameter& parameter) : Library(parameter, OFFalse) {}
    void emitMessage(int level) const override {
        if (level < 0) damaged_ = true;
    }
    bool decode_whole(core::ByteView frame, std::span<std::uint8_t> out, bool is_signed) {
        return this->init().good() &&
               this->decode(const_cast<Uint8*>(frame.data()), static_cast<Uint32>(frame.size()), out.data(),
                            static_cast<Uint32>(out.size()), is_signed)
                   .good() &&
               !damaged_;
    }

private:
    mutable bool damaged_ = false;
};

template <class Library>
bool run(core::ByteView frame, std::span<std::uint8_t> out, bool is_signed) {
    // No colour is converted and no plane split.
    const DJCodecParameter parameter(ECC_lossyYCbCr, EDC_never, EUC_never, EPC_colorByPixel);
    return Decoder<Library>(parameter).decode_whole(frame, out, is_signed);
}

// `bits` is the library's: samples of up to 8 come as bytes, else as 16-bit words.
Colour decode(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out,
              std::uint8_t process, Word name) {
    const auto failed = [&] { throw Refused(Reason::decode_failed, name); };
    const auto header = read_jpeg_header(frame);
    if (!header || header->process != process || header->rows != shape.rows ||
        header->columns != shape.columns || header->components != shape.samples || header->precision < 2 ||
        header->precision > shape.allocated || shape.sample_count() > kMostSamples ||
        frame.size() > 0x7fffffff)
        failed();
    // A padding byte at the end is no part of the image, and the library would ask for what follows it.
    const unsigned precision = header->precision;
    const std::size_t coded_bytes = precision <= 8 ? 1 : 2;
    const bool widen = coded_bytes < pixel_type_bytes(shape.type);
    core::Bytes narrow(widen ? shape.sample_count() * coded_bytes : 0);
    const std::span<std::uint8_t> to = widen ? std::span(narrow) : out;
    const bool ok = precision <= 8    ? run<DJDecompressIJG8Bit>(frame, to, shape.is_signed())
                    : precision <= 12 ? run<DJDecompressIJG12Bit>(frame, to, shape.is_signed())
                                      : run<DJDecompressIJG16Bit>(frame, to, shape.is_signed());
    if (!ok) failed();
    if (widen)
        for (std::size_t i = 0; i < narrow.size(); ++i)
            put_sample(out, pixel_type_bytes(shape.type), i, narrow[i]);
    return Colour::as_data_set_says;
}

}  // namespace

Colour decode_jpeg_lossless(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out) {
    return decode(frame, shape, out, 3, "JPEG lossless");
}

Colour decode_jpeg_extended(core::ByteView frame, const FrameShape& shape, std::span<std::uint8_t> out) {
    const auto header = read_jpeg_header(frame);
    if (header && header->precision == 8) {
        if (shape.allocated != 8) throw Refused(Reason::decode_failed, "JPEG extended");
        return decode_jpeg(frame, shape, out);
    }
    return decode(frame, shape, out, 1, "JPEG extended");
}

}  // namespace staging
