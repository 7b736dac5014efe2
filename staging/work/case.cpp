#include "staging/work/case.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "core/base/error.h"
#include "staging/work/spill.h"

namespace staging {
namespace {

// What no plain sample and no volume begins with: a number of fields, or composite.cpp's mark.
constexpr std::uint64_t kMark = ~std::uint64_t{1};
static_assert(std::is_trivially_copyable_v<Companion>);

struct Head {
    std::uint64_t mark, batch, segment, offset, companions, has_mask;
    Case::Place mask;
    std::uint64_t mask_slices, image_slices;
};

}  // namespace

void spread_mask(core::Array& mask, const Case& joined) {
    if (joined.mask_slices.empty()) return;
    const std::size_t had = joined.mask_slices.size(), plane = mask.bytes.size() / had;
    core::Bytes all(joined.image_slices * plane);
    for (std::size_t i = 0; i < had; ++i) {
        if (joined.mask_slices[i] >= joined.image_slices || mask.shape.size() != 4)
            throw core::Error(core::Fault::bug, "a mask with more slices than its image");
        std::memcpy(all.data() + joined.mask_slices[i] * plane, mask.bytes.data() + i * plane, plane);
    }
    mask.shape[1] = static_cast<std::int64_t>(joined.image_slices);
    mask.bytes = std::move(all);
}

core::Bytes encode(const Case& joined) {
    const Head head{kMark,
                    joined.batch,
                    joined.segment,
                    joined.offset,
                    joined.companions.size(),
                    joined.mask.has_value(),
                    joined.mask.value_or(Case::Place{}),
                    joined.mask_slices.size(),
                    joined.image_slices};
    core::Bytes out;
    const auto put = [&](const void* from, std::size_t size) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        out.insert(out.end(), bytes, bytes + size);
    };
    put(&head, sizeof head);
    put(joined.companions.data(), joined.companions.size() * sizeof(Companion));
    put(joined.mask_slices.data(), joined.mask_slices.size() * sizeof joined.mask_slices[0]);
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
    if (head.has_mask) out.mask = head.mask;
    get(out.companions, head.companions);
    get(out.mask_slices, head.mask_slices);
    out.image_slices = head.image_slices;
    out.columns = decode(rest).columns;
    return out;
}

}  // namespace staging
