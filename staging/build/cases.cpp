#include "staging/build/cases.h"

#include <algorithm>
#include <tuple>

#include "core/mpi/share.h"
#include "staging/build/risk_of.h"
#include "staging/build/stage1.h"
#include "staging/deid/cases.h"
#include "staging/pool/pool.h"
#include "staging/work/shuffle.h"

namespace staging {
namespace {

constexpr std::int64_t kFewestPartitions = 16;  // so that ranks share the work of small datasets too

// The images and the rows of one case, in the deliveries' order.
struct Together {
    std::span<const SampleRef> images;
    std::span<const LabelRef> rows;
};

class Joiner {
public:
    Joiner(const Definition& definition, const Pseudonyms& pseudonyms, const LeftOut& left_out,
           const Waiting& waiting, const Identities& identities)
        : definition_(definition),
          pseudonyms_(pseudonyms),
          left_out_(left_out),
          waiting_(waiting),
          identities_(identities) {}

    // Who is meant, with all that the dataset knows of who is one person.
    core::Id16 person(const core::Id16& patient) const {
        const Moved* moved = identities_.find(patient);
        return moved ? moved->to : patient;
    }
    core::Id16 key_of(const core::Id16& key, const core::Id16& patient, std::uint32_t site) const {
        if (definition_.key->match != Match::patient) return key;
        return pseudonyms_.of("case:patient", core::view(definition_.sites[site]), person(patient));
    }

