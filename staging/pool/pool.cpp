#include "staging/pool/pool.h"

#include <map>
#include <tuple>

#include "staging/deid/identity.h"

namespace staging {
namespace {

// A sample as one of those that have the same instance UID, or the same study UID.
struct Named {
    core::Id16 name, patient, content;
    Origin origin;
    std::uint64_t segment;
    std::uint32_t is_study, padding;
};
struct Content {
    core::Id16 content, patient, place;
    Origin origin;
    std::uint64_t segment;
};
// How many patients and samples of some have one content.
struct Holders {
    core::Id16 content;
    std::int64_t patients, samples;
};

// Where the run of records that are equal by `key` ends.
template <class Record, class Key>
std::size_t run_end(const std::vector<Record>& all, std::size_t begin, Key key) {
    std::size_t end = begin + 1;
    while (end < all.size() && key(all[end]) == key(all[begin])) ++end;
    return end;
}

template <class Record, class Key>
void sort_by(std::vector<Record>& all, Key key) {
    std::sort(all.begin(), all.end(), [&](const Record& a, const Record& b) { return key(a) < key(b); });
}

}  // namespace

Pool::Pool(const core::Comm& comm, const Definition& definition, const Spill& spill,
           const std::filesystem::path& folder, const core::SecretKey& run_key, const Options& options,
           std::int64_t samples)
    : comm_(comm),
      definition_(definition),
      spill_(spill),
      folder_(folder),
      key_(run_key),
      options_(options),
      partitions_(samples / static_cast<std::int64_t>(options.partition_records) + comm.size()) {}
Pool::~Pool() = default;

void Pool::each_of(std::size_t ordinal, const std::function<void(const SampleRef&)>& keep,
                   const std::function<void(const SampleRef&, WhyDropped)>& drop) const {
    std::map<Origin, WhyDropped> dropped;
    for (const auto& drops : drops_)
        for (const Drop& one : drops->records(static_cast<std::int64_t>(ordinal))) {
            const auto [at, is_new] = dropped.try_emplace(one.origin, one.why);
            at->second = std::min(at->second, one.why);
        }
    spill_.each_sample(ordinal, [&](SampleRef ref) {
        if (const Moved* moved = identities_.find(ref.patient)) {
            if (moved->conflict) return drop(ref, WhyDropped::two_persons);
            ref.patient = moved->to;
            ref.split = moved->split;
        }
        if (const auto person = left_out_.find(ref.patient); person != left_out_.end())
            return drop(ref, person->second);
        const auto found = dropped.find(ref.origin);
        if (found == dropped.end())
            keep(ref);
        else
            drop(ref, found->second);
    });
}

std::vector<Link> links_of(const core::Comm& comm, const Spill& spill) {
    constexpr std::size_t kLinks = 1 << 16;
    std::size_t next = kLinks;
    std::vector<Link> links;
    const auto take = [&](const auto& ref) {
        for (std::size_t a = 1; a < ref.aliases.size() && ref.aliases[a].id != core::Id16{}; ++a)
            links.push_back({ref.aliases[0], ref.aliases[a]});
        // A patient with a thousand files has one link: the list stays as long as there are pairs.
        if (links.size() < next) return;
        keep_each_once(links);
        next = 2 * links.size() + kLinks;
    };
    core::together(comm, [&] {
        for (auto i = static_cast<std::size_t>(comm.rank()); i < spill.segments();
             i += static_cast<std::size_t>(comm.size())) {
            spill.each_sample(i, take);
            spill.each_beside(i, take);
        }
    });
    return links;
}

void Pool::join_identities(const Identities::SplitOf& split_of, std::vector<Link> more) {
    const std::vector<Link> links = links_of(comm_, spill_);
    more.insert(more.end(), links.begin(), links.end());
    identities_ = Identities::joined(comm_, more, split_of);
}

void Pool::leave_out(const std::vector<LeftOutPerson>& people) {
    for (const LeftOutPerson& one : people) {
        const Moved* moved = identities_.find(one.id);
        WhyDropped& why =
            left_out_.try_emplace(moved ? moved->to : one.id, WhyDropped::not_consented).first->second;
        if (one.opted_out) why = WhyDropped::opted_out;
    }
}

SharedContent Pool::find_duplicates() {
    find_conflicts();
    return find_equal();
}

void Pool::find_conflicts() {
    // A volume is left out for any of its files; files sent twice were found when it was made.
    const bool volumes = definition_.kind == SampleKind::volume;
    auto named = shuffle<Named>("named", partitions_);
    named.fill(steps<Named>([&](const SampleRef& ref, const Shuffle<Named>::Put& put) {
        const auto put_name = [&](const core::Id16& name, const core::Id16& content, bool is_study) {
            if (name != core::Id16{})
                put(partition_of(first_64_bits(name), partitions_),
                    {name, ref.patient, content, ref.origin, ref.segment, is_study, 0});
        };
        put_name(ref.study, ref.content, true);
        if (!volumes) return put_name(ref.instance, ref.content, false);
        for (const Piece& piece : spill_.composite(ref).pieces)
            put_name(piece.instance, piece.content, false);
    }));
    find_drops("conflicts", named, [&](std::vector<Named> all, const auto& drop) {
        const auto key = [](const Named& one) { return std::tie(one.is_study, one.name); };
        sort_by(all, [](const Named& one) { return std::tie(one.is_study, one.name, one.origin); });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            end = run_end(all, begin, key);
            bool patients = false, contents = false;
            for (std::size_t i = begin; i < end; ++i) {
                patients |= all[i].patient != all[begin].patient;
                contents |= all[i].content != all[begin].content;
            }
            const bool is_study = all[begin].is_study != 0;
            const bool conflict = patients || (contents && !is_study);
            if ((is_study || volumes) && !conflict) continue;
            for (std::size_t i = conflict ? begin : begin + 1; i < end; ++i)
                drop(all[i].origin, all[i].segment,
                     !conflict  ? WhyDropped::sent_again
                     : is_study ? WhyDropped::study_of_two_patients
                                : WhyDropped::uid_conflict);
        }
    });
}

