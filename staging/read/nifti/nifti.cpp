#include "staging/read/nifti/nifti.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "staging/read/codec/inflate.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

using Vector = std::array<double, 3>;

// Numbers of a header in either byte order.
class Header {
public:
    Header(core::ByteView bytes, bool swap) : bytes_(bytes), swap_(swap) {}
    template <class T>
    T at(std::size_t offset) const {
        std::array<std::uint8_t, sizeof(T)> raw;
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), sizeof(T), raw.begin());
        if (swap_) std::reverse(raw.begin(), raw.end());
        T value;
        std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }

private:
    core::ByteView bytes_;
    bool swap_;
};

// What both versions say, in the wider types of version 2.
struct Meaning {
    bool swap = false;
    int version = 1;
    std::array<std::int64_t, 8> dim{};
    std::array<double, 8> pixdim{};
    std::int64_t datatype = 0, vox_offset = 0;
    double slope = 0, intercept = 0;
    std::int64_t qform = 0, sform = 0, units = 0, intent = 0;
    std::array<double, 3> quaternion{}, offset{};
    std::array<std::array<double, 4>, 3> srow{};
};

constexpr std::size_t kBytes1 = 348, kBytes2 = 540;

template <class Real>
void read_geometry(const Header& header, Meaning& out, std::size_t quaternion, std::size_t offset,
                   std::size_t srow) {
    for (std::size_t i = 0; i < 3; ++i) {
        out.quaternion[i] = header.at<Real>(quaternion + i * sizeof(Real));
        out.offset[i] = header.at<Real>(offset + i * sizeof(Real));
        for (std::size_t k = 0; k < 4; ++k)
            out.srow[i][k] = header.at<Real>(srow + (4 * i + k) * sizeof(Real));
    }
}

Meaning read_1(core::ByteView file, bool swap) {
    const Header header(file, swap);
    Meaning out;
    out.swap = swap;
    for (std::size_t i = 0; i < 8; ++i) {
        out.dim[i] = header.at<std::int16_t>(40 + 2 * i);
        out.pixdim[i] = header.at<float>(76 + 4 * i);
    }
    out.intent = header.at<std::int16_t>(68);
    out.datatype = header.at<std::int16_t>(70);
    const double vox_offset = header.at<float>(108);
    if (!(vox_offset >= 0 && vox_offset < 1e9)) throw Refused(Reason::malformed, "vox_offset");
    out.vox_offset = static_cast<std::int64_t>(vox_offset);
    out.slope = header.at<float>(112);
    out.intercept = header.at<float>(116);
    out.units = header.at<std::uint8_t>(123);
    out.qform = header.at<std::int16_t>(252);
    out.sform = header.at<std::int16_t>(254);
    read_geometry<float>(header, out, 256, 268, 280);
    return out;
}

Meaning read_2(core::ByteView file, bool swap) {
    const Header header(file, swap);
    Meaning out;
    out.swap = swap;
    out.version = 2;
    for (std::size_t i = 0; i < 8; ++i) {
        out.dim[i] = header.at<std::int64_t>(16 + 8 * i);
        out.pixdim[i] = header.at<double>(104 + 8 * i);
    }
    out.datatype = header.at<std::int16_t>(12);
    out.vox_offset = header.at<std::int64_t>(168);
    out.slope = header.at<double>(176);
    out.intercept = header.at<double>(184);
    out.qform = header.at<std::int32_t>(344);
    out.sform = header.at<std::int32_t>(348);
    read_geometry<double>(header, out, 352, 376, 400);
    out.units = header.at<std::int32_t>(500);
    out.intent = header.at<std::int32_t>(504);
    return out;
}

// One file, or the header of a pair.
enum class Kind { single, pair };

Meaning read_header(core::ByteView file, Kind kind) {
    if (file.size() < kBytes1) throw Refused(Reason::truncated, "header");
    std::uint32_t size;
    std::memcpy(&size, file.data(), sizeof size);
    const bool swap = size == __builtin_bswap32(kBytes1) || size == __builtin_bswap32(kBytes2);
    if (swap) size = __builtin_bswap32(size);
    const std::string_view magic_1 = core::text(file.subspan(344, 4));
    if (size == kBytes1) {
        const bool is_pair = magic_1 == std::string_view("ni1\0", 4);
        if (!is_pair && magic_1 != std::string_view("n+1\0", 4)) throw Refused(Reason::not_recognised);
        if (is_pair != (kind == Kind::pair))
            throw Refused(Reason::not_recognised, is_pair ? Word("pair of files") : Word("not of a pair"));
        return read_1(file, swap);
    }
    if (size != kBytes2) throw Refused(Reason::not_recognised);
    if (file.size() < kBytes2) throw Refused(Reason::truncated, "header");
    const std::string_view magic_2 = core::text(file.subspan(4, 8));
    const bool is_pair = magic_2 == std::string_view("ni2\0\r\n\x1a\n", 8);
    if (!is_pair && magic_2 != std::string_view("n+2\0\r\n\x1a\n", 8)) throw Refused(Reason::not_recognised);
    if (is_pair != (kind == Kind::pair))
        throw Refused(Reason::not_recognised, is_pair ? Word("pair of files") : Word("not of a pair"));
    return read_2(file, swap);
}