    void join(const Together& all, SpillWriter& writer) const {
        const std::string by(name_of(definition_.key->match));
        if (all.images.empty()) return reject_rows(all.rows, {Reason::unmatched_label, by}, writer);
        const bool agree =
            std::ranges::all_of(all.rows, [&, first = contents(all.rows)](const LabelRef& row) {
                return contents({&row, 1}) == first;
            });
        if (!agree) reject_rows(all.rows, {Reason::label_conflict, by}, writer);
        if (all.rows.empty() || !agree) {
            for (const SampleRef& image : all.images) without_row(image, by, writer);
            return;
        }
        // A row that names nobody would label two people's images: a key that tells too little.
        const core::Id16 somebody = person(all.images.front().patient);
        if (all.rows.front().aliases[0].id == core::Id16{} &&
            !std::ranges::all_of(all.images,
                                 [&](const SampleRef& image) { return person(image.patient) == somebody; })) {
            for (const SampleRef& image : all.images)
                reject_image(image, {Reason::identity_conflict, by}, writer);
            return reject_rows(all.rows, {Reason::identity_conflict, by}, writer);
        }
        // What was said twice was said once.
        reject_rows(all.rows.subspan(1), {Reason::duplicate, "same_content"}, writer);
        const LabelRef& row = all.rows.front();
        bool counted = false;
        for (const SampleRef& image : all.images) {
            if (row.aliases[0].id != core::Id16{} && person(row.patient) != person(image.patient)) {
                reject_image(image, {Reason::identity_conflict, by}, writer);
                continue;
            }
            Case one;
            one.columns = label_cells(waiting_.rows.columns(row), image.patient, definition_, pseudonyms_);
            if (!counted) {
                Companion with{row.origin.file, row.origin.row, {}};
                std::copy(std::begin(row.file_name), std::end(row.file_name), with.file_name);
                one.companions.push_back(with);
            }
            counted = true;
            add(image, std::move(one), writer);
        }
        if (!counted) reject_rows({&row, 1}, {Reason::identity_conflict, by}, writer);
    }

private:
    // All that rows say, as bytes; of rows by patient whatever name they call the person by.
    core::Bytes contents(std::span<const LabelRef> rows) const {
        if (rows.empty()) return {};
        std::vector<core::Cell> columns = waiting_.rows.columns(rows.front());
        move_to(columns, person(rows.front().patient), definition_.labels->table, pseudonyms_);
        return encode(core::Sample{{}, std::move(columns)});
    }
    void add(const SampleRef& image, Case joined, SpillWriter& writer) const {
        SampleRef ref = image;
        const RiskOf risk =
            with_labels({image.quasi, image.sensitive}, joined.columns, definition_, pseudonyms_);
        ref.quasi = risk.quasi;
        ref.sensitive = risk.sensitive;
        writer.add_case(ref, std::move(joined));
    }
    void without_row(const SampleRef& image, const std::string& by, SpillWriter& writer) const {
        if (!definition_.labels->keep_unmatched)
            return reject_image(image, {Reason::unmatched_image, by}, writer);
        Case one;
        one.columns.resize(definition_.labels->table.columns.size());
        add(image, std::move(one), writer);
    }
    void reject_image(const SampleRef& image, const Rejection& why, SpillWriter& writer) const {
        left_out_.each_record(waiting_.images, image, why, [&](const Rejected& one) { writer.reject(one); });
    }
    static void reject_rows(std::span<const LabelRef> rows, const Rejection& why, SpillWriter& writer) {
        for (const LabelRef& row : rows) {
            Rejected one;
            one.origin = row.origin;
            one.site = row.site;
            std::copy(std::begin(row.file_name), std::end(row.file_name), one.file_name);
            set_reason(one, why.reason, why.detail);
            writer.reject(one);
        }
    }

    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    const LeftOut& left_out_;
    const Waiting& waiting_;
    const Identities& identities_;
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

}  // namespace

std::vector<Link> join_labels(const core::Comm& comm, const Definition& definition,
                              const Pseudonyms& pseudonyms, const LeftOut& left_out, const Waiting& waiting,
                              Spill& cases, const std::filesystem::path& folder,
                              const core::SecretKey& run_key, const Options& options) {
    std::vector<Link> links = links_of(comm, waiting.images);
    if (&waiting.rows != &waiting.images)
        for (const Link& link : links_of(comm, waiting.rows)) links.push_back(link);
    const Identities identities = Identities::joined(comm, links, [&](const core::Id16& patient) {
        return static_cast<std::uint32_t>(split_of(patient, definition, pseudonyms));
    });
    const Joiner joiner(definition, pseudonyms, left_out, waiting, identities);

    const auto each_own = [&](const Spill& spill, const auto& work) {
        core::together(comm, [&] {
            for (auto i = static_cast<std::size_t>(comm.rank()); i < spill.segments();
                 i += static_cast<std::size_t>(comm.size()))
                work(i);
        });
    };
    std::int64_t records = 0;
    const auto count = [&](const BatchSummary& batch) {
        records += static_cast<std::int64_t>(batch.samples + batch.slices + batch.labels);
    };
    each_own(waiting.rows, [&](std::size_t i) { waiting.rows.each_batch(i, count); });
    const std::int64_t partitions =
        comm.sum(records) / static_cast<std::int64_t>(options.partition_records) + kFewestPartitions;

    Shuffle<SampleRef> images(comm, folder, "case-images", partitions, run_key, options);
    auto next = static_cast<std::size_t>(comm.rank());
    images.fill([&](const Shuffle<SampleRef>::Put& put) {
        if (next < waiting.images.segments())
            waiting.images.each_sample(next, [&](SampleRef ref) {
                ref.key = joiner.key_of(ref.key, ref.patient, ref.site);
                // Those that say nothing are many, and of no case: anywhere.
                const std::uint64_t hash = ref.key == core::Id16{} ? ref.order : first_64_bits(ref.key);
                put(partition_of(hash, partitions), ref);
            });
        next += static_cast<std::size_t>(comm.size());
        return next < waiting.images.segments();
    });
    Shuffle<LabelRef> rows(comm, folder, "case-rows", partitions, run_key, options);
    next = static_cast<std::size_t>(comm.rank());
    rows.fill([&](const Shuffle<LabelRef>::Put& put) {
        if (next < waiting.rows.segments())
            waiting.rows.each_label(next, [&](LabelRef ref) {
                ref.key = joiner.key_of(ref.key, ref.patient, ref.site);
                put(partition_of(first_64_bits(ref.key), partitions), ref);
            });
        next += static_cast<std::size_t>(comm.size());
        return next < waiting.rows.segments();
    });

    cases.open(comm, static_cast<std::uint64_t>(partitions));
    core::share(comm, partitions, [&](core::Shared& work) {
        SpillWriter writer(cases);
        while (const auto number = work.next()) {
            if (cases.is_done(static_cast<std::uint64_t>(*number))) continue;
            std::vector<SampleRef> some = images.records(*number);
            std::vector<LabelRef> said = rows.records(*number);
            sort_by_case(some);
            sort_by_case(said);
            writer.begin(static_cast<std::uint64_t>(*number));
            for (std::size_t i = 0, r = 0; i < some.size() || r < said.size();) {
                const core::Id16 key = i == some.size()   ? said[r].key
                                       : r == said.size() ? some[i].key
                                                          : std::min(some[i].key, said[r].key);
                const Together all{of_case(some, i, key), of_case(said, r, key)};
                joiner.join(all, writer);
                i += all.images.size();
                r += all.rows.size();
                if (work.poll()) return;  // another rank has failed: the batch is not complete
            }
            writer.finish({});
        }
    });
    cases.close(comm);
    return links;
}

}  // namespace staging
