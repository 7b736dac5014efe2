#include "staging/build/cases.h"

#include <algorithm>
#include <optional>
#include <span>
#include <tuple>

#include "core/mpi/share.h"
#include "staging/build/joiner.h"
#include "staging/build/risk_of.h"
#include "staging/build/stage1.h"
#include "staging/deid/cases.h"
#include "staging/image/mask.h"
#include "staging/pool/pool.h"
#include "staging/work/shuffle.h"

namespace staging {
namespace {

constexpr std::int64_t kFewestPartitions = 16;  // so that ranks share the work of small datasets too

class LabelJoiner : public Joiner {
public:
    using Joiner::Joiner;

private:
    void join_images(const Together& all) const override {
        const bool agree =
            all.beside.size() < 2 ||
            std::ranges::all_of(all.beside, [&, first = contents(all.beside)](const Beside& row) {
                return contents({&row, 1}) == first;
            });
        if (!agree)
            for (const Beside& row : all.beside) leave_out(row, Reason::label_conflict);
        if (all.beside.empty() || !agree) {
            for (const Image& image : all.images) without_row(image);
            return;
        }
        const Beside& row = all.beside.front();
        const bool names_somebody = row.aliases[0].id != core::Id16{};
        // A row that names nobody would label two people's images: a key that tells too little.
        if (!names_somebody && !is_one_person(all.images))
            return leave_all_out(all, Reason::identity_conflict);
        // What was said twice was said once.
        for (const Beside& again : all.beside.subspan(1))
            leave_out(again, {Reason::duplicate, "same_content"});
        const std::vector<core::Cell> columns = work_.stage1.columns(row);
        bool counted = false;
        for (const Image& image : all.images) {
            if (names_somebody && person(row.patient) != person(image.ref.patient)) {
                leave_out(image, Reason::identity_conflict);
                continue;
            }
            Case one;
            one.columns = label_cells(columns, image.ref.patient, work_.definition, work_.pseudonyms);
            if (!std::exchange(counted, true)) one.companions.push_back(companion(row));
            add(image, std::move(one));
        }
        if (!counted) leave_out(row, Reason::identity_conflict);
    }

    std::string detail() const override { return std::string(name_of(work_.definition.key->match)); }
    // All that the first of the rows says, as bytes; by whatever name it calls the person.
    core::Bytes contents(std::span<const Beside> rows) const {
        if (rows.empty()) return {};
        core::Sample row{{}, work_.stage1.columns(rows.front())};
        move_to(row.columns, person(rows.front().patient), work_.definition.labels->table, work_.pseudonyms);
        return encode(row);
    }
    void add(const Image& image, Case joined) const {
        SampleRef ref = image.ref;
        const RiskOf risk =
            with_labels({ref.quasi, ref.sensitive}, joined.columns, work_.definition, work_.pseudonyms);
        ref.quasi = risk.quasi;
        ref.sensitive = risk.sensitive;
        writer_.add_case(ref, std::move(joined));
    }
    void without_row(const Image& image) const {
        const Labels& labels = *work_.definition.labels;
        if (!labels.keep_unmatched) return leave_out(image, Reason::unmatched_image);
        Case one;
        one.columns.resize(labels.table.columns.size());
        add(image, std::move(one));
    }
};

class MaskJoiner : public Joiner {
public:
    using Joiner::Joiner;

private:
    // What becomes of a mask, the later the stronger.
    enum class Fate { unmatched, other_person, off_grid, turned, with_face, again, conflict, counted };
    // A mask and what tells its images.
    struct Mask {
        const Beside& beside;
        SegmentsPlace place;         // of a segmentation
        FlatPlace lies;              // of one of a single image
        std::string_view differs{};  // what it says otherwise than its image
        Fate fate = Fate::unmatched;
        void becomes(Fate next) { fate = std::max(fate, next); }
        bool lies_elsewhere() const {
            return fate == Fate::off_grid || fate == Fate::turned || fate == Fate::other_person ||
                   fate == Fate::with_face;
        }
    };
    // One that lies on an image, on which of its slices, if not on all, and how it is turned for that.
    struct Fitting {
        Mask* mask;
        std::vector<std::uint32_t> slices;
        std::uint32_t turned = 1;
    };

