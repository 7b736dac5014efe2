#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "staging/risk/hierarchy.h"

namespace staging {

// One record for each patient: the set of the patient's cells, and the category of the sensitive column. Memory: 12 bytes
// a patient and 16 a cell.
class PatientTable {
public:
    // A patient's cells, in any order, repeated or not; one at least.
    void add(std::vector<PackedCell>& cells, std::uint32_t category);
    std::size_t size() const noexcept { return categories_.size(); }
    std::span<const PackedCell> cells(std::size_t patient) const {
        const std::uint64_t begin = patient == 0 ? 0 : ends_[patient - 1];
        return {cells_.data() + begin, cells_.data() + ends_[patient]};
    }
    std::uint32_t category(std::size_t patient) const { return categories_[patient]; }

private:
    std::vector<PackedCell> cells_;
    std::vector<std::uint64_t> ends_;
    std::vector<std::uint32_t> categories_;
};

// What stands for a set of cells: a cell itself, or a digest of several.
using GroupName = PackedCell;
GroupName name_of(std::vector<PackedCell>& cells);  // sorts them
std::uint64_t hash_of(const GroupName& group);

// Some patients of one group and one category.
struct Share {
    GroupName group{};
    std::int64_t patients = 0;
    std::int64_t loss = 0;  // of each of them
    std::uint32_t category = 0;
    std::uint32_t patient = 0;  // one of them: its number in its table
};

// Joins shares of the same group and category, in linear time. Groups come in the order of their first share.
class Shares {
public:
    void add(const Share& share);
    const std::vector<Share>& all() const noexcept { return shares_; }
    std::vector<Share> take() && { return std::move(shares_); }
    std::size_t groups() const noexcept { return first_.size(); }
    // Calls `take` with each group's shares, by rising category.
    void each_group(const std::function<void(std::span<const Share>)>& take) const;

private:
    std::vector<Share> shares_;
    std::vector<std::uint32_t> next_, last_,
        first_;  // of a share: the group's next; of a group: its last and first
    std::vector<std::uint32_t> by_share_, by_group_;  // open addressing: a place + 1, 0 is free
};

// The processes that hold one table together, each some of its patients. Alone there is nothing to do.
class Parts {
public:
    Parts() = default;
    Parts(const Parts&) = delete;
    Parts& operator=(const Parts&) = delete;
    virtual ~Parts() = default;
    virtual bool alone() const noexcept { return true; }
    // Adds up the numbers of all, on all.
    virtual void sum(std::span<std::int64_t>) const {}
    virtual std::int64_t least(std::int64_t mine) const { return mine; }
    virtual double greatest(double mine) const { return mine; }
    // Brings all shares of a group to one of them, the same for a group each time.
    virtual void bring(const std::vector<Share>& mine, Shares& here) const {
        for (const Share& share : mine) here.add(share);
    }
    // And back: to each of them all shares of the groups that it has some of. `here` is what bring() made of `mine`.
    virtual void give_back(const Shares&, const Shares& here, Shares& back) const {
        for (const Share& share : here.all()) back.add(share);
    }
};

// All parts call it: sums and extremes of all.
void join(GroupTotals& totals, const Parts& parts);

}  // namespace staging
