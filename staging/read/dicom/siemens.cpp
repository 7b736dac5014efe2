#include "staging/read/dicom/siemens.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace staging {
namespace {

constexpr std::uint32_t kMostTags = 128, kMostItems = 1024, kMostImages = 4096;

// Reads little-endian words one after the other; nothing once the bytes end.
class Words {
public:
    explicit Words(core::ByteView bytes) : rest_(bytes) {}
    std::optional<std::uint32_t> word() {
        if (rest_.size() < 4) return std::nullopt;
        std::uint32_t value;
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_ = rest_.subspan(4);
        return value;
    }
    std::optional<core::ByteView> bytes(std::uint64_t count) {
        if (count > rest_.size()) return std::nullopt;
        const core::ByteView out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }

private:
    core::ByteView rest_;
};

// Up to the first NUL.
std::string_view text_of(core::ByteView bytes) {
    const std::string_view all = core::text(bytes);
    return all.substr(0, all.find('\0'));
}

std::optional<double> number_of(core::ByteView bytes) {
    const std::string_view text = trimmed(text_of(bytes));
    double value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

}  // namespace

// CSA1: count, 77, tags. CSA2: "SV10", four bytes, then the same. A tag: name [64], vm, vr [4], type, items, 77 or 205;
// an item: four words, of which one tells its length (CSA2 the second; CSA1 the first, less the first tag's items),
// then its bytes, padded to words.
std::optional<std::array<double, 3>> csa_vector(core::ByteView csa, std::string_view name) {
    const bool second = csa.size() >= 8 && core::text(csa.first(4)) == "SV10";
    Words in(second ? csa.subspan(8) : csa);
    const auto tags = in.word(), check = in.word();
    if (!tags || !check || *tags == 0 || *tags > kMostTags || *check != 77) return std::nullopt;
    std::uint32_t items_of_first = 0;
    for (std::uint32_t tag = 0; tag < *tags; ++tag) {
        const auto label = in.bytes(64);
        const auto vm = in.word(), vr = in.word(), type = in.word(), items = in.word(), end = in.word();
        if (!label || !vm || !vr || !type || !items || !end || *items > kMostItems) return std::nullopt;
        if (tag == 0) items_of_first = *items;
        const bool wanted = text_of(*label) == name;
        std::array<double, 3> found{};
        std::size_t count = 0;
        for (std::uint32_t item = 0; item < *items; ++item) {
            std::uint32_t words[4];
            for (std::uint32_t& word : words) {
                const auto next = in.word();
                if (!next) return std::nullopt;
                word = *next;
            }
            const std::uint32_t length = second ? words[1] : words[0] - items_of_first;
            if (!second && words[0] < items_of_first) return std::nullopt;
            const auto bytes = in.bytes((std::uint64_t{length} + 3) / 4 * 4);
            if (!bytes) return std::nullopt;
            if (!wanted || length == 0) continue;
            const auto value = number_of(bytes->first(length));
            if (!value || count == found.size()) return std::nullopt;
            found[count++] = *value;
        }
        if (wanted) return count == found.size() ? std::optional(found) : std::nullopt;
    }
    return std::nullopt;
}

std::optional<Mosaic> find_mosaic(const SiemensHeader& header, std::string_view image_type) {
    if (header.creator_0019 != "SIEMENS MR HEADER" || !header.images || *header.images < 2 ||
        *header.images > kMostImages || image_type.find("MOSAIC") == std::string_view::npos)
        return std::nullopt;
    Mosaic out{*header.images, {}};
    if (header.creator_0029 != "SIEMENS CSA HEADER") return out;
    if (auto normal = csa_vector(header.csa, "SliceNormalVector")) {
        const double length = std::hypot((*normal)[0], (*normal)[1], (*normal)[2]);
        if (std::fabs(length - 1) < 1e-3) out.normal = normal;
    }
    return out;
}

bool cut_mosaic(const Mosaic& mosaic, Record& record, std::span<std::uint8_t> pixels) {
    Pixels& all = record.pixels;
    std::uint32_t side = 1;
    while (side * side < mosaic.images) ++side;
    if (all.frames != 1 || all.samples != 1 || all.rows % side || all.columns % side || !all.rows ||
        !all.columns)
        return false;
    const std::uint32_t rows = all.rows / side, columns = all.columns / side;
    const std::size_t pixel = pixel_type_bytes(all.type), line = columns * pixel,
                      whole_line = std::size_t{all.columns} * pixel;
    if (!pixels.empty()) {
        // Each band of tiles becomes its slices; a band never needs bytes of another.
        core::Bytes band(whole_line * rows);
        for (std::uint32_t y = 0; y < side; ++y) {
            std::uint8_t* at = pixels.data() + y * band.size();
            std::copy_n(at, band.size(), band.begin());
            for (std::uint32_t x = 0; x < side; ++x)
                for (std::uint32_t row = 0; row < rows; ++row)
                    std::copy_n(band.data() + row * whole_line + x * line, line,
                                at + (x * rows + row) * line);
        }
    }
    Frame first = record.frames.size() == 1 ? record.frames.front() : Frame{};
    const auto distance = first.slice_spacing ? first.slice_spacing : first.thickness;
    const bool placed =
        first.position && first.orientation && first.spacing && mosaic.normal && distance && *distance > 0;
    if (placed)
        // The position is that of the corner that the whole picture would have, were it one slice.
        for (std::size_t axis = 0; axis < 3; ++axis)
            (*first.position)[axis] +=
                (*first.orientation)[axis] * (*first.spacing)[1] * (all.columns - columns) / 2.0 +
                (*first.orientation)[axis + 3] * (*first.spacing)[0] * (all.rows - rows) / 2.0;
    else
        first.position.reset();
    record.frames.assign(mosaic.images, first);
    for (std::uint32_t k = 1; placed && k < mosaic.images; ++k)
        for (std::size_t axis = 0; axis < 3; ++axis)
            (*record.frames[k].position)[axis] += k * *distance * (*mosaic.normal)[axis];
    all.frames = mosaic.images;
    all.rows = rows;
    all.columns = columns;
    return true;
}

}  // namespace staging