    void join_images(const Together& all) const override {
        const bool by_object = work_.definition.masks->is_segmentation();
        const bool is_flat = work_.definition.masks->is_flat;
        // One SOP Instance UID: joined or not, nobody can tell which image it names.
        if (is_flat && by_object && all.images.front().key != core::Id16{} &&
            !(is_one_content(all.images) && is_one_person(all.images)))
            return leave_all_out(all, {Reason::uid_conflict, "SOPInstanceUID"});
        if (!all.beside.empty() && !by_object && !is_one_person(all.images))
            return leave_all_out(all, Reason::identity_conflict);
        // The size of single images tells nobody which of them a mask is of.
        const bool is_told = !is_flat || by_object || is_one_content(all.images);
        if (!all.beside.empty() && !is_told) return nobody_s(all);
        std::vector<Mask> masks;
        for (const Beside& one : all.beside) masks.push_back(waiting(one));
        for (const Image& image : all.images) {
            const Composite volume = is_flat ? flat(image.ref) : images_.composite(image.ref);
            const std::vector<Fitting> fits = fitting(masks, image, volume);
            const std::vector<const Fitting*> different = without_repetitions(fits);
            const bool agree = are_one(different, volume);
            // What counts with an image already stays so, whatever else is a thousandth of a millimetre away.
            for (const Fitting& one : fits)
                if (!agree || std::ranges::find(different, &one) == different.end())
                    one.mask->becomes(agree ? Fate::again : Fate::conflict);
            if (fits.empty() || !agree || !is_whole(different) ||
                (work_.definition.masks->part && std::ranges::any_of(masks, &Mask::lies_elsewhere))) {
                leave_out(image, Reason::unmatched_image);
                continue;
            }
            Case one;
            one.image_slices = static_cast<std::uint64_t>(volume.grid.size[0]);
            for (const Fitting* fit : different) {
                Mask& mask = *fit->mask;
                one.masks.push_back(place(*fit));
                if (mask.fate != Fate::counted) one.companions.push_back(companion(mask.beside));
                mask.becomes(Fate::counted);
            }
            SampleRef ref = image.ref;
            ref.bytes += fitted_bytes(*work_.definition.masks, volume.grid, volume.spacing);
            writer_.add_case(ref, std::move(one));
        }
        for (const Mask& one : masks) tell(one);
    }

    // A single image as a volume is asked for: it lies nowhere, and has a size.
    static Composite flat(const SampleRef& ref) {
        Composite out;
        std::copy_n(ref.size.begin(), out.grid.size.size(), out.grid.size.begin());
        out.spacing = ref.lies.steps();
        return out;
    }

    Mask waiting(const Beside& one) const {
        Mask out{one, {}, {}};
        const Masks& rules = *work_.definition.masks;
        if (!rules.is_segmentation()) return out;
        const std::vector<core::Cell> cells = work_.stage1.columns(one);
        if (rules.is_flat)
            out.lies = flat_place(cells);
        else
            out.place = segments_place(cells);
        return out;
    }

    // On a single image, if it lies on that.
    std::optional<Fitting> on_single(Mask& mask, const SampleRef& ref) const {
        const auto& [frames, rows, columns, turned] = ref.size;
        const Lying lying = lying_of({{frames, rows, columns}, turned},
                                     {mask.beside.grid.size, static_cast<std::uint32_t>(mask.beside.turned)},
                                     work_.definition.masks->drawn_on);
        switch (lying) {
            case Lying::nowhere:
                mask.becomes(Fate::off_grid);
                return std::nullopt;
            case Lying::unknown:
                mask.becomes(Fate::turned);
                return std::nullopt;
            case Lying::as_stored:
                return Fitting{&mask, {}, turned};
            case Lying::as_seen:
                break;
        }
        const std::string_view differs = lies_otherwise(ref.lies, mask.lies, rows, columns);
        if (differs.empty()) return Fitting{&mask, {}};
        mask.differs = differs;
        mask.becomes(Fate::off_grid);
        return std::nullopt;
    }

    void nobody_s(const Together& all) const {
        for (const Image& image : all.images) leave_out(image, Reason::unmatched_image);
        for (const Beside& mask : all.beside) leave_out(mask, Reason::label_conflict);
    }

    std::vector<Fitting> fitting(std::vector<Mask>& masks, const Image& image,
                                 const Composite& volume) const {
        std::vector<Fitting> fits;
        std::vector<std::array<double, 3>> slices;
        for (const Piece& piece : volume.pieces) slices.push_back(piece.position);
        for (Mask& mask : masks) {
            if (!is_of(mask, volume)) continue;
            if (mask.beside.patient != core::Id16{} &&
                person(mask.beside.patient) != person(image.ref.patient)) {
                mask.becomes(Fate::other_person);
                continue;
            }
            if (mask.beside.needs_cut && !volume.cut.is_made) {
                mask.becomes(Fate::with_face);
                continue;
            }
            if (work_.definition.masks->is_flat) {
                if (auto fit = on_single(mask, image.ref)) fits.push_back(*std::move(fit));
                continue;
            }
            std::optional<std::vector<std::uint32_t>> places;
            if (!mask.place.positions.empty())
                places = places_on(volume.grid, slices, mask.beside.grid, mask.place.positions);
            else if (is_same_grid(mask.beside.grid, volume.grid))
                places.emplace();
            if (places)
                fits.push_back({&mask, *std::move(places)});
            else
                mask.becomes(Fate::off_grid);
        }
        return fits;
    }

