#include "staging/risk/link.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <unordered_map>

#include "core/base/bytes.h"
#include "staging/risk/search.h"

namespace staging {
namespace {

constexpr std::uint32_t kAbsent = UINT32_MAX;
constexpr double kChances = 1 << 30;  // of which one is added up: the same sum in any order

// A group's patients by value, as far as an attacker asks.
struct Known {
    std::span<const CategoryCount> counts;  // by rising value, the missing first
    std::int64_t patients = 0, values = 0;
    std::uint32_t only = kMissing;  // the value, if it is the only one
};

Known known(std::span<const CategoryCount> counts) {
    Known out{counts};
    for (const CategoryCount& one : counts) {
        out.patients += one.patients;
        if (one.category == kMissing) continue;
        ++out.values;
        out.only = out.values == 1 ? one.category : kMissing;
    }
    return out;
}

// The groups that this part has patients of, whole.
class Groups {
public:
    Groups(const Shares& mine, const Parts& parts) {
        std::int64_t least = INT64_MAX;
        const auto measure_all = [&](std::span<const Share> group) {
            std::int64_t patients = 0;
            for (const Share& one : group) patients += one.patients;
            least = std::min(least, patients);
        };
        if (parts.alone()) {
            mine.each_group(measure_all);
            mine.each_group([&](std::span<const Share> group) { keep(group); });
        } else {
            Shares here, back;
            parts.bring(mine.all(), here);
            here.each_group(measure_all);
            parts.give_back(mine, here, back);
            here = Shares();
            back.each_group([&](std::span<const Share> group) { keep(group); });
        }
        least = parts.least(least);
        smallest_ = least == INT64_MAX ? 0 : least;
    }
    Known of(const GroupName& name) const {
        const Place& place = places_.at(name);
        return known(std::span(counts_).subspan(place.begin, place.size));
    }
    std::int64_t smallest() const noexcept { return smallest_; }

private:
    struct Place {
        std::uint64_t begin, size;
    };
    struct Hash {
        std::size_t operator()(const GroupName& name) const { return hash_of(name); }
    };
    void keep(std::span<const Share> group) {
        places_[group[0].group] = {counts_.size(), group.size()};
        for (const Share& one : group) counts_.push_back({one.category, one.patients});
    }

    std::unordered_map<GroupName, Place, Hash> places_;
    std::vector<CategoryCount> counts_;
    std::int64_t smallest_ = 0;
};

Share share_of(const GroupName& name, std::uint32_t value) {
    Share out;
    out.group = name;
    out.patients = 1;
    out.category = value;
    return out;
}

class Linking {
public:
    Linking(const std::vector<Release>& releases, const LinkPolicy& policy, const Parts& parts)
        : releases_(releases), policy_(policy), parts_(parts) {}

    Linked run() {
        meet();
        for (std::size_t i = 0; i < releases_.size(); ++i) judge_alone(i);
        flags_.assign(persons(), 0);
        for (std::size_t person = 0; person < persons(); ++person)
            each_release(person, [&](std::size_t i) {
                if (is_below(i, alone_[i].of(name(i, person)))) flags_[person] |= kBelowAlone;
            });
        if (policy_.by == LinkedBy::identifiers)
            by_identifiers();
        else
            by_columns();
        finish();
        return std::move(out_);
    }

private:
    enum : std::uint8_t { kBelowAlone = 1, kBelow = 2, kSure = 4, kNewlySure = 8 };

    std::size_t persons() const noexcept { return at_.size() / releases_.size(); }
    std::uint32_t at(std::size_t i, std::size_t person) const { return at_[person * releases_.size() + i]; }
    const GroupName& name(std::size_t i, std::size_t person) const { return names_[i][at(i, person)]; }
    std::uint32_t value(std::size_t i, std::size_t person) const {
        return releases_[i].values[releases_[i].patients.category(at(i, person))];
    }
    template <class Take>
    void each_release(std::size_t person, Take take) const {
        for (std::size_t i = 0; i < releases_.size(); ++i)
            if (at(i, person) != kAbsent) take(i);
    }
    bool is_in_all(std::size_t person) const {
        bool out = true;
        for (std::size_t i = 0; i < releases_.size(); ++i) out &= at(i, person) != kAbsent;
        return out;
    }
    bool breaks(std::int64_t patients, std::int64_t values) const {
        return patients < policy_.k || (policy_.l > 0 && values < policy_.l);
    }
    bool is_below(std::size_t i, const Known& group) const {
        return releases_[i].has_values ? breaks(group.patients, group.values) : group.patients < policy_.k;
    }

