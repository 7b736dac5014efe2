#include "staging/work/case.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/base/error.h"
#include "staging/read/raster/raster.h"
#include "staging/work/spill.h"

namespace staging {
namespace {

// What no plain sample and no volume begins with: a number of fields, or composite.cpp's mark.
constexpr std::uint64_t kMark = ~std::uint64_t{1};
static_assert(std::is_trivially_copyable_v<Companion>);

struct Head {
    std::uint64_t mark, batch, segment, offset, companions, masks, image_slices;
};
struct MaskHead {
    std::uint64_t segment, offset, slices, turned;
};

}  // namespace

void spread_mask(core::Array& mask, const std::vector<std::uint32_t>& slices, std::uint64_t image_slices) {
    if (slices.empty()) return;
    const std::size_t had = slices.size(), plane = mask.bytes.size() / had;
    core::Bytes all(image_slices * plane);
    for (std::size_t i = 0; i < had; ++i) {
        if (slices[i] >= image_slices || mask.shape.size() != 4)
            throw core::Error(core::Fault::bug, "a mask with more slices than its image");
        std::memcpy(all.data() + slices[i] * plane, mask.bytes.data() + i * plane, plane);
    }
    mask.shape[1] = static_cast<std::int64_t>(image_slices);
    mask.bytes = std::move(all);
}

void turn_mask(core::Array& mask, std::uint32_t turned) {
    if (turned == 1) return;
    Pixels pixels;
    pixels.samples = 1;
    pixels.type = PixelType::u8;
    pixels.rows = static_cast<std::uint32_t>(mask.shape.end()[-2]);
    pixels.columns = static_cast<std::uint32_t>(mask.shape.end()[-1]);
    pixels.frames =
        static_cast<std::uint32_t>(mask.bytes.size() / (std::size_t{pixels.rows} * pixels.columns));
    turn_upright(pixels, static_cast<int>(turned), mask.bytes);
    mask.shape.end()[-2] = pixels.rows;
    mask.shape.end()[-1] = pixels.columns;
}

bool add_mask(core::Array& to, const core::Array& mask) {
    if (to.shape != mask.shape || to.bytes.size() != mask.bytes.size())
        throw core::Error(core::Fault::bug, "two masks of one image that differ in shape");
    bool two = false;
    for (std::size_t i = 0; i < to.bytes.size(); ++i) {
        two |= to.bytes[i] != 0 && mask.bytes[i] != 0 && to.bytes[i] != mask.bytes[i];
        to.bytes[i] = std::max(to.bytes[i], mask.bytes[i]);
    }
    return two;
}

core::Bytes encode(const Case& joined) {
    const Head head{kMark,
                    joined.batch,
                    joined.segment,
                    joined.offset,
                    joined.companions.size(),
                    joined.masks.size(),
                    joined.image_slices};
    core::Bytes out;
    const auto put = [&](const void* from, std::size_t size) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        out.insert(out.end(), bytes, bytes + size);
    };
    put(&head, sizeof head);
    put(joined.companions.data(), joined.companions.size() * sizeof(Companion));
    for (const Case::Mask& mask : joined.masks) {
        const MaskHead one{mask.segment, mask.offset, mask.slices.size(), mask.turned};
        put(&one, sizeof one);
        put(mask.slices.data(), mask.slices.size() * sizeof mask.slices[0]);
    }
    const core::Bytes columns = encode(core::Sample{{}, joined.columns});
    out.insert(out.end(), columns.begin(), columns.end());
    return out;
}

std::optional<Case> decode_case(core::ByteView bytes) {
    Head head{};
    if (bytes.size() < sizeof head) return std::nullopt;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.mark != kMark) return std::nullopt;
    core::ByteView rest = bytes.subspan(sizeof head);
    const auto get = [&](auto& to, std::uint64_t count) {
        if (count > rest.size() / sizeof to[0])
            throw core::Error(core::Fault::bug, "a waiting case is cut short");
        to.resize(count);
        if (count) std::memcpy(to.data(), rest.data(), count * sizeof to[0]);
        rest = rest.subspan(count * sizeof to[0]);
    };
    Case out;
    out.batch = head.batch, out.segment = head.segment, out.offset = head.offset;
    get(out.companions, head.companions);
    for (std::uint64_t i = 0; i < head.masks; ++i) {
        std::vector<MaskHead> one;
        get(one, 1);
        out.masks.push_back({one[0].segment, one[0].offset, {}, static_cast<std::uint32_t>(one[0].turned)});
        get(out.masks.back().slices, one[0].slices);
    }
    out.image_slices = head.image_slices;
    out.columns = decode(rest).columns;
    return out;
}

}  // namespace staging
