#include "jobs/release/tells.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "jobs/release/vocabulary.h"

namespace jobs {
namespace {

struct Fits {
    std::int64_t first, last;
    std::int64_t count() const { return last - first + 1; }
    bool is_few() const { return count() >= 1 && count() < kFewestFits; }
    bool has(std::int64_t k) const { return first <= k && k <= last; }
};

// The counts k for which k / whole is written as `rate`.
Fits parts_of(double rate, double half, std::int64_t whole) {
    const auto n = static_cast<double>(whole);
    return {static_cast<std::int64_t>(std::ceil(std::max(0.0, (rate - half) * n - 1e-9))),
            static_cast<std::int64_t>(std::floor(std::min(n, (rate + half) * n + 1e-9)))};
}

bool tells_part(const Fits& parts, std::int64_t whole, const ReleaseRules& rules) {
    for (std::int64_t k = parts.first; parts.is_few() && k <= parts.last; ++k)
        if (is_small(k, rules) || is_small(whole - k, rules)) return true;
    return false;
}

}  // namespace

std::string rate_kind(const std::string& key) {
    static const std::map<std::string, std::string> kKinds = {{"sensitivity", "recall"},
                                                              {"recall", "recall"},
                                                              {"tpr", "recall"},
                                                              {"balanced", "balanced"},
                                                              {"fnr", "fnr"},
                                                              {"fpr", "fpr"},
                                                              {"specificity", "specificity"},
                                                              {"tnr", "specificity"},
                                                              {"fdr", "fdr"},
                                                              {"precision", "precision"},
                                                              {"ppv", "precision"},
                                                              {"npv", "npv"},
                                                              {"f1", "f1"},
                                                              {"mcc", "mcc"},
                                                              {"kappa", "kappa"},
                                                              {"accuracy", "accuracy"},
                                                              {"acc", "accuracy"},
                                                              {"fraction", "fraction"},
                                                              {"incidence", "incidence"},
                                                              {"mortality", "mortality"},
                                                              {"prevalence", "prevalence"},
                                                              {"proportion", "proportion"},
                                                              {"rate", "rate"},
                                                              {"share", "share"},
                                                              {"coverage", "coverage"},
                                                              {"agreement", "agreement"}};
    if (key.find("confusion") != key.npos || key.find("matrix") != key.npos) return "cell";
    // "balanced_accuracy" and "false_rate": the first word that says it.
    for (const std::string& term : terms_of(key))
        if (const auto kind = kKinds.find(term); kind != kKinds.end()) return kind->second;
    return "";
}

bool is_of_class(const std::string& kind) {
    return kind == "recall" || kind == "fnr" || kind == "specificity" || kind == "fpr" ||
           kind == "precision" || kind == "fdr" || kind == "npv" || kind == "cell";
}

bool is_small(std::int64_t count, const ReleaseRules& rules) {
    return count > 0 && count < rules.smallest_count;
}

bool tells_beside(double rate, double half, std::int64_t count, const ReleaseRules& rules) {
    if (tells_part(parts_of(rate, half, count), count, rules)) return true;
    if (rate <= half) return false;
    // `count` may be the part: then the whole follows, and with it the rest.
    const auto k = static_cast<double>(count);
    const auto fewest = static_cast<std::int64_t>(std::ceil(k / std::min(1.0, rate + half) - 1e-9)),
               most = static_cast<std::int64_t>(std::floor(k / (rate - half) + 1e-9));
    if (most < fewest || most - fewest + 1 >= kFewestFits) return false;
    for (std::int64_t whole = fewest; whole <= most; ++whole)
        if (is_small(whole - count, rules)) return true;
    return false;
}

bool tells_beside_any(double rate, double half, std::int64_t fewest, std::int64_t most,
                      const ReleaseRules& rules) {
    std::set<std::int64_t> parts, rests;
    for (std::int64_t whole = fewest; whole <= most; ++whole) {
        const Fits fits = parts_of(rate, half, whole);
        for (std::int64_t k = fits.first; k <= std::min(fits.last, fits.first + kFewestFits - 1); ++k) {
            parts.insert(k);
            rests.insert(whole - k);
        }
    }
    const auto tells = [&](const std::set<std::int64_t>& counts) {
        return static_cast<std::int64_t>(counts.size()) < kFewestFits &&
               std::any_of(counts.begin(), counts.end(),
                           [&](std::int64_t count) { return is_small(count, rules); });
    };
    return tells(parts) || tells(rests);
}

bool gives_back(double rate, double half, const LineSum& line) {
    const Fits parts = parts_of(rate, half, line.whole);
    return parts.is_few() && std::any_of(line.empty.begin(), line.empty.end(), [&](std::int64_t count) {
               // None is no small number, and 0 and 1 are common.
               return count > 0 && count < line.whole && (parts.has(count) || parts.has(line.whole - count));
           });
}

bool tells_of(double rate, double half, const LineSum& line, const ReleaseRules& rules) {
    return tells_part(parts_of(rate, half, line.whole), line.whole, rules) || gives_back(rate, half, line);
}

bool any_reading(const Number& number, double half, bool is_percent,
                 const std::function<bool(double rate, double half)>& told) {
    const double value = number.value();
    if (value < 0 || value > 100) return false;
    return is_percent || value > 1 ? told(value / 100, half / 100) : told(value, half);
}

double top_of(const Number& number) {
    return number.value() > 1 ? 100 : 1;
}

bool is_misleading(const Number& rounded, const Number& exact) {
    return std::abs(rounded.value() - exact.value()) > top_of(exact) / 4;
}

void flag_rounded(const std::string& where, Findings& findings) {
    findings.flag("rounded", where,
                  "with counts or rates beside it, it would have told a small number; rounded to steps of "
                  "1, 2 or 5 at which three counts or more would fit, and never to 0 or 1: what is one step "
                  "from these is at most, or at least, that");
}

double half_unit(const Number& number) {
    return std::pow(10.0, -number.decimals()) / 2;
}

// Fewer digits alone would go from 0.97 to 1.
void round_until_untold(Number& number, const std::string& where, double written,
                        const std::function<bool(double half)>& told, Findings& findings) {
    if (number.is_hidden() || !told(written)) return;
    const Number exact = number;
    const double top = top_of(exact);
    for (double power = std::pow(10.0, -exact.decimals());; power *= 10)
        for (const double step : {power, 2 * power, 5 * power}) {
            number = exact;
            if (step > std::max(1.0, exact.value()) / 2) {
                number.hide();
                return findings.flag(
                    "hidden-rates", where,
                    "with counts or rates beside it, it would have told a small number; left empty");
            }
            number.round_to_step(step, top);
            // What looks as before is read as before.
            if (number.value() == exact.value() || is_misleading(number, exact)) continue;
            const Number rounded = number;
            const double half = (rounded.most() - rounded.least()) / 2;
            const auto middle = Number::from((rounded.most() + rounded.least()) / 2);
            if (!middle) continue;
            number = *middle;  // of all that it may have been
            // 0.94 may have been written 0.940000.
            const bool is_told = told(half + kSharpest) || told(half + written);
            number = rounded;
            if (!is_told) return flag_rounded(where, findings);
        }
}

}  // namespace jobs
