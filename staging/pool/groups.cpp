// Stage 2 over patients: groups of equal sets of cells, what a group tells of the sensitive column, suppression.
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "staging/deid/identity.h"
#include "staging/pool/parts.h"
#include "staging/pool/pool.h"
#include "staging/risk/attack.h"

namespace staging {
namespace {

using Signature = std::array<std::uint8_t, 16>;  // of a patient's set of cells

// How many patients of one rank's partition have one set of cells and one category.
struct Part {
    Signature group;
    std::int64_t patients;
    std::uint32_t category, rank;
};

struct Patient {
    std::size_t begin, end;  // in the partition's visits
    Signature group;
    std::uint32_t category;
    bool several_cells;
};

core::Id16 as_id(const PackedCell& cell) {
    core::Id16 out;
    std::memcpy(out.data(), cell.data(), out.size());
    return out;
}
PackedCell as_cell(const core::Id16& id) {
    PackedCell out;
    std::memcpy(out.data(), id.data(), id.size());
    return out;
}

// All ranks call it, with the same numbers.
Closeness closeness_of(const std::vector<std::int64_t>& all, Distance distance, std::uint32_t several) {
    try {
        return {all, distance, kMissing, several};
    } catch (const core::Error& e) {
        throw core::AgreedError(e.fault(), e.what());
    }
}

}  // namespace

// The quasi-identifiers' values lie in Visit::quasi as they are (deid/quasi.h).
Coarser Pool::generalise(const Shuffle<Visit>& visits, std::uint32_t several) const {
    const RiskPolicy& policy = definition_.profile.risk;
    const RankParts parts(comm_, options_.exchange_bytes);
    PatientTable table;
    visits.each_own([&](std::int64_t, std::vector<Visit> all) {
        std::sort(all.begin(), all.end(),
                  [](const Visit& a, const Visit& b) { return a.patient < b.patient; });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            std::vector<PackedCell> cells;
            std::uint32_t category = all[begin].sensitive;
            for (end = begin; end < all.size() && all[end].patient == all[begin].patient; ++end) {
                category = joined(category, all[end].sensitive, several);
                cells.push_back(as_cell(all[end].quasi));
            }
            table.add(cells, category);
        }
    });
    const Quasi& quasi = definition_.quasi->quasi;
    const Closeness all = closeness_of(count_categories(table, several + 1, parts), policy.distance, several);
    Coarser out;
    out.before = judge(table, quasi, Levels(quasi.size(), 0), policy, all, nullptr, nullptr, parts).all;
    const auto [found, are_all_tried] = least_loss(table, quasi, policy, all, parts);
    if (!found && !are_all_tried)
        throw core::AgreedError(core::Fault::data,
                                "of the generalisations that were tried none holds what [risk] asks for: "
                                "raise most_steps, or most_suppressed");
    if (!found)
        throw core::AgreedError(
            core::Fault::data,
            "no generalisation of the quasi-identifiers holds what [risk] asks for with so few "
            "patients left out: add steps to its hierarchies, or raise most_suppressed or most_steps");
    out.least = *found;
    return out;
}