// What 64 bits hold comes in 32, which hold what scanners and masks have.
struct Voxel {
    PixelType type;
    std::uint32_t samples;
    bool is_wide = false;  // in the file
    std::size_t word() const { return pixel_type_bytes(type) * (is_wide ? 2 : 1); }
};

Voxel voxel_of(std::int64_t datatype) {
    switch (datatype) {
        case 2:
            return {PixelType::u8, 1};
        case 4:
            return {PixelType::i16, 1};
        case 8:
            return {PixelType::i32, 1};
        case 16:
            return {PixelType::f32, 1};
        case 64:
            return {PixelType::f64, 1};
        case 128:
            return {PixelType::u8, 3};
        case 256:
            return {PixelType::i8, 1};
        case 512:
            return {PixelType::u16, 1};
        case 768:
            return {PixelType::u32, 1};
        case 1024:
            return {PixelType::i32, 1, true};
        case 1280:
            return {PixelType::u32, 1, true};
        default:
            throw Refused(Reason::pixel_format_unsupported, "datatype");
    }
}

Pixels plan(const Meaning& meaning, const Limits& limits) {
    const std::int64_t rank = meaning.dim[0];
    if (rank < 2 || rank > 7) throw Refused(Reason::malformed, "dim");
    const auto extent = [&](std::int64_t axis) {
        const std::int64_t n = axis <= rank ? meaning.dim[static_cast<std::size_t>(axis)] : 1;
        if (n < 1) throw Refused(Reason::pixel_size_mismatch, "dim");
        return static_cast<std::uint64_t>(n);
    };
    // A fifth dimension and more: vectors and tensors, which are no picture.
    for (std::int64_t axis = 5; axis <= rank; ++axis)
        if (extent(axis) != 1) throw Refused(Reason::pixel_format_unsupported, "dim");
    check_sides(extent(2), extent(1));
    const Voxel voxel = voxel_of(meaning.datatype);
    Pixels pixels;
    pixels.columns = static_cast<std::uint32_t>(extent(1));
    pixels.rows = static_cast<std::uint32_t>(extent(2));
    pixels.samples = voxel.samples;
    pixels.type = voxel.type;
    pixels.bits_allocated = pixels.bits_stored = static_cast<std::uint16_t>(8 * pixel_type_bytes(voxel.type));
    pixels.photometric = voxel.samples == 3 ? "RGB" : "MONOCHROME2";
    const std::uint64_t frame =
        std::uint64_t{pixels.rows} * pixels.columns * voxel.samples * pixel_type_bytes(voxel.type);
    check_pixels(extent(3), frame, limits);
    check_pixels(extent(4), extent(3) * frame, limits);
    pixels.frames = static_cast<std::uint32_t>(extent(3) * extent(4));
    return pixels;
}

double millimetres(std::int64_t units) {
    switch (units & 7) {
        case 1:
            return 1000;
        case 3:
            return 0.001;
        default:
            return 1;  // millimetres, or not said
    }
}

// Columns i, j, k and the offset, in LPS and millimetres; nothing if the file does not say where it lies.
std::optional<std::array<Vector, 4>> affine_of(const Meaning& meaning) {
    std::array<Vector, 4> out{};
    // A matrix that nobody filled in says nothing, whatever its code; the quaternion may.
    const bool is_empty = std::ranges::all_of(
        meaning.srow, [](const auto& row) { return std::ranges::count(row, 0.0) == std::ssize(row); });
    if (meaning.sform > 0 && !(is_empty && meaning.qform > 0)) {
        for (std::size_t row = 0; row < 3; ++row)
            for (std::size_t column = 0; column < 4; ++column) out[column][row] = meaning.srow[row][column];
    } else if (meaning.qform > 0) {
        // nifti1.h, "QUATERNION REPRESENTATION OF ROTATION MATRIX"
        const auto [b, c, d] = meaning.quaternion;
        const double rest = 1 - (b * b + c * c + d * d);
        const double a = rest > 1e-7 ? std::sqrt(rest) : 0;
        const double norm = rest > 1e-7 ? 1 : 1 / std::sqrt(b * b + c * c + d * d);
        const double p = b * norm, q = c * norm, r = d * norm;
        const double flip = meaning.pixdim[0] < 0 ? -1 : 1;
        const std::array<Vector, 3> turned = {
            Vector{a * a + p * p - q * q - r * r, 2 * (p * q + a * r), 2 * (p * r - a * q)},
            Vector{2 * (p * q - a * r), a * a + q * q - p * p - r * r, 2 * (q * r + a * p)},
            Vector{2 * (p * r + a * q), 2 * (q * r - a * p), a * a + r * r - q * q - p * p}};
        for (std::size_t column = 0; column < 3; ++column)
            for (std::size_t row = 0; row < 3; ++row)
                out[column][row] =
                    turned[column][row] * meaning.pixdim[column + 1] * (column == 2 ? flip : 1);
        out[3] = meaning.offset;
    } else {
        return std::nullopt;
    }
    const double scale = millimetres(meaning.units);
    for (Vector& column : out) {
        for (double& value : column) value *= scale;
        column[0] = -column[0];
        column[1] = -column[1];
        for (const double value : column)
            if (!std::isfinite(value)) throw Refused(Reason::malformed, "affine");
    }
    return out;
}

