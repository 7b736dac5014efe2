// Counts of people or samples, as they stand and as they follow from what stands beside them.
//
// Covered within one scope (an object with those around it, a row): a count itself, in any notation; a whole
// less a part; a rate or per cent with its denominator, or with its numerator. Not covered: means and medians
// of few values, rates whose denominator stands in another object, more than two figures taken together other
// than totals (differencing.cpp). Those are what reviewers look for.
#include "jobs/release/counts.h"

#include <algorithm>
#include <cmath>

#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

constexpr std::int64_t kFewest = 3;  // as many counts must fit a rate, else it tells one

template <class Test>
bool any_term(const std::string& key, Test test) {
    const auto terms = terms_of(key);
    return std::any_of(terms.begin(), terms.end(), [&](const std::string& term) { return test(term); });
}

bool is_small(std::int64_t count, const ReleaseRules& rules) {
    return count > 0 && count < rules.smallest_count;
}

// "samples", "n", "total": of everybody. "test_samples", "n_women": of some.
bool is_whole_group(const std::string& key) {
    const auto terms = terms_of(key);
    return terms.size() == 1 && (counts_everybody(terms[0]) || is_total(terms[0]));
}

bool is_statistic(const std::string& key) {
    static const char* kStatistics[] = {"mean", "average", "avg", "std", "sd",      "median",  "variance",
                                        "per",  "ratio",   "se",  "iqr", "percent", "weighted"};
    return any_term(key, [](const std::string& term) {
        return is_rate(term) || std::any_of(std::begin(kStatistics), std::end(kStatistics),
                                            [&](const char* word) { return term == word; });
    });
}

struct Fits {
    std::int64_t first, last;
    std::int64_t count() const { return last - first + 1; }
    bool any_small(std::int64_t whole, const ReleaseRules& rules) const {
        for (std::int64_t k = first; k <= last; ++k)
            if (is_small(k, rules) || is_small(whole - k, rules)) return true;
        return false;
    }
};

// The counts k for which k / whole is written as `rate`.
Fits parts_of(double rate, double half, std::int64_t whole) {
    const auto n = static_cast<double>(whole);
    return {static_cast<std::int64_t>(std::ceil(std::max(0.0, (rate - half) * n - 1e-9))),
            static_cast<std::int64_t>(std::floor(std::min(n, (rate + half) * n + 1e-9)))};
}

// Whether `rate`, written with `half` a unit in doubt, tells a small count beside `count`.
bool tells(double rate, double half, std::int64_t count, const ReleaseRules& rules) {
    const Fits parts = parts_of(rate, half, count);
    if (parts.count() >= 1 && parts.count() < kFewest && parts.any_small(count, rules)) return true;
    if (rate <= half) return false;
    // `count` may be the part: then the whole follows, and with it the rest.
    const auto k = static_cast<double>(count);
    const auto fewest = static_cast<std::int64_t>(std::ceil(k / std::min(1.0, rate + half) - 1e-9)),
               most = static_cast<std::int64_t>(std::floor(k / (rate - half) + 1e-9));
    if (most < fewest || most - fewest + 1 >= kFewest) return false;
    for (std::int64_t whole = fewest; whole <= most; ++whole)
        if (is_small(whole - count, rules)) return true;
    return false;
}

// Rates of 0 to 1; above 1, or where the key says so, of 0 to 100.
bool tells(const Item& rate, double half, std::int64_t count, const ReleaseRules& rules) {
    const double value = rate.number->value();
    if (value < 0 || value > 100) return false;
    const bool percent = value > 1 || any_term(rate.key, [](const std::string& term) {
                             return term == "percent" || term == "pct";
                         });
    return percent ? tells(value / 100, half / 100, count, rules) : tells(value, half, count, rules);
}

