#include "staging/pool/pool.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace staging {
namespace {

constexpr std::int64_t kRecordsPerPartition = 1 << 20;

// Who claims to be the thing that `key` names: a content, or an instance.
struct Claim {
    core::Id16 key;
    Origin origin;
    std::uint64_t batch, why;
};
struct Alike {
    core::Id16 quasi, patient;
    Origin origin;
    std::uint64_t batch;
};
struct Visit {
    core::Id16 patient;
    std::uint32_t site, split;
};

// The partitions of a rank: every one is some rank's.
template <class Record, class Work>
void own_partitions(const Shuffle<Record>& shuffle, const core::Comm& comm, Work work) {
    core::together(comm, [&] {
        for (std::int64_t p = comm.rank(); p < shuffle.partitions(); p += comm.size())
            work(shuffle.records(p));
    });
}

}  // namespace

Pool::Pool(const core::Comm& comm, const Definition& definition, const Spill& spill, std::uint64_t batches,
           const std::filesystem::path& folder, const core::SecretKey& run_key, std::int64_t samples)
    : comm_(comm),
      definition_(definition),
      spill_(spill),
      batches_(batches),
      folder_(folder),
      key_(run_key),
      partitions_(std::clamp<std::int64_t>(samples / kRecordsPerPartition + comm.size(), 1, 4096)) {}
Pool::~Pool() = default;

void Pool::each(const std::function<void(const SampleRef&)>& keep,
                const std::function<void(const SampleRef&, WhyDropped)>& drop) const {
    // Drops lie by batch modulo partitions: one partition's drops are in memory at a time.
    for (std::int64_t p = comm_.rank(); p < partitions_; p += comm_.size()) {
        std::map<Origin, WhyDropped> dropped;
        for (const auto* shuffle : {duplicates_.get(), small_.get()}) {
            if (!shuffle) continue;
            for (const Drop& one : shuffle->records(p)) {
                const auto why = static_cast<WhyDropped>(one.why);
                const auto [at, is_new] = dropped.try_emplace(one.origin, why);
                at->second = std::min(at->second, why);  // two reasons: the same one every time
            }
        }
        for (auto batch = static_cast<std::uint64_t>(p); batch < batches_;
             batch += static_cast<std::uint64_t>(partitions_))
            spill_.each_sample(batch, [&](SampleRef ref) {
                if (const Moved* moved = identities_.find(ref.patient)) {
                    if (moved->conflict) return drop(ref, kTwoPersons);
                    ref.patient = moved->to;
                    ref.split = moved->split;
                }
                const auto found = dropped.find(ref.origin);
                if (found == dropped.end())
                    keep(ref);
                else
                    drop(ref, found->second);
            });
    }
}

void Pool::join_identities(const Identities::SplitOf& split_of) {
    constexpr std::size_t kLinks = 1 << 16;
    std::size_t next = kLinks;
    std::vector<Link> links;
    core::together(comm_, [&] {
        each(
            [&](const SampleRef& ref) {
                for (std::size_t i = 1; i < ref.aliases.size() && ref.aliases[i].id != core::Id16{}; ++i)
                    links.push_back({ref.aliases[0], ref.aliases[i]});
                // A patient with a thousand files has one link: the list stays as long as there are pairs.
                if (links.size() < next) return;
                keep_each_once(links);
                next = 2 * links.size() + kLinks;
            },
            [](const SampleRef&, WhyDropped) {});
    });
    identities_ = Identities::joined(comm_, links, split_of);
}

void Pool::find_duplicates() {
    Shuffle<Claim> claims(comm_, folder_, "claims", partitions_, key_);
    core::together(comm_, [&] {
        each(
            [&](const SampleRef& ref) {
                const auto claim = [&](const core::Id16& key, WhyDropped why) {
                    claims.put(partition_of(first_64_bits(key), partitions_),
                               {key, ref.origin, ref.batch, why});
                };
                claim(ref.content, kSamePixels);
                if (ref.instance != core::Id16{}) claim(ref.instance, kSentAgain);
            },
            [](const SampleRef&, WhyDropped) {});
    });
    claims.seal();
    auto drops = std::make_unique<Shuffle<Drop>>(comm_, folder_, "duplicates", partitions_, key_);
    own_partitions(claims, comm_, [&](std::vector<Claim> all) {
        std::sort(all.begin(), all.end(), [](const Claim& a, const Claim& b) {
            return std::tie(a.key, a.origin) < std::tie(b.key, b.origin);
        });
        for (std::size_t i = 1; i < all.size(); ++i)
            if (all[i].key == all[i - 1].key)
                drops->put(static_cast<std::int64_t>(all[i].batch) % partitions_,
                           {all[i].batch, all[i].origin, all[i].why});
    });
    drops->seal();
    duplicates_ = std::move(drops);
}

