#include "staging/risk/measures.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "core/base/error.h"

namespace staging {
namespace {

// Sums of products of two counts.
__extension__ using Wide = __int128;

Wide magnitude(Wide value) {
    return value < 0 ? -value : value;
}

// In lowest terms first: 1/5 is what "0.2" in a profile is.
double fraction(Wide over, Wide under) {
    Wide a = over, b = under;
    while (b != 0) a = std::exchange(b, a % b);
    return static_cast<double>(over / a) / static_cast<double>(under / a);
}

// Logarithms round: a group of three equal thirds is entropy 3-diverse.
constexpr double kRounding = 1e-9;

// The patients of real values, and all others with the most frequent of them.
Histogram at_worst(const Histogram& group, const Closeness& all) {
    Histogram out;
    std::int64_t others = 0;
    for (const CategoryCount& one : group)
        if (all.is_value(one.category))
            out.push_back(one);
        else
            others += one.patients;
    if (out.empty()) return group.empty() ? out : Histogram{{group[0].category, others}};
    std::ranges::max_element(out, {}, &CategoryCount::patients)->patients += others;
    return out;
}

}  // namespace

std::uint32_t joined(std::uint32_t a, std::uint32_t b, std::uint32_t several) {
    if (a == kMissing || b == kMissing) return std::max(a, b);
    return a == b ? a : several;
}

void Criteria::join(const Criteria& other) {
    k = std::max(k, other.k);
    l = std::max(l, other.l);
    entropy_l = std::max(entropy_l, other.entropy_l);
    if (other.recursive_l > 0) {
        recursive_c = recursive_l > 0 ? std::min(recursive_c, other.recursive_c) : other.recursive_c;
        recursive_l = std::max(recursive_l, other.recursive_l);
    }
    if (other.t > 0) t = t > 0 ? std::min(t, other.t) : other.t;
}

std::int64_t patients_of(const Histogram& group) {
    std::int64_t sum = 0;
    for (const CategoryCount& one : group) sum += one.patients;
    return sum;
}

double entropy_diversity(const Histogram& group) {
    const auto all = static_cast<double>(patients_of(group));
    double sum = 0;
    for (const CategoryCount& one : group) {
        const auto patients = static_cast<double>(one.patients);
        sum += patients * std::log(patients);
    }
    return std::exp(std::log(all) - sum / all);
}

double recursive_ratio(const Histogram& group, std::int64_t l) {
    std::vector<std::int64_t> counts;
    for (const CategoryCount& one : group) counts.push_back(one.patients);
    std::sort(counts.begin(), counts.end(), std::greater<>());
    std::int64_t rest = 0;
    for (auto i = static_cast<std::size_t>(l) - 1; i < counts.size(); ++i) rest += counts[i];
    return rest == 0 ? std::numeric_limits<double>::infinity()
                     : static_cast<double>(counts.front()) / static_cast<double>(rest);
}

Closeness::Closeness(const std::vector<std::int64_t>& all, Distance distance, std::uint32_t missing,
                     std::uint32_t several)
    : distance_(distance), all_(all), place_(all.size()), missing_(missing), several_(several) {
    for (const std::uint32_t one : {missing, several})
        if (distance == Distance::ordered && one < all.size() && all[one] > 0)
            throw core::Error(core::Fault::data,
                              "risk.distance: \"ordered\" needs one sensitive value of every patient; some "
                              "have none, or several");
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        place_[i] = static_cast<std::uint32_t>(up_to_.size());
        if (all[i] == 0) continue;
        sums_.push_back(sum);
        patients_ += all[i];
        sum += patients_;
        up_to_.push_back(patients_);
    }
    sums_.push_back(sum);
}

double Closeness::of(const Histogram& group) const {
    const Wide here = patients_of(group), all = patients_;
    if (distance_ == Distance::equal) {
        // What the group has too little of is as much as what it has too much of.
        Wide more = 0;
        for (const CategoryCount& one : group)
            more += std::max<Wide>(one.patients * all - all_[one.category] * here, 0);
        return fraction(more, here * all);
    }
    const std::size_t m = up_to_.size();
    if (m < 2) return 0;
    // Between two categories of the group its part stays what it is, while that of all patients rises: below one place
    // the differences are positive, from there on negative.
    Wide sum = 0, part = 0;
    std::size_t from = 0;
    const auto add_until = [&](std::size_t to) {
        if (to <= from) return;
        const auto begin = up_to_.begin() + static_cast<std::ptrdiff_t>(from),
                   end = up_to_.begin() + static_cast<std::ptrdiff_t>(to);
        const auto turn =
            std::partition_point(begin, end, [&](std::int64_t one) { return one * here <= part * all; });
        const auto at = static_cast<std::size_t>(turn - up_to_.begin());
        sum += magnitude(static_cast<Wide>(at - from) * part * all - Wide{sums_[at] - sums_[from]} * here) +
               magnitude(Wide{sums_[to] - sums_[at]} * here - static_cast<Wide>(to - at) * part * all);
        from = to;
    };
    for (const CategoryCount& one : group) {
        add_until(place_[one.category]);
        part += one.patients;
    }
    add_until(m);
    return fraction(sum, here * all * static_cast<Wide>(m - 1));
}

GroupMeasures measure(const Histogram& group, const Criteria& criteria, const Closeness& all) {
    GroupMeasures out;
    out.patients = patients_of(group);
    out.categories =
        std::ranges::count_if(group, [&](const CategoryCount& one) { return all.is_value(one.category); });
    const Histogram worst = at_worst(group, all);
    out.entropy_l = entropy_diversity(worst);
    if (criteria.recursive_l > 0) out.recursive_ratio = recursive_ratio(worst, criteria.recursive_l);
    out.distance = all.of(group);
    return out;
}

bool hold_monotone(const Criteria& criteria, const GroupMeasures& group) {
    return group.patients >= criteria.k && group.categories >= criteria.l;
}

bool hold_entropy(const Criteria& criteria, double entropy_l) {
    return entropy_l >= criteria.entropy_l * (1 - kRounding);
}

bool hold(const Criteria& criteria, const GroupMeasures& group) {
    return hold_monotone(criteria, group) && hold_entropy(criteria, group.entropy_l) &&
           (criteria.recursive_l == 0 || group.recursive_ratio < criteria.recursive_c) &&
           (criteria.t == 0 || group.distance <= criteria.t);
}

void GroupTotals::add(const GroupMeasures& group, bool holds) {
    patients += group.patients;
    ++groups;
    smallest_group = std::min(smallest_group, group.patients);
    if (group.patients == 1) ++alone;
    if (!holds) patients_below += group.patients;
    fewest_categories = std::min(fewest_categories, group.categories);
    least_entropy_l = std::min(least_entropy_l, group.entropy_l);
    greatest_ratio = std::max(greatest_ratio, group.recursive_ratio);
    greatest_distance = std::max(greatest_distance, group.distance);
}

}  // namespace staging
