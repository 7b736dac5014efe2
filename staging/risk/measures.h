#pragma once
#include <cstdint>
#include <limits>
#include <vector>

namespace staging {

// How far two values of the sensitive column are from each other, for t-closeness (Li, Li and Venkatasubramanian, ICDE
// 2007, section 5): all are equally far, or as many steps as lie between them in their order.
enum class Distance { equal, ordered };

// What each group of patients who look alike must hold. 0: not asked for.
struct Criteria {
    std::int64_t k = 5;  // patients (Sweeney 2002)
    // Over the sensitive column (Machanavajjhala et al., TKDD 2007): different values (distinct l-diversity);
    // entropy of at least log(entropy_l); r_1 < c (r_l + r_l+1 + ...), r_i the i-th most frequent value's patients.
    std::int64_t l = 0;
    double entropy_l = 0;
    double recursive_c = 0;
    std::int64_t recursive_l = 0;
    double t = 0;  // earth mover's distance to the distribution of all patients, at most
    Distance distance = Distance::equal;

    bool ask_for_sensitive() const noexcept { return l > 0 || entropy_l > 0 || recursive_l > 0 || t > 0; }
    // The stricter of both. The distance is this one's.
    void join(const Criteria& other);
};

// The patients of a group by category of the sensitive column: rising categories, each once, counts above 0.
struct CategoryCount {
    std::uint32_t category = 0;
    std::int64_t patients = 0;
};
using Histogram = std::vector<CategoryCount>;

// The category of patients of whom no value is known. Those of whom several are have one after all others: joined().
inline constexpr std::uint32_t kMissing = 0, kNoCategory = UINT32_MAX;
// What a patient is of whose samples or rows are of two categories: a missing one says nothing beside another.
std::uint32_t joined(std::uint32_t a, std::uint32_t b, std::uint32_t several);

std::int64_t patients_of(const Histogram& group);
// exp(entropy): the l for which the group is just entropy l-diverse.
double entropy_diversity(const Histogram& group);
// r_1 / (r_l + r_l+1 + ...): recursive (c, l)-diverse is a group of less than c. Infinite with fewer than l categories.
double recursive_ratio(const Histogram& group, std::int64_t l);

// The earth mover's distance of a group from all patients, by the closed formulas of Li et al., sections 5.1 and 5.2:
// for ordered categories 1/(m-1) sum |r_1 + ... + r_i|, else half the sum of |r_i|. Whole numbers until the last
// division: no rounding, whatever the order. Ordered are those of the categories that somebody has.
class Closeness {
public:
    Closeness() = default;
    // `all`: patients by category. `missing` and `several` are the categories that are no values; as categories of their
    // own they are as far from all others as can be. Throws Error(data) if somebody is of them and the distance is of
    // ordered values: they have no place in an order.
    Closeness(const std::vector<std::int64_t>& all, Distance distance, std::uint32_t missing = kNoCategory,
              std::uint32_t several = kNoCategory);
    // Time: as many steps as the group has categories, times the logarithm of all.
    double of(const Histogram& group) const;
    bool is_value(std::uint32_t category) const noexcept {
        return category != missing_ && category != several_;
    }

private:
    Distance distance_ = Distance::equal;
    std::vector<std::int64_t> all_, up_to_;  // up_to_[i]: patients of the i+1 first categories that occur
    std::vector<std::int64_t> sums_;         // sums_[i]: up_to_[0] + ... + up_to_[i-1]
    std::vector<std::uint32_t> place_;       // of a category among those that occur
    std::int64_t patients_ = 0;
    std::uint32_t missing_ = kNoCategory, several_ = kNoCategory;
};

// `categories`: different values. For the diversities, who has none or several counts as one of the most frequent:
// whatever those patients have, a group is not more diverse for it.
struct GroupMeasures {
    std::int64_t patients = 0, categories = 0;
    double entropy_l = 0, recursive_ratio = 0, distance = 0;
};
GroupMeasures measure(const Histogram& group, const Criteria& criteria, const Closeness& all);
// k and distinct l alone: what holds of a group holds of every larger one.
bool hold_monotone(const Criteria& criteria, const GroupMeasures& group);
bool hold_entropy(const Criteria& criteria, double entropy_l);
bool hold(const Criteria& criteria, const GroupMeasures& group);

// The worst of several groups, and their sums.
struct GroupTotals {
    std::int64_t patients = 0, groups = 0;
    std::int64_t smallest_group = std::numeric_limits<std::int64_t>::max();
    std::int64_t alone = 0;           // patients who are the only one of their group
    std::int64_t patients_below = 0;  // in groups that break a criterion
    std::int64_t fewest_categories = std::numeric_limits<std::int64_t>::max();
    double least_entropy_l = std::numeric_limits<double>::infinity();
    double greatest_ratio = 0, greatest_distance = 0;
    void add(const GroupMeasures& group, bool holds);
};

}  // namespace staging