// Rounds to steps of 1, 2 and 5 until nothing is told. Fewer digits alone would go from 0.97 to 1.
void blur(Item& rate, const std::vector<const Item*>& counts, const ReleaseRules& rules, Findings& findings) {
    const auto told = [&](double half) {
        return std::any_of(counts.begin(), counts.end(), [&](const Item* count) {
            return tells(rate, half, count->number->whole(), rules);
        });
    };
    double power = std::pow(10.0, -rate.number->decimals());
    if (!told(power / 2)) return;
    const Number exact = *rate.number;
    for (;; power *= 10)
        for (const double step : {power, 2 * power, 5 * power}) {
            *rate.number = exact;
            if (step > std::max(1.0, exact.value()) / 2) {
                rate.number->hide();
                return findings.flag("hidden-rates", rate.where,
                                     "with a count beside it, it would have told a small number; left empty");
            }
            rate.number->round_to_step(step);
            // What looks as before is read as before.
            if (rate.number->value() != exact.value() && !told(step / 2))
                return findings.flag(
                    "rounded", rate.where,
                    "with a count beside it, it would have told a small number; rounded to steps of 1, 2 "
                    "or 5 at which three counts or more would fit");
        }
}

void check_small(const Item& item, const ReleaseRules& rules, Findings& findings) {
    const Number& number = *item.number;
    if (!is_count(item.key, item.above, rules)) return;
    if (number.is_whole()) {
        const std::int64_t count = std::abs(number.whole());
        if (count == 1 && any_term(item.key, is_rate)) return;
        if (is_small(count, rules))
            findings.refuse(
                "small-count", item.where,
                "a whole number from 1 to " + std::to_string(rules.smallest_count - 1) +
                    " counts people or samples unless its key is declared not to ([counts] not_counts of "
                    "release.toml); merge the stratum, or leave it out and the next smallest with it");
    } else if (any_term(item.key, counts_people) && !is_statistic(item.key) &&
               std::abs(number.value()) < static_cast<double>(rules.smallest_count)) {
        findings.refuse("small-count", item.where,
                        "a count is a whole number; write a rate under a rate's name");
    }
}

void check_rest(const Item& whole, const Item& part, const ReleaseRules& rules, Findings& findings) {
    if (is_whole_group(part.key) || !is_whole_group(whole.key)) return;
    if (is_small(whole.number->whole() - part.number->whole(), rules))
        findings.refuse("small-count", part.where,
                        "with the whole beside it, it tells how many are left, and they are few; leave one "
                        "of the two out");
}

}  // namespace

bool is_count(const std::string& key, const std::vector<std::string>& above, const ReleaseRules& rules) {
    const auto says = [](const std::string& word) { return any_term(word, counts_people); };
    if (rules.not_counts.contains(key)) return false;
    if (says(key) || std::any_of(above.begin(), above.end(), says)) return true;
    return !any_term(key, counts_nobody);
}

void check_counts(std::vector<Scope>& scopes, const ReleaseRules& rules, Findings& findings) {
    std::vector<std::vector<const Item*>> counts(scopes.size());  // of each scope and those around it
    for (std::size_t s = 0; s < scopes.size(); ++s) {
        if (scopes[s].outer >= 0) counts[s] = counts[static_cast<std::size_t>(scopes[s].outer)];
        if (counts[s].size() > 64) counts[s].resize(64);  // a list of lists: bounded work
        std::vector<const Item*> own;
        for (const Item& item : scopes[s].items) {
            check_small(item, rules, findings);
            if (item.number->is_whole() && item.number->whole() >= rules.smallest_count &&
                is_count(item.key, item.above, rules))
                own.push_back(&item);
        }
        if (own.size() <= 64)
            for (const Item* a : own)
                for (const Item* b : own) check_rest(*a, *b, rules, findings);
        counts[s].insert(counts[s].end(), own.begin(),
                         own.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(own.size(), 64)));
    }
    for (std::size_t s = 0; s < scopes.size(); ++s)
        for (Item& item : scopes[s].items)
            if (!item.number->is_whole() && is_count(item.key, item.above, rules))
                blur(item, counts[s], rules, findings);
}

bool is_one_for_each(std::size_t length, const std::vector<std::int64_t>& sizes) {
    constexpr std::int64_t kShortest = 20;
    const auto n = static_cast<std::int64_t>(length);
    return n >= kShortest && std::any_of(sizes.begin(), sizes.end(), [&](std::int64_t size) {
               return size >= kShortest && std::abs(n - size) <= std::max<std::int64_t>(2, size / 50);
           });
}

}  // namespace jobs