    // Who is in which release: all lists at once, each of them rising.
    void meet() {
        std::vector<std::size_t> next(releases_.size(), 0);
        while (true) {
            const Release::Identity* first = nullptr;
            for (std::size_t i = 0; i < releases_.size(); ++i)
                if (next[i] < releases_[i].whose.size() && (!first || releases_[i].whose[next[i]] < *first))
                    first = &releases_[i].whose[next[i]];
            if (!first) return;
            for (std::size_t i = 0; i < releases_.size(); ++i) {
                const bool is_there =
                    next[i] < releases_[i].whose.size() && releases_[i].whose[next[i]] == *first;
                at_.push_back(is_there ? static_cast<std::uint32_t>(next[i]) : kAbsent);
            }
            for (std::size_t i = 0; i < releases_.size(); ++i)
                next[i] += at_[at_.size() - releases_.size() + i] != kAbsent;
        }
    }

    void judge_alone(std::size_t which) {
        const Release& one = releases_[which];
        Shares shares;
        std::vector<GroupName> names;
        std::vector<PackedCell> cells;
        for (std::size_t i = 0; i < one.patients.size(); ++i) {
            cells.assign(one.patients.cells(i).begin(), one.patients.cells(i).end());
            names.push_back(name_of(cells));
            shares.add(share_of(names.back(), one.values[one.patients.category(i)]));
        }
        alone_.emplace_back(shares, parts_);
        LinkFigures figures;
        std::int64_t chances = 0;
        for (const GroupName& name : names) {
            const Known group = alone_.back().of(name);
            add(figures, chances, group.patients, is_below(which, group), group.values == 1);
        }
        join(figures, chances, alone_.back().smallest());
        out_.each.push_back(figures);
        names_.push_back(std::move(names));
    }

    static void add(LinkFigures& figures, std::int64_t& chances, std::int64_t candidates, bool is_below,
                    bool is_sure) {
        ++figures.patients;
        figures.alone += candidates == 1;
        figures.below += is_below;
        figures.sure += is_sure;
        chances += std::llround(kChances / static_cast<double>(candidates));
    }

    void join(LinkFigures& figures, std::int64_t chances, std::int64_t smallest) const {
        std::int64_t sums[] = {figures.patients, figures.alone, figures.below, figures.sure, chances};
        parts_.sum(sums);
        figures = {.patients = sums[0],
                   .smallest_group = smallest,
                   .alone = sums[1],
                   .below = sums[2],
                   .sure = sums[3]};
        if (sums[0] > 0)
            figures.prosecutor_mean = static_cast<double>(sums[4]) / kChances / static_cast<double>(sums[0]);
    }

    // A value that is sure is news unless a release alone makes it sure.
    bool is_news(std::size_t person, std::uint32_t value) const {
        bool is_known = false;
        each_release(person, [&](std::size_t i) { is_known |= alone_[i].of(name(i, person)).only == value; });
        return !is_known;
    }

    void be_sure(std::size_t person, std::uint32_t value) {
        flags_[person] |= kSure;
        if (is_news(person, value)) flags_[person] |= kNewlySure;
    }

    GroupName joint_name(std::size_t person) const {
        core::Sha256 all;
        for (std::size_t i = 0; i < releases_.size(); ++i) {
            const bool is_there = at(i, person) != kAbsent;
            const GroupName name_here = is_there ? name(i, person) : GroupName{};
            std::uint8_t bytes[1 + sizeof name_here] = {is_there};
            std::memcpy(bytes + 1, name_here.data(), sizeof name_here);
            all.update(bytes);
        }
        const core::Digest digest = all.finish();
        GroupName out;
        std::memcpy(out.data(), digest.data(), sizeof out);
        return out;
    }

    void by_identifiers() {
        std::vector<GroupName> joint;
        Shares everybody;
        for (std::size_t person = 0; person < persons(); ++person) {
            joint.push_back(joint_name(person));
            everybody.add(share_of(joint.back(), kMissing));
        }
        for (std::size_t i = 0; i < releases_.size(); ++i) {
            Shares shares;
            for (std::size_t person = 0; person < persons(); ++person)
                if (at(i, person) != kAbsent) shares.add(share_of(joint[person], value(i, person)));
            const Groups groups(shares, parts_);
            for (std::size_t person = 0; person < persons(); ++person) {
                if (at(i, person) == kAbsent) continue;
                const Known group = groups.of(joint[person]);
                if (is_below(i, group)) flags_[person] |= kBelow;
                if (group.values == 1) be_sure(person, group.only);
            }
        }
        const Groups groups(everybody, parts_);
        for (std::size_t person = 0; person < persons(); ++person)
            tell(person, groups.of(joint[person]).patients);
        smallest_ = groups.smallest();
    }