double length(const Vector& v) {
    return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
}

std::vector<Frame> frames_of(const Meaning& meaning, const Pixels& pixels) {
    Frame common;
    const double scale = millimetres(meaning.units);
    const auto step = [&](std::size_t axis) -> std::optional<double> {
        const double mm = std::fabs(meaning.pixdim[axis]) * scale;
        return std::isfinite(mm) && mm > 0 ? std::optional(mm) : std::nullopt;
    };
    if (step(1) && step(2)) common.spacing = {*step(2), *step(1)};
    if (meaning.dim[0] >= 3) common.slice_spacing = step(3);
    // nifti1.h, "DATA SCALING": a slope of 0 says that there is none, as does one that is no number (nibabel); colours
    // have none.
    if (std::isfinite(meaning.slope) && meaning.slope != 0 && pixels.samples == 1) {
        if (!std::isfinite(meaning.intercept)) throw Refused(Reason::malformed, "scl_inter");
        if (meaning.slope != 1 || meaning.intercept != 0) {
            common.slope = meaning.slope;
            common.intercept = meaning.intercept;
        }
    }
    const auto affine = affine_of(meaning);
    if (affine) {
        const double i = length((*affine)[0]), j = length((*affine)[1]), k = length((*affine)[2]);
        if (i == 0 || j == 0 || (k == 0 && pixels.frames > 1)) throw Refused(Reason::malformed, "affine");
        common.spacing = {j, i};
        if (k > 0) common.slice_spacing = k;
        std::array<double, 6> orientation;
        for (std::size_t n = 0; n < 3; ++n) {
            orientation[n] = (*affine)[0][n] / i;
            orientation[n + 3] = (*affine)[1][n] / j;
        }
        common.orientation = orientation;
    }
    const auto slices = static_cast<std::uint32_t>(meaning.dim[0] >= 3 ? meaning.dim[3] : 1);
    std::vector<Frame> frames(pixels.frames, common);
    for (std::uint32_t n = 0; n < pixels.frames; ++n) {
        frames[n].instance = n + 1;
        if (pixels.frames > slices) frames[n].temporal = n / slices + 1;
        if (!affine) continue;
        Vector position;
        for (std::size_t axis = 0; axis < 3; ++axis)
            position[axis] = (*affine)[3][axis] + (*affine)[2][axis] * (n % slices);
        frames[n].position = position;
    }
    return frames;
}

struct Known {
    std::string_view name;
    double (*value)(const Meaning&);
};
constexpr Known kKnown[] = {
    {"intent_code", [](const Meaning& m) { return static_cast<double>(m.intent); }},
    {"qform_code", [](const Meaning& m) { return static_cast<double>(m.qform); }},
    {"sform_code", [](const Meaning& m) { return static_cast<double>(m.sform); }},
    {"repetition_time_s",
     [](const Meaning& m) {
         const std::int64_t unit = m.units & 0x38;
         return m.pixdim[4] * (unit == 16 ? 1e-3 : unit == 24 ? 1e-6 : 1);
     }},
};

// Throws Refused where a value is wider than its 32 bits.
template <class Wide, class Narrow>
void narrow(core::ByteView from, std::span<std::uint8_t> to) {
    for (std::size_t i = 0, count = to.size() / sizeof(Narrow); i < count; ++i) {
        Wide value;
        std::memcpy(&value, from.data() + i * sizeof value, sizeof value);
        if (!std::in_range<Narrow>(value)) throw Refused(Reason::pixel_format_unsupported, "datatype");
        const auto kept = static_cast<Narrow>(value);
        std::memcpy(to.data() + i * sizeof kept, &kept, sizeof kept);
    }
}

