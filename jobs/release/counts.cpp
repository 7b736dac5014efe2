// Counts of people or samples, as they stand and as they follow from what stands beside them.
//
// Covered within one scope (an object with those around it, a row): a count itself, in any notation; a whole
// less a part; a rate or per cent with its denominator, or with its numerator. Wherever they stand: a rate of a class with a
// line of a confusion, and any rate that gives a cell back which leaves empty. Not covered: means and medians of few values,
// rates whose denominator stands in another object and in no confusion. What several figures tell together: rates.cpp,
// differencing.cpp. The rest is what reviewers look for.
#include "jobs/release/counts.h"

#include <algorithm>
#include <cmath>

#include "jobs/release/tells.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

template <class Test>
bool any_term(const std::string& key, Test test) {
    const auto terms = terms_of(key);
    return std::any_of(terms.begin(), terms.end(), [&](const std::string& term) { return test(term); });
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

bool is_percent(const std::string& key) {
    return any_term(key, [](const std::string& term) { return term == "percent" || term == "pct"; });
}

// Beside counts of its own scope and those around it, and lines of confusions wherever they stand.
void blur(Item& rate, const std::vector<std::int64_t>& counts, const Lines& lines, const ReleaseRules& rules,
          Findings& findings) {
    const std::string kind = rate_kind(rate.key);
    const double written = half_unit(*rate.number);
    const bool is_percentage = is_percent(rate.key);
    // Of what it says nothing about as it is, it says nothing when it is rounded: fewer digits fit more by chance. So do few
    // digits of what is no rate of a class.
    constexpr double kFourDigits = 5e-5;
    std::vector<const LineSum*> near;
    const auto collect = [&](const std::vector<LineSum>& of, auto test) {
        for (const LineSum& line : of)
            if (any_reading(*rate.number, written, is_percentage,
                            [&](double value, double half) { return test(value, half, line); }))
                near.push_back(&line);
    };
    const auto tells_any = [&](double value, double half, const LineSum& line) {
        return tells_of(value, half, line, rules);
    };
    const bool is_known = std::any_of(lines.known.begin(), lines.known.end(), [&](const auto& figure) {
        return figure.first == kind && std::abs(figure.second - rate.number->value()) <= written;
    });
    if (!is_known && kind == "f1") collect(lines.of_f1, tells_any);
    if (!is_known && is_of_class(kind)) collect(lines.sums, tells_any);
    if (!is_known && !is_of_class(kind) && kind != "f1" && kind != "balanced" && written <= kFourDigits)
        collect(lines.sums, gives_back);
    const auto told = [&](double value, double half) {
        return std::any_of(counts.begin(), counts.end(),
                           [&](std::int64_t count) { return tells_beside(value, half, count, rules); }) ||
               std::any_of(near.begin(), near.end(),
                           [&](const LineSum* line) { return tells_any(value, half, *line); });
    };
    round_until_untold(
        *rate.number, rate.where, written,
        [&](double half) {
            return any_reading(*rate.number, half, is_percentage, told) ||
                   std::any_of(lines.pairs.begin(), lines.pairs.end(),
                               [&](const ClassPair& pair) {
                                   return tells_of(kind, rate.number->value(), half, pair);
                               }) ||
                   std::any_of(lines.means.begin(), lines.means.end(),
                               [&](const ClassMean& mean) { return tells_of(kind, half, mean); });
        },
        findings);
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

void check_counts(std::vector<Scope>& scopes, const Lines& lines, const ReleaseRules& rules,
                  Findings& findings) {
    constexpr std::size_t kMost = 64;  // a list of lists: bounded work
    // Of each scope and those around it.
    std::vector<std::vector<std::int64_t>> counts(scopes.size());
    for (std::size_t s = 0; s < scopes.size(); ++s) {
        if (scopes[s].outer >= 0) counts[s] = counts[static_cast<std::size_t>(scopes[s].outer)];
        if (counts[s].size() > kMost) counts[s].resize(kMost);
        std::vector<const Item*> own;
        for (const Item& item : scopes[s].items) {
            check_small(item, rules, findings);
            if (item.number->is_whole() && item.number->whole() >= rules.smallest_count &&
                is_count(item.key, item.above, rules))
                own.push_back(&item);
        }
        if (own.size() <= kMost)
            for (const Item* a : own)
                for (const Item* b : own) check_rest(*a, *b, rules, findings);
        for (std::size_t i = 0; i < std::min(own.size(), kMost); ++i)
            counts[s].push_back(own[i]->number->whole());
    }
    for (std::size_t s = 0; s < scopes.size(); ++s)
        for (Item& item : scopes[s].items)
            if (!item.number->is_whole() && is_count(item.key, item.above, rules))
                blur(item, counts[s], lines, rules, findings);
}

bool is_one_for_each(std::size_t length, const std::vector<std::int64_t>& sizes) {
    constexpr std::int64_t kShortest = 20;
    const auto n = static_cast<std::int64_t>(length);
    return n >= kShortest && std::any_of(sizes.begin(), sizes.end(), [&](std::int64_t size) {
               return size >= kShortest && std::abs(n - size) <= std::max<std::int64_t>(2, size / 50);
           });
}

}  // namespace jobs