    static Case::Mask place(const Fitting& fit) {
        return {fit.mask->beside.segment, fit.mask->beside.field, fit.slices, fit.turned};
    }

    // What was said twice was said once.
    static std::vector<const Fitting*> without_repetitions(const std::vector<Fitting>& fits) {
        std::vector<const Fitting*> out;
        for (const Fitting& one : fits)
            if (std::ranges::none_of(out, [&](const Fitting* before) {
                    return before->slices == one.slices && before->turned == one.turned &&
                           before->mask->beside.content == one.mask->beside.content &&
                           before->mask->beside.shows == one.mask->beside.shows;
                }))
                out.push_back(&one);
        return out;
    }

    // Whether masks that differ are together one: if each shows other numbers, and where only one may stand, elsewhere.
    bool are_one(const std::vector<const Fitting*>& masks, const Composite& volume) const {
        if (masks.size() < 2) return true;
        const Masks& rules = *work_.definition.masks;
        if (!rules.joins) return false;
        auto shown = masks.front()->mask->beside.shows;
        for (std::size_t i = 1; i < masks.size(); ++i)
            for (std::size_t byte = 0; byte < shown.size(); ++byte) {
                const std::uint8_t more = masks[i]->mask->beside.shows[byte];
                if (shown[byte] & more) return false;
                shown[byte] |= more;
            }
        if (rules.higher_stands) return true;
        std::optional<core::Array> all;
        for (const Fitting* one : masks) {
            core::Array mask = work_.stage1.field(place(*one));
            spread_mask(mask, one->slices, static_cast<std::uint64_t>(volume.grid.size[0]));
            if (!all)
                all = std::move(mask);
            else if (add_mask(*all, mask))
                return false;
        }
        return true;
    }

    // Whether no part is missing that the definition asks for.
    bool is_whole(const std::vector<const Fitting*>& masks) const {
        const Masks& rules = *work_.definition.masks;
        if (!rules.part || !rules.needs_all_parts) return true;
        return masks.size() == rules.parts.size();  // each shows one, and no two the same
    }

    // Whether a mask names a frame of the volume, or none at all.
    static bool is_of(const Mask& mask, const Composite& volume) {
        const auto& sources = mask.place.sources;
        const auto names = [&](const core::Id16& instance, std::uint64_t frame) {
            return std::ranges::binary_search(
                sources, SegmentsPlace::Source{instance, static_cast<std::int64_t>(frame)});
        };
        return sources.empty() || std::ranges::any_of(volume.pieces, [&](const Piece& piece) {
                   return names(piece.instance, 0) || names(piece.instance, piece.frame + 1);
               });
    }

    void tell(const Mask& mask) const {
        switch (mask.fate) {
            case Fate::unmatched:
                return leave_out(mask.beside, Reason::unmatched_label);
            case Fate::other_person:
                return leave_out(mask.beside, Reason::identity_conflict);
            case Fate::off_grid:
                return leave_out(mask.beside, {Reason::mask_off_grid,
                                               mask.differs.empty() ? detail() : std::string(mask.differs)});
            case Fate::turned:
                return leave_out(mask.beside, {Reason::bad_mask, "Orientation"});
            case Fate::with_face:
                return leave_out(mask.beside, {Reason::face_not_removed, "mask"});
            case Fate::again:
                return leave_out(mask.beside, {Reason::duplicate, "same_content"});
            case Fate::conflict:
                return leave_out(mask.beside, Reason::label_conflict);
            case Fate::counted:
                return;
        }
    }

