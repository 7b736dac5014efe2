#include "trainer/engine/patch.h"

#include <cmath>
#include <cstring>

#include "trainer/keys/key.h"
#include "trainer/keys/parts.h"
#include "trainer/loader/random.h"

namespace trainer {
namespace {

// Other streams than those of orders and crops.
constexpr std::uint64_t kOfPlaces = 0x504C41434553, kOfCentres = 0x43454E545245;

void append(core::Bytes& out, const std::vector<std::int64_t>& numbers) {
    const auto count = static_cast<std::int64_t>(numbers.size());
    for (const auto& [data, bytes] :
         {std::pair(&count, sizeof count), {numbers.data(), numbers.size() * sizeof count}}) {
        const auto* first = reinterpret_cast<const std::uint8_t*>(data);
        out.insert(out.end(), first, first + bytes);
    }
}

std::vector<std::int64_t> take(const core::Bytes& from, std::size_t& at) {
    std::int64_t count = 0;
    std::memcpy(&count, from.data() + at, sizeof count);
    at += sizeof count;
    std::vector<std::int64_t> out(static_cast<std::size_t>(count));
    if (count > 0) std::memcpy(out.data(), from.data() + at, out.size() * sizeof count);
    at += out.size() * sizeof count;
    return out;
}

}  // namespace

namespace {

constexpr Key<PatchOptions> kKeys[] = {
    {"size", &PatchOptions::size, 1, 1 << 20, "pixels",
     "of a part of the samples along each axis, slowest first; none: whole samples", 1},
    {"foreground", &PatchOptions::foreground, 0, 1, "",
     "share of the patches that are centred on a pixel of a class", 1},
    {"per_sample", &PatchOptions::per_sample, 1, 1000, "patches", "of each sample in an epoch", 1},
    {"overlap", &PatchOptions::overlap, 0, 0.9, "",
     "share of a window that the next one sees again, where whole samples are measured", 2,
     Counts::selection},
    {"padding", &PatchOptions::padding, -1e9, 1e9, "",
     "value of the image around a sample that is smaller than the patch; to be said where values may be "
     "below 0",
     1},
};

}  // namespace

std::vector<KeyRow> patch_rows() {
    std::vector<KeyRow> out;
    add_rows(out, "patch", PatchOptions(), kKeys);
    for (KeyRow& each : out) {
        each.by = "task.name";
        each.of = {"segmentation"};
        each.is_needed = each.name == "size";
    }
    return out;
}

PatchOptions PatchOptions::from(const core::Config& table) {
    PatchOptions out;
    for (const Key<PatchOptions>& key : kKeys) read(table, out, key);
    if (!table.has("padding")) out.padding = NAN;  // what that is, says the field: settle_padding
    if (out.size.size() == 1 || out.size.size() > 3)
        table.refuse("size", "expected 2 extents of images (rows, columns), or 3 of volumes (slices first)");
    if (out.size.empty() && !table.keys().empty())
        table.refuse("size", "expected the extents of a patch: the other keys are for patches");
    return out;
}

nlohmann::ordered_json PatchOptions::told() const {
    PatchOptions settled = *this;
    if (std::isnan(padding)) settled.padding = 0;
    nlohmann::ordered_json out;
    for (const Key<PatchOptions>& key : kKeys) tell(out, settled, PatchOptions(), key, Counts::weights);
    return out;
}

void Foreground::add(std::int64_t sample, std::span<const std::uint8_t> mask,
                     const std::vector<std::int64_t>& shape) {
    // One pass, each class a reservoir of its own (Vitter 1985, algorithm R).
    struct Kept {
        std::uint64_t seen = 0;
        std::vector<std::int64_t> places;
    };
    std::map<std::uint8_t, std::pair<Kept, Random>> classes;
    for (std::size_t i = 0; i < mask.size(); ++i) {
        if (mask[i] == 0) continue;
        const auto stream = static_cast<std::uint64_t>(sample);
        auto& [kept, random] =
            classes.try_emplace(mask[i], Kept(), Random(seed_ ^ kOfPlaces, mask[i], stream)).first->second;
        ++kept.seen;
        if (kept.places.size() < kKept)
            kept.places.push_back(static_cast<std::int64_t>(i));
        else if (const std::uint64_t place = random.below(kept.seen); place < kKept)
            kept.places[place] = static_cast<std::int64_t>(i);
    }
    Sample out{shape, {}};
    for (auto& [number, of] : classes) out.classes.push_back(std::move(of.first.places));
    samples_[sample] = std::move(out);
}

void Foreground::merge(const core::Comm& comm) {
    core::Bytes mine, all;
    for (const auto& [number, sample] : samples_) {
        append(mine, {number, static_cast<std::int64_t>(sample.classes.size())});
        append(mine, sample.shape);
        for (const auto& places : sample.classes) append(mine, places);
    }
    for (const core::Bytes& each : comm.gather(mine)) all.insert(all.end(), each.begin(), each.end());
    comm.broadcast(all);
    for (std::size_t at = 0; at < all.size();) {
        const std::vector<std::int64_t> head = take(all, at);
        Sample& sample = samples_[head[0]];
        sample = {take(all, at), {}};
        for (std::int64_t i = 0; i < head[1]; ++i) sample.classes.push_back(take(all, at));
    }
}

std::vector<std::int64_t> Foreground::centre(std::int64_t draw, std::int64_t sample) const {
    Random random(seed_ ^ kOfCentres, static_cast<std::uint64_t>(draw), static_cast<std::uint64_t>(sample));
    const double uniform = static_cast<double>(random.next() >> 11) * 0x1p-53;
    const auto found = samples_.find(sample);
    if (uniform >= share_ || found == samples_.end() || found->second.classes.empty()) return {};
    const auto& places = found->second.classes[random.below(found->second.classes.size())];
    std::int64_t place = places[random.below(places.size())];
    std::vector<std::int64_t> out = found->second.shape;
    for (std::size_t axis = out.size(); axis-- > 0;) {
        const std::int64_t extent = out[axis];
        out[axis] = place % extent;
        place /= extent;
    }
    return out;
}

}  // namespace trainer
