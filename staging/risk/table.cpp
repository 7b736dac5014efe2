#include "staging/risk/table.h"

#include <algorithm>
#include <cstring>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace staging {
namespace {

std::uint64_t mixed(std::uint64_t x) {  // the finaliser of splitmix64 (Steele, Lea and Flood 2014)
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

// Finds what `is_it` says yes to, or a free place for it, which is grown when half of it is taken.
template <class Hash, class IsIt>
std::uint32_t& slot_of(std::vector<std::uint32_t>& slots, std::size_t taken, std::uint64_t hash,
                       Hash hash_of_place, IsIt is_it) {
    if (2 * (taken + 1) > slots.size()) {
        std::vector<std::uint32_t> larger(std::max<std::size_t>(2 * slots.size(), 16), 0);
        const std::size_t last = larger.size() - 1;
        for (const std::uint32_t one : slots) {
            if (one == 0) continue;
            std::size_t at = hash_of_place(one - 1) & last;
            while (larger[at] != 0) at = (at + 1) & last;
            larger[at] = one;
        }
        slots = std::move(larger);
    }
    std::size_t at = hash & (slots.size() - 1);
    while (slots[at] != 0 && !is_it(slots[at] - 1)) at = (at + 1) & (slots.size() - 1);
    return slots[at];
}

}  // namespace

void PatientTable::add(std::vector<PackedCell>& cells, std::uint32_t category) {
    if (size() >= UINT32_MAX - 1)
        throw core::Error(core::Fault::usage, "more than 2^32 patients in one process");
    std::sort(cells.begin(), cells.end());
    cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
    cells_.insert(cells_.end(), cells.begin(), cells.end());
    ends_.push_back(cells_.size());
    categories_.push_back(category);
}

std::uint64_t hash_of(const GroupName& group) {
    return mixed(mixed(group[0] + 0x9e3779b97f4a7c15) ^ group[1]);
}

GroupName name_of(std::vector<PackedCell>& cells) {
    if (cells.size() == 1) return cells[0];
    std::sort(cells.begin(), cells.end());
    cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
    if (cells.size() == 1) return cells[0];
    core::Sha256 all;
    for (const PackedCell& cell : cells)
        all.update({reinterpret_cast<const std::uint8_t*>(cell.data()), sizeof cell});
    const core::Digest digest = all.finish();
    GroupName name;
    std::memcpy(name.data(), digest.data(), sizeof name);
    return name;
}

void Shares::add(const Share& share) {
    const auto hash_of_share = [&](std::uint32_t at) {
        return hash_of(shares_[at].group) + mixed(shares_[at].category);
    };
    const auto hash_of_group = [&](std::uint32_t at) { return hash_of(shares_[first_[at]].group); };
    const std::uint64_t hash = hash_of(share.group);
    std::uint32_t& mine = slot_of(
        by_share_, shares_.size(), hash + mixed(share.category), hash_of_share, [&](std::uint32_t at) {
            return shares_[at].group == share.group && shares_[at].category == share.category;
        });
    if (mine != 0) {
        shares_[mine - 1].patients += share.patients;
        return;
    }
    const auto place = static_cast<std::uint32_t>(shares_.size());
    std::uint32_t& group = slot_of(by_group_, first_.size(), hash, hash_of_group, [&](std::uint32_t at) {
        return shares_[first_[at]].group == share.group;
    });
    if (group == 0) {
        first_.push_back(place);
        last_.push_back(place);
        group = static_cast<std::uint32_t>(first_.size());
    } else {
        next_[last_[group - 1]] = place;
        last_[group - 1] = place;
    }
    mine = place + 1;
    shares_.push_back(share);
    next_.push_back(UINT32_MAX);
}

void Shares::each_group(const std::function<void(std::span<const Share>)>& take) const {
    std::vector<Share> group;
    for (const std::uint32_t first : first_) {
        group.clear();
        for (std::uint32_t at = first; at != UINT32_MAX; at = next_[at]) group.push_back(shares_[at]);
        std::sort(group.begin(), group.end(),
                  [](const Share& a, const Share& b) { return a.category < b.category; });
        take(group);
    }
}

void join(GroupTotals& totals, const Parts& parts) {
    std::int64_t sums[] = {totals.patients, totals.groups, totals.alone, totals.patients_below};
    parts.sum(sums);
    totals.patients = sums[0], totals.groups = sums[1], totals.alone = sums[2],
    totals.patients_below = sums[3];
    totals.smallest_group = parts.least(totals.smallest_group);
    totals.fewest_categories = parts.least(totals.fewest_categories);
    totals.least_entropy_l = -parts.greatest(-totals.least_entropy_l);
    totals.greatest_ratio = parts.greatest(totals.greatest_ratio);
    totals.greatest_distance = parts.greatest(totals.greatest_distance);
}

}  // namespace staging