PooledRisk Pool::find_small_groups() {
    const std::int64_t k = definition_.profile.risk.k;
    Shuffle<Alike> people(comm_, folder_, "alike", partitions_, key_);
    core::together(comm_, [&] {
        each(
            [&](const SampleRef& ref) {
                people.put(partition_of(first_64_bits(ref.quasi), partitions_),
                           {ref.quasi, ref.patient, ref.origin, ref.batch});
            },
            [](const SampleRef&, WhyDropped) {});
    });
    people.seal();
    PooledRisk mine;
    mine.smallest_group = INT64_MAX;
    auto drops = std::make_unique<Shuffle<Drop>>(comm_, folder_, "small", partitions_, key_);
    own_partitions(people, comm_, [&](std::vector<Alike> all) {
        std::sort(all.begin(), all.end(), [](const Alike& a, const Alike& b) {
            return std::tie(a.quasi, a.patient, a.origin) < std::tie(b.quasi, b.patient, b.origin);
        });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            std::int64_t patients = 0;
            for (end = begin; end < all.size() && all[end].quasi == all[begin].quasi; ++end)
                patients += end == begin || all[end].patient != all[end - 1].patient;
            ++mine.groups;
            mine.patients += patients;
            mine.smallest_group = std::min(mine.smallest_group, patients);
            if (patients >= k) continue;
            mine.patients_below += patients;
            mine.samples_below += static_cast<std::int64_t>(end - begin);
            if (!definition_.profile.risk.suppress) continue;
            for (std::size_t i = begin; i < end; ++i)
                drops->put(static_cast<std::int64_t>(all[i].batch) % partitions_,
                           {all[i].batch, all[i].origin, kTooFewAlike});
        }
    });
    drops->seal();
    if (definition_.profile.risk.suppress) small_ = std::move(drops);
    PooledRisk out;
    out.patients = comm_.sum(mine.patients);
    out.groups = comm_.sum(mine.groups);
    if (out.groups)
        out.smallest_group = -comm_.max(-mine.smallest_group);  // `groups` is the same on every rank
    out.patients_below = comm_.sum(mine.patients_below);
    out.samples_below = comm_.sum(mine.samples_below);
    out.suppressed = definition_.profile.risk.suppress;
    return out;
}

Counted Pool::count() {
    constexpr std::size_t kSplitCount = std::size(core::kSplits);
    Shuffle<Visit> visits(comm_, folder_, "visits", partitions_, key_);
    Counted mine;
    mine.split_samples.assign(kSplitCount, 0);
    mine.split_patients.assign(kSplitCount, 0);
    core::together(comm_, [&] {
        each(
            [&](const SampleRef& ref) {
                ++mine.samples;
                mine.bytes += static_cast<std::int64_t>(ref.bytes);
                ++mine.split_samples[ref.split];
                visits.put(partition_of(first_64_bits(ref.patient), partitions_),
                           {ref.patient, ref.site, ref.split});
            },
            [](const SampleRef&, WhyDropped) {});
    });
    visits.seal();
    own_partitions(visits, comm_, [&](std::vector<Visit> all) {
        std::sort(all.begin(), all.end(), [](const Visit& a, const Visit& b) {
            return std::tie(a.patient, a.site) < std::tie(b.patient, b.site);
        });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            for (end = begin; end < all.size() && all[end].patient == all[begin].patient; ++end) continue;
            ++mine.patients;
            ++mine.split_patients[all[begin].split];
            mine.patients_at_two_sites += all[begin].site != all[end - 1].site;
        }
    });
    Counted out;
    out.samples = comm_.sum(mine.samples);
    out.bytes = comm_.sum(mine.bytes);
    out.patients = comm_.sum(mine.patients);
    out.patients_at_two_sites = comm_.sum(mine.patients_at_two_sites);
    for (std::size_t i = 0; i < kSplitCount; ++i) {
        out.split_samples.push_back(comm_.sum(mine.split_samples[i]));
        out.split_patients.push_back(comm_.sum(mine.split_patients[i]));
    }
    return out;
}

}  // namespace staging