PooledRisk Pool::find_small_groups() {
    const RiskPolicy& policy = definition_.profile.risk;
    constexpr std::size_t kSplitCount = std::size(core::kSplits);
    // kMissing, then the categories, then "several".
    std::uint32_t several = 1;
    if (!policy.sensitive.empty()) {
        const core::Schema& schema = definition_.schema;
        several += static_cast<std::uint32_t>(schema.columns[schema.column(policy.sensitive)].names.size());
    }

    auto visits = shuffle<Visit>("visits", partitions_);
    visits.fill(steps<Visit>([&](const SampleRef& ref, const Shuffle<Visit>::Put& put) {
        put(partition_of(first_64_bits(ref.patient), partitions_),
            {ref.patient, ref.quasi, ref.origin, ref.segment, ref.bytes,
             policy.sensitive.empty() ? 0 : ref.sensitive, ref.site, ref.split, 0});
    }));
    PooledRisk out;
    Levels levels;
    const auto each_patient = [&](std::vector<Visit>& all, const auto& take) {
        if (definition_.quasi)
            for (Visit& one : all) one.quasi = as_id(definition_.quasi->quasi.at(as_cell(one.quasi), levels));
        std::sort(all.begin(), all.end(), [](const Visit& a, const Visit& b) {
            return std::tie(a.patient, a.quasi, a.origin) < std::tie(b.patient, b.quasi, b.origin);
        });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            core::Sha256 cells;
            Patient one{begin, begin, {}, all[begin].sensitive, false};
            for (end = begin; end < all.size() && all[end].patient == all[begin].patient; ++end) {
                one.category = joined(one.category, all[end].sensitive, several);
                if (end > begin && all[end].quasi == all[end - 1].quasi) continue;
                cells.update(all[end].quasi);
                one.several_cells |= end > begin;
            }
            one.end = end;
            const core::Digest digest = cells.finish();
            std::copy_n(digest.begin(), one.group.size(), one.group.begin());
            take(one);
        }
    };

    if (definition_.quasi) {
        out.coarser = generalise(visits, several);
        levels = out.coarser->least.levels;
    }

    GroupTotals totals;
    PooledRisk mine;
    std::vector<std::int64_t> categories(several + 1, 0);
    auto shares = shuffle<Part>("groups", partitions_);
    std::int64_t next = comm_.rank();
    shares.fill([&](const Shuffle<Part>::Put& put) {
        if (next < partitions_) {
            std::map<std::pair<Signature, std::uint32_t>, std::int64_t> counts;
            std::vector<Visit> all = visits.records(next);
            each_patient(all, [&](const Patient& one) {
                ++counts[{one.group, one.category}];
                ++categories[one.category];
                ++mine.patients;
                mine.patients_in_several_cells += one.several_cells;
            });
            for (const auto& [key, count] : counts)
                put(partition_of(first_64_bits(key.first), partitions_),
                    {key.first, count, key.second, static_cast<std::uint32_t>(comm_.rank())});
        }
        next += comm_.size();
        return next < partitions_;
    });
    for (std::int64_t& count : categories) count = comm_.sum(count);
    const Closeness closeness = closeness_of(categories, policy.distance, several);
    out.patients = comm_.sum(mine.patients);
    out.patients_in_several_cells = comm_.sum(mine.patients_in_several_cells);

    // Each group at its owner; those that break a threshold are told to the ranks whose patients are in them.
    auto small = shuffle<Signature>("small-groups", comm_.size());
    next = comm_.rank();
    small.fill([&](const Shuffle<Signature>::Put& put) {
        std::vector<Part> all;
        if (next < partitions_) all = shares.records(next);
        std::sort(all.begin(), all.end(), [](const Part& a, const Part& b) {
            return std::tie(a.group, a.category) < std::tie(b.group, b.category);
        });
        for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            Histogram group;
            std::set<std::uint32_t> ranks;
            for (end = begin; end < all.size() && all[end].group == all[begin].group; ++end) {
                if (group.empty() || group.back().category != all[end].category)
                    group.push_back({all[end].category, 0});
                group.back().patients += all[end].patients;
                ranks.insert(all[end].rank);
            }
            const GroupMeasures measures = measure(group, policy, closeness);
            const bool holds = hold(policy, measures);
            totals.add(measures, holds);
            if (holds) continue;
            for (const std::uint32_t rank : ranks) put(rank, all[begin].group);
        }
        next += comm_.size();
        return next < partitions_;
    });
    std::set<Signature> told;
    small.each_own([&](std::int64_t, const std::vector<Signature>& groups) {
        told.insert(groups.begin(), groups.end());
    });

    Counted counts;
    counts.split_samples.assign(kSplitCount, 0);
    counts.split_patients.assign(kSplitCount, 0);
    find_drops("suppressed", visits, [&](std::vector<Visit> all, const auto& drop) {
        each_patient(all, [&](const Patient& one) {
            const bool below = told.contains(one.group);
            if (below) mine.samples_below += static_cast<std::int64_t>(one.end - one.begin);
            bool two_sites = false;
            for (std::size_t i = one.begin; i < one.end; ++i) {
                if (below && policy.suppress) {
                    drop(all[i].origin, all[i].segment, WhyDropped::small_group);
                    continue;
                }
                ++counts.samples;
                counts.bytes += static_cast<std::int64_t>(all[i].bytes);
                ++counts.split_samples[all[i].split];
                two_sites |= all[i].site != all[one.begin].site;
            }
            if (below && policy.suppress) return;
            ++counts.patients;
            ++counts.split_patients[all[one.begin].split];
            counts.patients_at_two_sites += two_sites;
        });
    });
    counted_ = {};
    counted_.samples = comm_.sum(counts.samples);
    counted_.bytes = comm_.sum(counts.bytes);
    counted_.patients = comm_.sum(counts.patients);
    counted_.patients_at_two_sites = comm_.sum(counts.patients_at_two_sites);
    for (std::size_t i = 0; i < kSplitCount; ++i) {
        counted_.split_samples.push_back(comm_.sum(counts.split_samples[i]));
        counted_.split_patients.push_back(comm_.sum(counts.split_patients[i]));
    }

    join(totals, RankParts(comm_, options_.exchange_bytes));
    out.groups = totals.groups;
    out.patients_below = totals.patients_below;
    out.samples_below = comm_.sum(mine.samples_below);
    if (out.groups) {
        out.smallest_group = totals.smallest_group;
        out.fewest_categories = totals.fewest_categories;
        out.least_entropy_l = totals.least_entropy_l;
        out.greatest_ratio = totals.greatest_ratio;
        out.greatest_distance = totals.greatest_distance;
    }
    out.suppressed = policy.suppress;
    return out;
}

}  // namespace staging
