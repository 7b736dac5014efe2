#include "staging/build/volumes.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <variant>

#include "core/mpi/share.h"
#include "staging/build/stage1.h"
#include "staging/image/fields.h"
#include "staging/image/series.h"
#include "staging/work/shuffle.h"

namespace staging {
namespace {

// A partition's frames are in memory at a time, and a frame takes more than what partition_records counts.
constexpr std::uint64_t kRecordsPerSlice = 8;
constexpr std::int64_t kFewestPartitions = 16;  // so that ranks share the work of small datasets too

using Slices = std::vector<SliceRef>;

Rejected rejected(const SliceRef& slice, Reason reason, const std::string& detail, bool whole_file) {
    Rejected out;
    out.origin = slice.ref.origin;
    if (whole_file)
        out.pieces = static_cast<std::uint32_t>(slice.frames);
    else
        out.origin.row = slice.frame + 1;
    out.site = slice.ref.site;
    std::copy(std::begin(slice.file_name), std::end(slice.file_name), out.file_name);
    set_reason(out, reason, detail);
    return out;
}

// Of frames that became no volume: one record for a file of which all frames are left out for one reason, else
// one for each frame.
void reject_all(std::vector<std::tuple<const SliceRef*, Reason, std::string>> left, SpillWriter& writer) {
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

// Whether one SOP Instance UID names two contents. Nobody can tell which is the image, so that no volume of the series
// may have either; were only these left out, a shorter volume would pass for the whole.
bool has_conflict(const Slices& slices) {
    std::map<core::Id16, core::Id16> content_of;
    return std::ranges::any_of(slices, [&](const SliceRef& slice) {
        if (slice.ref.instance == core::Id16{}) return false;
        return content_of.try_emplace(slice.ref.instance, slice.file_content).first->second !=
               slice.file_content;
    });
}

class Maker {
public:
    Maker(const Definition& definition, const Pseudonyms& pseudonyms, const Spill& spill,
          const Defacer* defacer)
        : definition_(definition), pseudonyms_(pseudonyms), slices_(spill), defacer_(defacer) {}

    void series(const Slices& slices, SpillWriter& writer) const {
        std::vector<std::tuple<const SliceRef*, Reason, std::string>> left;
        if (has_conflict(slices)) {
            for (const SliceRef& ref : slices)
                left.emplace_back(&ref, Reason::uid_conflict, "SOPInstanceUID");
            return reject_all(std::move(left), writer);
        }
        std::vector<Slice> all;
        for (const SliceRef& ref : slices)
            all.push_back({ref.place, ref.rows, ref.columns, ref.samples, ref.is_localizer != 0,
                           ref.ref.content, ref.ref.origin.file << 20 | ref.frame});
        const Series sorted = sort_series(all);
        for (const LeftOver& one : sorted.left) left.emplace_back(&slices[one.slice], one.reason, "");
        for (const Stack& stack : sorted.stacks)
            if (const auto refused = volume(slices, stack, writer))
                for (const std::size_t i : stack.slices)
                    left.emplace_back(&slices[i], refused->reason, refused->detail);
        reject_all(std::move(left), writer);
    }

private:
    std::optional<Rejection> volume(const Slices& slices, const Stack& stack, SpillWriter& writer) const {
        const SliceRef& first = slices[stack.slices.front()];
        auto computed = volume_cells(
            definition_, stack,
            {first.samples, static_cast<std::int64_t>(stack.slices.size()), first.rows, first.columns});
        if (auto* refused = std::get_if<Rejection>(&computed)) return std::move(*refused);
        VolumeCells& cells = std::get<VolumeCells>(computed);
        Composite made;
        made.spacing = stack.spacing;
        made.grid = {stack.affine,
                     {static_cast<std::int64_t>(stack.slices.size()), first.rows, first.columns}};
        SampleRef ref = first.ref;  // patient, study, quasi-identifiers, site and split are the series'
        core::Bytes contents;
        std::vector<Alias> aliases;
        for (const std::size_t i : stack.slices) {
            const SliceRef& slice = slices[i];
            Piece piece{slice.ref.segment,  slice.ref.offset,   slice.frame, slice.ref.origin.file,
                        slice.ref.instance, slice.file_content, {},          *slice.place.position};
            std::copy(std::begin(slice.file_name), std::end(slice.file_name), piece.file_name);
            made.pieces.push_back(piece);
            ref.origin = std::min(ref.origin, slice.ref.origin);
            contents.insert(contents.end(), slice.ref.content.begin(), slice.ref.content.end());
            for (const Alias& alias : slice.ref.aliases)
                if (alias.id != core::Id16{} && std::ranges::find(aliases, alias) == aliases.end())
                    aliases.push_back(alias);
        }
        // Every slice's first one is the patient, who is the series'.
        if (aliases.size() > kMostAliases) return Rejection{Reason::identity_conflict, "SeriesInstanceUID"};
        std::ranges::copy(aliases, ref.aliases.begin());
        ref.pieces = static_cast<std::uint32_t>(stack.slices.size());
        // Columns that differ from slice to slice are those of the lowest one.
        made.columns = slices_.sample(first.ref).columns;
        std::ranges::move(cells.cells, std::back_inserter(made.columns));
        // Time points of equal pixels (none at all, for one) are not the same volume twice.
        ref.content = pseudonyms_.of("volume", core::view(std::to_string(stack.part)), contents);
        ref.instance = {};  // the files' own are in the pieces
        ref.bytes = cells.bytes;
        ref.order = first_64_bits(pseudonyms_.of("order", core::view(definition_.id()), ref.content));
        if (defacer_) {
            std::uint64_t says = 0;
            for (const std::size_t i : stack.slices) says = std::max(says, slices[i].header_says);
            auto cut = without_face(made, first, static_cast<HeaderSays>(says));
            if (auto* refused = std::get_if<Rejection>(&cut)) return std::move(*refused);
            made.cut = std::get<Cut>(cut);
            made.columns.emplace_back(std::string(made.cut.is_made ? "cut_off"
                                                  : says == static_cast<std::uint64_t>(HeaderSays::answered)
                                                      ? "not_looked_for"
                                                      : "header_only"));
        }
        writer.add_volume(ref, made);
        return std::nullopt;
    }

    std::variant<Cut, Rejection> without_face(const Composite& volume, const SliceRef& first,
                                              HeaderSays header) const {
        if (header == HeaderSays::answered) return Cut{};
        // Of several channels nobody here knows which shows the skin.
        if (first.samples != 1) return Rejection{Reason::face_not_removed, "channels"};
        const core::Sample sample = assemble(volume, [&](std::uint64_t segment, std::uint64_t offset) {
            SampleRef at;
            at.segment = segment, at.offset = offset;
            return slices_.sample(at);
        });
        return defacer_->judge(
            HeadVolume{volume.grid, real_numbers(sample.fields[0], definition_.fields[0].field.dtype)},
            header);
    }

    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    const Spill& slices_;
    const Defacer* defacer_;
};

}  // namespace

std::int64_t make_volumes(const core::Comm& comm, const Definition& definition, const Pseudonyms& pseudonyms,
                          const Spill& slices, Spill& volumes, const std::filesystem::path& folder,
                          const core::SecretKey& run_key, const Options& options, const Defacer* defacer) {
    const auto each_own = [&](const Spill& spill, const std::function<void(const BatchSummary&)>& take) {
        core::together(comm, [&] {
            for (auto i = static_cast<std::size_t>(comm.rank()); i < spill.segments();
                 i += static_cast<std::size_t>(comm.size()))
                spill.each_batch(i, take);
        });
    };
    std::int64_t waiting = 0, made = 0;
    each_own(slices, [&](const BatchSummary& batch) { waiting += static_cast<std::int64_t>(batch.slices); });
    const auto in_a_partition =
        static_cast<std::int64_t>(std::max<std::uint64_t>(options.partition_records / kRecordsPerSlice, 1));
    const std::int64_t partitions = comm.sum(waiting) / in_a_partition + kFewestPartitions;
    Shuffle<SliceRef> series(comm, folder, "slices", partitions, run_key, options);
    auto segment = static_cast<std::size_t>(comm.rank());
    series.fill([&](const Shuffle<SliceRef>::Put& put) {
        if (segment < slices.segments())
            slices.each_slice(segment, [&](const SliceRef& slice) {
                put(partition_of(first_64_bits(slice.series), partitions), slice);
            });
        segment += static_cast<std::size_t>(comm.size());
        return segment < slices.segments();
    });

    volumes.open(comm, static_cast<std::uint64_t>(partitions));
    const Maker maker(definition, pseudonyms, slices, defacer);
    core::share(comm, partitions, [&](core::Shared& work) {
        SpillWriter writer(volumes);
        while (const auto next = work.next()) {
            const auto number = static_cast<std::uint64_t>(*next);
            if (volumes.is_done(number)) continue;
            Slices all = series.records(*next);
            std::ranges::sort(all, [](const SliceRef& a, const SliceRef& b) {
                return std::tie(a.series, a.ref.origin, a.frame) < std::tie(b.series, b.ref.origin, b.frame);
            });
            writer.begin(number);
            for (auto begin = all.begin(); begin != all.end();) {
                const auto end = std::find_if(begin, all.end(),
                                              [&](const SliceRef& s) { return s.series != begin->series; });
                maker.series({begin, end}, writer);
                begin = end;
                if (work.poll()) return;  // another rank has failed: the batch is not complete
            }
            writer.finish({});
        }
    });
    volumes.close(comm);
    each_own(volumes, [&](const BatchSummary& batch) { made += static_cast<std::int64_t>(batch.samples); });
    return comm.sum(made);
}

}  // namespace staging