SharedContent Pool::find_equal() {
    auto contents = shuffle<Content>("contents", partitions_);
    contents.fill(steps<Content>([&](const SampleRef& ref, const Shuffle<Content>::Put& put) {
        // By patient too: empty pictures are all equal, and many.
        const std::uint64_t hash = first_64_bits(ref.content) ^ first_64_bits(ref.patient);
        put(partition_of(hash, partitions_), {ref.content, ref.patient, ref.place, ref.origin, ref.segment});
    }));
    find_drops("equal", contents, [&](std::vector<Content> all, const auto& drop) {
        const auto key = [](const Content& one) { return std::tie(one.content, one.patient, one.place); };
        sort_by(all,
                [](const Content& one) { return std::tie(one.content, one.patient, one.place, one.origin); });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            end = run_end(all, begin, key);
            for (std::size_t i = begin + 1; i < end; ++i)
                drop(all[i].origin, all[i].segment, WhyDropped::same_content);
        }
    });
    // Which contents several patients have: what each partition knows, brought together.
    auto holders = shuffle<Holders>("holders", partitions_);
    std::int64_t next = comm_.rank();
    holders.fill([&](const Shuffle<Holders>::Put& put) {
        if (next < partitions_) {
            std::vector<Content> all = contents.records(next);
            sort_by(all, [](const Content& one) { return std::tie(one.content, one.patient); });
            for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
                end = run_end(all, begin, [](const Content& one) { return std::tie(one.content); });
                Holders one{all[begin].content, 1, static_cast<std::int64_t>(end - begin)};
                for (std::size_t i = begin + 1; i < end; ++i)
                    one.patients += all[i].patient != all[i - 1].patient;
                put(partition_of(first_64_bits(one.content), partitions_), one);
            }
        }
        next += comm_.size();
        return next < partitions_;
    });
    SharedContent mine;
    holders.each_own([&](std::int64_t, std::vector<Holders> all) {
        const auto key = [](const Holders& one) { return std::tie(one.content); };
        sort_by(all, key);
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            end = run_end(all, begin, key);
            std::int64_t patients = 0, samples = 0;
            for (std::size_t i = begin; i < end; ++i) {
                patients += all[i].patients;
                samples += all[i].samples;
            }
            if (patients < 2) continue;
            ++mine.contents;
            mine.samples += samples;
        }
    });
    return {comm_.sum(mine.contents), comm_.sum(mine.samples)};
}

}  // namespace staging