    std::string detail() const override { return work_.definition.masks->field.field.name; }
};

template <class Record>
void sort_by_case(std::vector<Record>& all) {
    std::ranges::sort(all, [](const Record& a, const Record& b) {
        return std::tie(a.key, a.origin) < std::tie(b.key, b.origin);
    });
}

// What begins at `from` and is of one case.
template <class Record>
std::span<const Record> of_case(const std::vector<Record>& all, std::size_t from, const core::Id16& key) {
    std::size_t end = from;
    while (end < all.size() && all[end].key == key) ++end;
    return std::span(all).subspan(from, end - from);
}

// A step for each segment that is this rank's.
template <class Work>
auto steps(const core::Comm& comm, const Spill& spill, Work work) {
    return [&spill, work, next = static_cast<std::size_t>(comm.rank()),
            ranks = static_cast<std::size_t>(comm.size())](const auto& put) mutable {
        if (next < spill.segments()) work(next, put);
        next += ranks;
        return next < spill.segments();
    };
}

// `key_of` an image or what is beside: which case it is of.
template <class Kind, class ImageKey, class BesideKey>
std::vector<Link> join(const CaseWork& work, const Spill& images, Spill& cases, bool masks,
                       ImageKey image_key, BesideKey beside_key) {
    const core::Comm& comm = work.comm;
    std::vector<Link> links = links_of(comm, images);
    if (images.inner() != nullptr)
        for (const Link& link : links_of(comm, work.stage1)) links.push_back(link);
    const Identities identities = Identities::joined(comm, links, [&](const core::Id16& patient) {
        return static_cast<std::uint32_t>(split_of(patient, work.definition, work.pseudonyms));
    });
    std::int64_t records = 0;
    core::together(comm, [&] {
        for (auto i = static_cast<std::size_t>(comm.rank()); i < work.stage1.segments();
             i += static_cast<std::size_t>(comm.size()))
            work.stage1.each_batch(i, [&](const BatchSummary& batch) {
                records += static_cast<std::int64_t>(batch.samples + batch.slices + batch.beside);
            });
    });
    const std::int64_t partitions =
        comm.sum(records) / static_cast<std::int64_t>(work.options.partition_records) + kFewestPartitions;
    const std::string name = masks ? "masks" : "labels";
    Shuffle<Image> of_images(comm, work.folder, name + "-images", partitions, work.run_key, work.options);
    of_images.fill(steps(comm, images, [&](std::size_t segment, const Shuffle<Image>::Put& put) {
        images.each_sample(segment, [&](const SampleRef& ref) {
            const Image image{image_key(ref, identities), ref.origin, ref};
            // Those that say nothing are many, and of no case: anywhere.
            const bool none = image.key == core::Id16{};
            put(partition_of(none ? ref.order : first_64_bits(image.key), partitions), image);
        });
    }));
    Shuffle<Beside> of_beside(comm, work.folder, name + "-beside", partitions, work.run_key, work.options);
    of_beside.fill(steps(comm, work.stage1, [&](std::size_t segment, const Shuffle<Beside>::Put& put) {
        work.stage1.each_beside(segment, [&](Beside one) {
            if ((one.is_mask != 0) != masks) return;
            one.key = beside_key(one, identities);
            put(partition_of(first_64_bits(one.key), partitions), one);
        });
    }));

    cases.open(comm, static_cast<std::uint64_t>(partitions));
    core::share(comm, partitions, [&](core::Shared& shared) {
        SpillWriter writer(cases);
        const Kind joiner(work, images, identities, writer);
        while (const auto number = shared.next()) {
            if (cases.is_done(static_cast<std::uint64_t>(*number))) continue;
            std::vector<Image> some = of_images.records(*number);
            std::vector<Beside> said = of_beside.records(*number);
            sort_by_case(some);
            sort_by_case(said);
            writer.begin(static_cast<std::uint64_t>(*number));
            for (std::size_t i = 0, b = 0; i < some.size() || b < said.size();) {
                const core::Id16 key = i == some.size()   ? said[b].key
                                       : b == said.size() ? some[i].key
                                                          : std::min(some[i].key, said[b].key);
                const Together all{of_case(some, i, key), of_case(said, b, key)};
                joiner.join(all);
                i += all.images.size();
                b += all.beside.size();
                if (shared.poll()) return;  // another rank has failed: the batch is not complete
            }
            writer.finish({});
        }
    });
    cases.close(comm);
    return links;
}

}  // namespace

std::vector<Link> join_masks(const CaseWork& work, const Spill& images, Spill& cases) {
    return join<MaskJoiner>(
        work, images, cases, true, [](const SampleRef& ref, const Identities&) { return ref.mask_key; },
        [](const Beside& mask, const Identities&) { return mask.key; });
}

std::vector<Link> join_labels(const CaseWork& work, const Spill& images, Spill& cases) {
    const auto key_of = [&work](const auto& ref, const Identities& identities) {
        if (work.definition.key->match != Match::patient) return ref.key;
        const Moved* moved = identities.find(ref.patient);
        return work.pseudonyms.of("case:patient", core::view(work.definition.sites[ref.site]),
                                  moved ? moved->to : ref.patient);
    };
    return join<LabelJoiner>(work, images, cases, false, key_of, key_of);
}

}  // namespace staging
