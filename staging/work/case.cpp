#include "staging/work/case.h"

#include <cstring>
#include <type_traits>

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
};

}  // namespace

core::Bytes encode(const Case& joined) {
    const Head head{kMark,
                    joined.batch,
                    joined.segment,
                    joined.offset,
                    joined.companions.size(),
                    joined.mask.has_value(),
                    joined.mask.value_or(Case::Place{})};
    core::Bytes out(sizeof head + joined.companions.size() * sizeof(Companion));
    std::memcpy(out.data(), &head, sizeof head);
    if (!joined.companions.empty())
        std::memcpy(out.data() + sizeof head, joined.companions.data(), out.size() - sizeof head);
    const core::Bytes columns = encode(core::Sample{{}, joined.columns});
    out.insert(out.end(), columns.begin(), columns.end());
    return out;
}

std::optional<Case> decode_case(core::ByteView bytes) {
    Head head{};
    if (bytes.size() < sizeof head) return std::nullopt;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.mark != kMark) return std::nullopt;
    if (head.companions > (bytes.size() - sizeof head) / sizeof(Companion))
        throw core::Error(core::Fault::bug, "a waiting case is cut short");
    Case out;
    out.batch = head.batch, out.segment = head.segment, out.offset = head.offset;
    if (head.has_mask) out.mask = head.mask;
    out.companions.resize(head.companions);
    const std::size_t size = head.companions * sizeof(Companion);
    if (size) std::memcpy(out.companions.data(), bytes.data() + sizeof head, size);
    out.columns = decode(bytes.subspan(sizeof head + size)).columns;
    return out;
}

}  // namespace staging
