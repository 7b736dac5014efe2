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
#include <set>

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

// Odds, their logarithm, and a ratio, which may be of a part to the rest: as the share of that part. Of other names nothing.
bool as_odds(const std::string& key, double value, double half,
             const std::function<bool(double rate, double half)>& told) {
    const auto is = [&](const char* word) {
        return any_term(key, [&](const std::string& term) { return term == word; });
    };
    const bool is_ratio = is("ratio"), is_log = is("log");
    if (is("odds") == is_ratio || (is_ratio && is_log)) return false;  // an odds ratio is of two groups
    if (value < 0 && !is_log) return false;
    const auto share = [&](double odds) {
        return is_log ? 1 / (1 + std::exp(-odds)) : std::max(odds, 0.0) / (1 + std::max(odds, 0.0));
    };
    const double low = share(value - half), high = share(value + half);
    return told((low + high) / 2, (high - low) / 2);
}

// From one to the other, both included.
struct Range {
    std::int64_t fewest, most;
};

// What a share of a calibration curve may have been divided by: aloft-train tells how many samples a row has to the nearest ten, and
// nothing of fewer than ten.
std::vector<Range> rounded_counts(const Scope& scope, const ReleaseRules& rules) {
    constexpr std::int64_t kTen = 10;
    constexpr std::size_t kMost = 8;  // of lists
    const auto has = [&](const char* key) {
        return std::any_of(scope.items.begin(), scope.items.end(),
                           [&](const Item& item) { return item.key == key; });
    };
    std::vector<Range> out;
    if (!has("share") || !has("probability")) return out;
    for (const Item& item : scope.items) {
        if (!is_whole_group(item.key) || !item.number->is_whole()) continue;
        const std::int64_t count = item.number->whole();
        if (count < kTen || count % kTen != 0 || out.size() >= kMost) continue;
        // A half is rounded up, or by others to even ones.
        out.push_back({std::max(kTen, count - kTen / 2), count + kTen / 2 - 1});
        out.push_back({count - kTen / 2, count + kTen / 2});
    }
    if (std::any_of(scope.empty.begin(), scope.empty.end(), is_whole_group))
        out.push_back({1, rules.smallest_count - 1});
    return out;
}

// Beside counts of its own scope and those around it, and lines of confusions wherever they stand. `rounded`: of its scope.
void blur(Item& rate, const std::vector<std::int64_t>& counts, const std::vector<Range>& rounded,
          const Lines& lines, const ReleaseRules& rules, Findings& findings) {
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
               std::any_of(rounded.begin(), rounded.end(),
                           [&](const Range& range) {
                               return tells_beside_any(value, half, range.fewest, range.most, rules);
                           }) ||
               std::any_of(near.begin(), near.end(),
                           [&](const LineSum* line) { return tells_any(value, half, *line); });
    };
    round_until_untold(
        *rate.number, rate.where, written,
        [&](double half) {
            return any_reading(*rate.number, half, is_percentage, told) ||
                   as_odds(rate.key, rate.number->value(), half, told) ||
                   std::any_of(lines.pairs.begin(), lines.pairs.end(),
                               [&](const ClassPair& pair) {
                                   return tells_of(kind, rate.number->value(), half, pair);
                               }) ||
                   std::any_of(lines.means.begin(), lines.means.end(),
                               [&](const ClassMean& mean) { return tells_of(kind, half, mean); });
        },
        findings);
}

bool names_a_rate(const std::vector<std::string>& labels) {
    return std::any_of(labels.begin(), labels.end(),
                       [](const std::string& label) { return any_term(label, is_rate); }) &&
           std::none_of(labels.begin(), labels.end(),
                        [](const std::string& label) { return any_term(label, counts_people); });
}

// "specificity" in a row, 1 under "value".
bool is_value_of_a_rate(const Item& item) {
    static const std::set<std::string> kValues = {"value", "estimate", "result", "score", "mean"};
    return kValues.contains(item.key) && names_a_rate(item.above);
}

void check_small(const Item& item, const ReleaseRules& rules, Findings& findings) {
    const Number& number = *item.number;
    if (!is_count(item.key, item.above, rules)) return;
    if (number.is_whole() && number.whole() == 1 && is_value_of_a_rate(item)) return;
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
    // "per_patient" says of whom a mean is.
    const auto says = [](const std::string& word) {
        return any_term(word, counts_people) &&
               !any_term(word, [](const std::string& term) { return term == "per"; });
    };
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
        const bool is_one_rate = repeats_accuracy(scopes[s]);
        for (const Item& item : scopes[s].items) {
            if (!is_one_rate) check_small(item, rules, findings);
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
    for (std::size_t s = 0; s < scopes.size(); ++s) {
        const std::vector<Range> rounded = rounded_counts(scopes[s], rules);
        for (Item& item : scopes[s].items)
            if (!item.number->is_whole() && is_count(item.key, item.above, rules))
                blur(item, counts[s], item.key == "share" ? rounded : std::vector<Range>{}, lines, rules,
                     findings);
    }
}

bool repeats_accuracy(const Scope& scope) {
    constexpr std::size_t kColumns = 4;  // precision, recall, F1, support
    if (scope.items.size() < kColumns) return false;
    const Item& first = scope.items[0];
    return std::find(first.above.begin(), first.above.end(), "accuracy") != first.above.end() &&
           names_a_rate(first.above) &&
           std::all_of(scope.items.begin(), scope.items.end(), [&](const Item& item) {
               const double value = item.number->value();
               return value >= 0 && value <= 1 && value == first.number->value() &&
                      !item.number->is_hidden() && (any_term(item.key, is_rate) || item.key == "support");
           });
}

bool is_one_for_each(std::size_t length, const std::vector<std::int64_t>& sizes) {
    constexpr std::int64_t kShortest = 20;
    const auto n = static_cast<std::int64_t>(length);
    return n >= kShortest && std::any_of(sizes.begin(), sizes.end(), [&](std::int64_t size) {
               return size >= kShortest && std::abs(n - size) <= std::max<std::int64_t>(2, size / 50);
           });
}

}  // namespace jobs