// The voxels of a file, in this machine's order and the type that voxel_of() says.
void read_voxels(core::ByteView file, const Voxel& voxel, bool swap, std::span<std::uint8_t> out) {
    core::Bytes wide(voxel.is_wide ? file.size() : 0);
    const std::span<std::uint8_t> words = voxel.is_wide ? std::span(wide) : out;
    std::memcpy(words.data(), file.data(), file.size());
    const std::size_t word = voxel.word();
    if (swap && word > 1)
        for (std::size_t i = 0; i + word <= words.size(); i += word)
            std::reverse(words.begin() + static_cast<std::ptrdiff_t>(i),
                         words.begin() + static_cast<std::ptrdiff_t>(i + word));
    if (!voxel.is_wide) return;
    if (voxel.type == PixelType::i32)
        narrow<std::int64_t, std::int32_t>(wide, out);
    else
        narrow<std::uint64_t, std::uint32_t>(wide, out);
}

// `data`: of a pair.
void read(core::ByteView file, const std::optional<core::ByteView>& data, const Wanted& wanted,
          const Limits& limits, Depth depth, std::span<std::uint8_t> room, Record& record) {
    core::Bytes inflated, inflated_data;
    if (is_gzip(file)) file = inflated = gunzip(file, limits);
    const Meaning meaning = read_header(file, data ? Kind::pair : Kind::single);
    record.pixels = plan(meaning, limits);
    record.frames = frames_of(meaning, record.pixels);
    if (record.frames[0].slope) record.units = Units::other;
    record.facts.transfer_syntax = meaning.version == 1 ? "NIfTI-1" : "NIfTI-2";

    const std::size_t begins = data ? 0 : meaning.version == 1 ? kBytes1 + 4 : kBytes2 + 4;
    if (data) {
        file = *data;
        if (is_gzip(file)) file = inflated_data = gunzip(file, limits);
    }
    const auto at = static_cast<std::uint64_t>(std::max<std::int64_t>(meaning.vox_offset, 0));
    if (at < begins) throw Refused(Reason::malformed, "vox_offset");
    const Voxel voxel = voxel_of(meaning.datatype);
    const std::uint64_t bytes = record.pixels.byte_count() / pixel_type_bytes(voxel.type) * voxel.word();
    if (at > file.size() || file.size() - at < bytes) throw Refused(Reason::truncated);
    if (file.size() - at > bytes)
        record.deviations |= 1u << static_cast<unsigned>(Deviation::extra_pixel_bytes);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        record.values.emplace_back();
        const auto found = std::ranges::find(kKnown, wanted.name(i), &Known::name);
        if (found == std::end(kKnown)) continue;
        const double value = found->value(meaning);
        if (!std::isfinite(value)) continue;
        char text[32];
        const auto end = std::to_chars(text, text + sizeof text, value).ptr;
        record.values.back() = Value{std::string(text, end), {'D', 'S'}, false};
    }
    if (depth == Depth::header) return;
    const auto out = room.first(record.pixels.byte_count());
    read_voxels(file.subspan(at, bytes), voxel, meaning.swap, out);
    record.pixels.bytes = out;
    record.pixels.sha256 = core::sha256(out);
}

}  // namespace

bool is_nifti(core::ByteView head) {
    if (is_gzip(head)) return true;  // what is inside is found out in the worker
    if (head.size() < kBytes1) return false;
    for (const std::string_view magic : {core::text(head.subspan(344, 3)), core::text(head.subspan(4, 3))})
        if (magic == "n+1" || magic == "n+2" || magic == "ni1" || magic == "ni2") return true;
    return false;
}

bool is_nifti_name(std::string_view name) {
    return std::ranges::find(kKnown, name, &Known::name) != std::end(kKnown);
}

Record read_nifti(core::ByteView file, const Wanted& wanted, const Limits& limits, Depth depth,
                  std::span<std::uint8_t> pixels) {
    Record record;
    record.file_bytes = file.size();
    record.file_sha256 = core::sha256(file);
    read_or_refuse(record, [&] { read(file, std::nullopt, wanted, limits, depth, pixels, record); });
    return record;
}

Record read_nifti_pair(core::ByteView header, core::ByteView data, const Wanted& wanted, const Limits& limits,
                       Depth depth, std::span<std::uint8_t> pixels) {
    Record record;
    record.file_bytes = header.size() + data.size();
    core::Sha256 both;
    both.update(header);
    both.update(data);
    record.file_sha256 = both.finish();
    read_or_refuse(record, [&] { read(header, data, wanted, limits, depth, pixels, record); });
    return record;
}

}  // namespace staging