    // The values that all groups of a person have; `patients`: of the smallest group, who can have them.
    struct Candidates {
        std::int64_t patients = INT64_MAX;
        std::int64_t values = INT64_MAX;
        std::uint32_t only = kMissing;
    };

    Candidates alone_of(std::size_t person) const {
        Candidates out;
        each_release(person, [&](std::size_t i) {
            const Known group = alone_[i].of(name(i, person));
            out.patients = std::min(out.patients, group.patients);
            out.values = std::min(out.values, group.values);
            if (group.values == 1) out.only = group.only;
        });
        return out;
    }

    bool is_one_value(std::size_t person) const {
        std::uint32_t found = kMissing;
        bool out = true;
        each_release(person, [&](std::size_t i) {
            const std::uint32_t mine = value(i, person);
            if (mine == kMissing) return;
            out &= found == kMissing || found == mine;
            found = mine;
        });
        return out;
    }

    Candidates candidates_of(std::size_t person) const {
        if (!is_one_value(person)) return alone_of(person);
        std::vector<std::uint32_t> common, both;
        bool is_first = true;
        each_release(person, [&](std::size_t i) {
            std::vector<std::uint32_t> values;
            for (const CategoryCount& one : alone_[i].of(name(i, person)).counts)
                if (one.category != kMissing) values.push_back(one.category);
            both.clear();
            std::set_intersection(common.begin(), common.end(), values.begin(), values.end(),
                                  std::back_inserter(both));
            common = is_first ? values : both;
            is_first = false;
        });
        if (common.empty()) return alone_of(person);
        Candidates out;
        out.values = static_cast<std::int64_t>(common.size());
        if (out.values == 1) out.only = common[0];
        each_release(person, [&](std::size_t i) {
            std::int64_t patients = 0;
            for (const CategoryCount& one : alone_[i].of(name(i, person)).counts)
                if (one.category == kMissing ||
                    std::binary_search(common.begin(), common.end(), one.category))
                    patients += one.patients;
            out.patients = std::min(out.patients, patients);
        });
        return out;
    }

    void by_columns() {
        std::int64_t least = INT64_MAX;
        for (std::size_t person = 0; person < persons(); ++person) {
            const Candidates found = candidates_of(person);
            if (breaks(found.patients, found.values)) flags_[person] |= kBelow;
            if (found.only != kMissing) be_sure(person, found.only);
            tell(person, found.patients);
            least = std::min(least, found.patients);
        }
        least = parts_.least(least);
        smallest_ = least == INT64_MAX ? 0 : least;
    }

    void tell(std::size_t person, std::int64_t candidates) {
        const std::uint8_t flags = flags_[person];
        add(out_.together, chances_, candidates, flags & kBelow, flags & kSure);
        const bool is_everywhere = is_in_all(person), is_new = (flags & kBelow) && !(flags & kBelowAlone);
        out_.in_all += is_everywhere;
        out_.newly_below += is_new;
        out_.newly_below_not_in_all += is_new && !is_everywhere;
        out_.newly_sure += (flags & kNewlySure) != 0;
    }

    void finish() {
        join(out_.together, chances_, smallest_);
        std::int64_t sums[] = {out_.in_all, out_.newly_below, out_.newly_below_not_in_all, out_.newly_sure};
        parts_.sum(sums);
        out_.in_all = sums[0], out_.newly_below = sums[1], out_.newly_below_not_in_all = sums[2],
        out_.newly_sure = sums[3];
    }

    const std::vector<Release>& releases_;
    const LinkPolicy& policy_;
    const Parts& parts_;
    std::vector<std::uint32_t> at_;  // by person and release: the person's place there
    std::vector<std::vector<GroupName>> names_;
    std::vector<Groups> alone_;
    std::vector<std::uint8_t> flags_;  // by person
    std::int64_t chances_ = 0, smallest_ = 0;
    Linked out_;
};

}  // namespace

bool Linked::holds(const LinkPolicy& policy) const {
    return together.below <= part_of(policy.most_below, together.patients);
}

Linked link(const std::vector<Release>& releases, const LinkPolicy& policy, const Parts& parts) {
    return Linking(releases, policy, parts).run();
}

}  // namespace staging
