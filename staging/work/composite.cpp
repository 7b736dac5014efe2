#include "staging/work/composite.h"

#include <cstring>
#include <type_traits>

#include "core/base/error.h"
#include "staging/work/spill.h"

namespace staging {
namespace {

// What no plain sample begins with: the number of its fields.
constexpr std::uint64_t kMark = ~std::uint64_t{0};
static_assert(std::is_trivially_copyable_v<Piece> && std::is_trivially_copyable_v<Grid> &&
              std::is_trivially_copyable_v<Cut>);

[[noreturn]] void broken() {
    throw core::Error(core::Fault::bug, "a waiting sample does not fit its volume");
}

}  // namespace

core::Bytes encode(const Composite& composite) {
    const core::Bytes columns = encode(core::Sample{{}, composite.columns});
    const std::uint64_t head[] = {kMark, composite.pieces.size()};
    core::Bytes out;
    const auto put = [&](const void* from, std::size_t count) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        out.insert(out.end(), bytes, bytes + count);
    };
    put(head, sizeof head);
    put(composite.spacing.data(), sizeof composite.spacing);
    put(&composite.grid, sizeof composite.grid);
    put(&composite.cut, sizeof composite.cut);
    put(composite.pieces.data(), composite.pieces.size() * sizeof(Piece));
    put(columns.data(), columns.size());
    return out;
}

std::optional<Composite> decode_composite(core::ByteView bytes) {
    std::uint64_t head[2];
    Composite out;
    const std::size_t fixed = sizeof head + sizeof out.spacing + sizeof out.grid + sizeof out.cut;
    if (bytes.size() < fixed) return std::nullopt;
    std::memcpy(head, bytes.data(), sizeof head);
    if (head[0] != kMark) return std::nullopt;
    if (head[1] > (bytes.size() - fixed) / sizeof(Piece)) broken();
    std::memcpy(out.spacing.data(), bytes.data() + sizeof head, sizeof out.spacing);
    std::memcpy(&out.grid, bytes.data() + sizeof head + sizeof out.spacing, sizeof out.grid);
    std::memcpy(&out.cut, bytes.data() + sizeof head + sizeof out.spacing + sizeof out.grid, sizeof out.cut);
    out.pieces.resize(head[1]);
    if (head[1]) std::memcpy(out.pieces.data(), bytes.data() + fixed, head[1] * sizeof(Piece));
    out.columns = decode(bytes.subspan(fixed + head[1] * sizeof(Piece))).columns;
    return out;
}

core::Sample assemble(const Composite& composite,
                      const std::function<core::Sample(std::uint64_t, std::uint64_t)>& load) {
    core::Sample out;
    out.columns = composite.columns;
    core::Sample waiting;
    for (std::size_t k = 0; k < composite.pieces.size(); ++k) {
        const Piece& piece = composite.pieces[k];
        if (k == 0 || piece.segment != composite.pieces[k - 1].segment ||
            piece.offset != composite.pieces[k - 1].offset)
            waiting = load(piece.segment, piece.offset);
        if (k == 0) out.fields.resize(waiting.fields.size());
        if (waiting.fields.size() != out.fields.size()) broken();
        for (std::size_t f = 0; f < out.fields.size(); ++f) {
            const core::Array& from = waiting.fields[f];
            core::Array& to = out.fields[f];
            if (from.shape.size() != 4 || from.shape[0] < 1 || from.shape[1] < 1) broken();
            const auto channels = static_cast<std::size_t>(from.shape[0]),
                       frames = static_cast<std::size_t>(from.shape[1]);
            const std::size_t plane = from.bytes.size() / channels / frames;
            if (k == 0) {
                to.shape = from.shape;
                to.shape[1] = static_cast<std::int64_t>(composite.pieces.size());
                to.bytes.resize(channels * composite.pieces.size() * plane);
            }
            if (from.shape[0] != to.shape[0] || from.shape[2] != to.shape[2] ||
                from.shape[3] != to.shape[3] || piece.frame >= frames ||
                plane * channels * composite.pieces.size() != to.bytes.size())
                broken();
            for (std::size_t c = 0; c < channels; ++c)
                std::memcpy(to.bytes.data() + (c * composite.pieces.size() + k) * plane,
                            from.bytes.data() + (c * frames + piece.frame) * plane, plane);
        }
    }
    return out;
}

}  // namespace staging
