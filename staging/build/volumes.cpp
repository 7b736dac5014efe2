#include "staging/build/volumes.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "staging/build/stage1.h"
#include "staging/image/fields.h"
#include "staging/image/series.h"
#include "staging/work/shuffle.h"

namespace staging {
namespace {

// A partition's frames are in memory at a time: 64 MB of them.
constexpr std::int64_t kSlicesPerPartition = 1 << 17;
constexpr std::int64_t kFewestPartitions = 16;  // so that ranks share the work of small datasets too

using Slices = std::vector<SliceRef>;

Rejected rejected(const SliceRef& slice, Reason reason, const std::string& detail, bool whole_file) {
    Rejected out;
    out.origin = slice.ref.origin;
    if (!whole_file) out.origin.row = slice.frame + 1;
    out.site = slice.ref.site;
    std::copy(std::begin(slice.file_name), std::end(slice.file_name), out.file_name);
    set_reason(out, reason, detail);
    return out;
}

// Of frames that became no volume: one record for a file of which all frames are left out for one reason, else
// one for each frame.
void reject_all(std::vector<std::tuple<const SliceRef*, Reason, std::string>> left, BatchWriter& writer) {
    std::ranges::sort(left, [](const auto& a, const auto& b) {
        const SliceRef &x = *std::get<0>(a), &y = *std::get<0>(b);
        return std::tie(x.ref.origin, x.frame) < std::tie(y.ref.origin, y.frame);
    });
    for (std::size_t begin = 0, end = 0; begin < left.size(); begin = end) {
        const SliceRef& first = *std::get<0>(left[begin]);
        bool one_reason = true;
        for (end = begin; end < left.size() && std::get<0>(left[end])->ref.origin == first.ref.origin; ++end)
            one_reason &= std::get<1>(left[end]) == std::get<1>(left[begin]);
        const bool whole = one_reason && end - begin == first.frames;
        for (std::size_t i = begin; i < end; ++i) {
            writer.reject(rejected(*std::get<0>(left[i]), std::get<1>(left[i]), std::get<2>(left[i]), whole));
            if (whole) break;
        }
    }
}

class Maker {
public:
    Maker(const Definition& definition, const Pseudonyms& pseudonyms, const Spill& spill)
        : definition_(definition), pseudonyms_(pseudonyms), spill_(spill) {}

    void series(const Slices& slices, BatchWriter& writer) const {
        std::vector<Slice> all;
        for (const SliceRef& ref : slices)
            all.push_back({ref.place, ref.rows, ref.columns, ref.samples, ref.is_localizer != 0,
                           ref.ref.content, ref.ref.origin.file << 20 | ref.frame});
        const Series sorted = sort_series(all);
        std::vector<std::tuple<const SliceRef*, Reason, std::string>> left;
        for (const LeftOver& one : sorted.left) left.emplace_back(&slices[one.slice], one.reason, "");
        for (const Stack& stack : sorted.stacks)
            if (const auto refused = volume(slices, stack, writer))
                for (const std::size_t i : stack.slices)
                    left.emplace_back(&slices[i], refused->reason, refused->detail);
        reject_all(std::move(left), writer);
    }

private:
    std::optional<Rejection> volume(const Slices& slices, const Stack& stack, BatchWriter& writer) const {
        const SliceRef& first = slices[stack.slices.front()];
        auto computed = volume_cells(
            definition_, stack,
            {first.samples, static_cast<std::int64_t>(stack.slices.size()), first.rows, first.columns});
        if (auto* refused = std::get_if<Rejection>(&computed)) return std::move(*refused);
        VolumeCells& cells = std::get<VolumeCells>(computed);
        Composite made;
        made.spacing = stack.spacing;
        SampleRef ref = first.ref;  // patient, quasi-identifiers, site and split are the series'
        core::Bytes contents;
        for (const std::size_t i : stack.slices) {
            const SliceRef& slice = slices[i];
            Piece piece{slice.ref.batch, slice.ref.offset, slice.frame, slice.ref.origin.file, {}};
            std::copy(std::begin(slice.file_name), std::end(slice.file_name), piece.file_name);
            made.pieces.push_back(piece);
            ref.origin = std::min(ref.origin, slice.ref.origin);
            contents.insert(contents.end(), slice.ref.content.begin(), slice.ref.content.end());
        }
        // Columns that differ from slice to slice are those of the lowest one.
        made.columns = spill_.sample(first.ref).columns;
        std::ranges::move(cells.cells, std::back_inserter(made.columns));
        // Time points of equal pixels (none at all, for one) are not the same volume twice.
        ref.content = pseudonyms_.of("volume", core::view(std::to_string(stack.part)), contents);
        ref.instance = {};  // of files: duplicates among them were found in the series
        ref.bytes = cells.bytes;
        ref.order = first_64_bits(pseudonyms_.of("order", core::view(definition_.id()), ref.content));
        writer.add_volume(ref, made);
        return std::nullopt;
    }

    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    const Spill& spill_;
};

}  // namespace

VolumesMade make_volumes(const core::Comm& comm, const Definition& definition, const Pseudonyms& pseudonyms,
                         const Spill& spill, std::uint64_t batches, const std::filesystem::path& folder,
                         const core::SecretKey& run_key) {
    const auto own_batches = [&](const std::function<void(const SliceRef&)>& take) {
        for (auto batch = static_cast<std::uint64_t>(comm.rank()); batch < batches;
             batch += static_cast<std::uint64_t>(comm.size()))
            spill.each_slice(batch, take);
    };
    std::int64_t waiting = 0;
    core::together(comm, [&] { own_batches([&](const SliceRef&) { ++waiting; }); });
    const std::int64_t partitions =
        std::clamp<std::int64_t>(comm.sum(waiting) / kSlicesPerPartition, kFewestPartitions, 4096);
    Shuffle<SliceRef> shuffle(comm, folder, "slices", partitions, run_key);
    core::together(comm, [&] {
        own_batches([&](const SliceRef& slice) {
            shuffle.put(partition_of(first_64_bits(slice.series), partitions), slice);
        });
    });
    shuffle.seal();

    VolumesMade made;
    made.batches = static_cast<std::uint64_t>(partitions);
    const Maker maker(definition, pseudonyms, spill);
    core::together(comm, [&] {
        for (std::int64_t p = comm.rank(); p < partitions; p += comm.size()) {
            const std::uint64_t number = batches + static_cast<std::uint64_t>(p);
            auto summary = spill.find(number);
            if (!summary) {
                Slices all = shuffle.records(p);
                std::ranges::sort(all, [](const SliceRef& a, const SliceRef& b) {
                    return std::tie(a.series, a.ref.origin, a.frame) <
                           std::tie(b.series, b.ref.origin, b.frame);
                });
                BatchWriter writer(spill, number);
                for (auto begin = all.begin(); begin != all.end();) {
                    const auto end = std::find_if(
                        begin, all.end(), [&](const SliceRef& s) { return s.series != begin->series; });
                    maker.series({begin, end}, writer);
                    begin = end;
                }
                writer.finish({});
                summary = spill.summary(number);
            }
            made.samples += static_cast<std::int64_t>(summary->samples);
        }
    });
    made.samples = comm.sum(made.samples);
    return made;
}

}  // namespace staging
