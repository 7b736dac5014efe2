// With the positives and those of them that are found (tp), every figure but MCC and kappa is a quotient that is linear in what is
// left, the false alarms (fp): the numbers of them that fit all are an interval.
#include "jobs/release/two_classes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "jobs/release/tells.h"

namespace jobs {
namespace {

using Cells = std::array<double, 4>;  // tp, fn, fp, tn; or so many times each

constexpr double kNear = 1e-9;
constexpr std::int64_t kLarge = std::int64_t{1} << 40;

// A share of sums of cells.
struct Quotient {
    Cells of, by;
    bool needs_tn = false;
};

// Those that are 1 less another are turned round in `turned`.
const std::map<std::string, Quotient>& quotients() {
    static const std::map<std::string, Quotient> kQuotients = {
        {"recall", {{1, 0, 0, 0}, {1, 1, 0, 0}, false}},
        {"specificity", {{0, 0, 0, 1}, {0, 0, 1, 1}, true}},
        {"precision", {{1, 0, 0, 0}, {1, 0, 1, 0}, false}},
        {"npv", {{0, 0, 0, 1}, {0, 1, 0, 1}, true}},
        {"f1", {{2, 0, 0, 0}, {2, 1, 1, 0}, false}},
        {"f2", {{5, 0, 0, 0}, {5, 4, 1, 0}, false}},
        {"jaccard", {{1, 0, 0, 0}, {1, 1, 1, 0}, false}},
        {"accuracy", {{1, 0, 0, 1}, {1, 1, 1, 1}, true}},
        {"prevalence", {{1, 1, 0, 0}, {1, 1, 1, 1}, true}}};
    return kQuotients;
}

bool is_of_three(const std::string& kind) {
    return kind == "balanced" || kind == "mcc" || kind == "kappa";
}

Figure turned(Figure figure) {
    static const std::map<std::string, std::string> kTurned = {
        {"fnr", "recall"}, {"fpr", "specificity"}, {"fdr", "precision"}, {"error", "accuracy"}};
    if (const auto other = kTurned.find(figure.kind); other != kTurned.end())
        return {other->second, 1 - figure.high, 1 - figure.low};
    if (figure.kind == "youden") return {"balanced", (figure.low + 1) / 2, (figure.high + 1) / 2};
    return figure;
}

// Of those who have not what is looked for.
std::string mirrored(const std::string& kind) {
    static const std::map<std::string, std::string> kMirrored = {
        {"recall", "specificity"}, {"specificity", "recall"}, {"precision", "npv"}, {"npv", "precision"}};
    const auto other = kMirrored.find(kind);
    return other == kMirrored.end() ? kind : other->second;
}

// Up to three of the numbers that something may be.
class Values {
public:
    void add(std::int64_t value) {
        if (count_ < values_.size() && std::find(values_.cbegin(), end(), value) == end())
            values_[count_++] = value;
    }
    bool are_many() const { return count_ == values_.size(); }
    bool tell(const ReleaseRules& rules) const {
        return !are_many() && std::any_of(values_.begin(), end(),
                                          [&](std::int64_t value) { return is_small(value, rules); });
    }

private:
    std::array<std::int64_t, kFewestFits>::const_iterator end() const {
        return values_.begin() + static_cast<std::ptrdiff_t>(count_);
    }
    std::array<std::int64_t, kFewestFits> values_{};
    std::size_t count_ = 0;
};

// The whole numbers from `first` to `last`.
struct Interval {
    std::int64_t first = 0, last = kLarge;
    bool is_empty() const { return last < first; }
    void clip(double low, double high) {
        if (low > static_cast<double>(first))
            first = static_cast<std::int64_t>(std::min(std::ceil(low - kNear), 1e15));
        if (high < static_cast<double>(last))
            last = static_cast<std::int64_t>(std::max(std::floor(high + kNear), -1.0));
    }
    void set(std::int64_t value) { clip(static_cast<double>(value), static_cast<double>(value)); }
    // Where at + slope t >= 0.
    void keep(double at, double slope) {
        if (std::abs(slope) < 1e-12) {
            if (at < -kNear) last = -1;
        } else if (slope > 0) {
            clip(-at / slope, std::numeric_limits<double>::infinity());
        } else {
            clip(-std::numeric_limits<double>::infinity(), -at / slope);
        }
    }
};

// What a figure says, turned round where it is 1 less another.
struct Bound {
    enum class Form { recall, balanced, mcc, kappa, quotient } form;
    const Quotient* quotient;
    double low, high;
};

class Search {
public:
    Search(const std::vector<Figure>& figures, const KnownCounts& known, const ReleaseRules& rules)
        : known_(known), rules_(rules) {
        if (!known_.all && known_.positives && known_.negatives)
            known_.all = *known_.positives + *known_.negatives;
        if (known_.all && known_.negatives && !known_.positives)
            known_.positives = *known_.all - *known_.negatives;
        if (known_.tp && known_.fn && !known_.positives) known_.positives = *known_.tp + *known_.fn;
        std::vector<Figure> all;
        for (const Figure& given : figures) {
            const Figure figure = turned(given);
            if (known_.all || (!is_of_three(figure.kind) && !quotients().at(figure.kind).needs_tn))
                all.push_back(figure);
        }
        // By recall most pairs are left out at once: by specificity they would not be.
        const auto has = [&](const std::set<std::string>& kinds) {
            return std::any_of(all.begin(), all.end(),
                               [&](const Figure& f) { return kinds.contains(f.kind); });
        };
        if (known_.all && has({"specificity"}) && !has({"recall", "f1", "f2", "jaccard", "prevalence"})) {
            for (Figure& figure : all) figure.kind = mirrored(figure.kind);
            mirror();
        }
        for (const Figure& figure : all) {
            static const std::map<std::string, Bound::Form> kForms = {{"recall", Bound::Form::recall},
                                                                      {"balanced", Bound::Form::balanced},
                                                                      {"mcc", Bound::Form::mcc},
                                                                      {"kappa", Bound::Form::kappa}};
            const auto form = kForms.find(figure.kind);
            const auto quotient = quotients().find(figure.kind);
            bounds_.push_back({form == kForms.end() ? Bound::Form::quotient : form->second,
                               quotient == quotients().end() ? nullptr : &quotient->second, figure.low,
                               figure.high});
            if (figure.kind == "accuracy") accuracy_.push_back(bounds_.back());
        }
    }

    Tells run(std::size_t& work) {
        if (!known_.all && !known_.positives) return Tells::not_known;
        asked_ = questions();
        const std::int64_t from = known_.positives.value_or(0), to = known_.positives ? from : *known_.all;
        if (from < 0 || to > kLarge || known_.all.value_or(from) < from) return Tells::nothing_fits;
        // From the middle: most have something of both.
        const std::int64_t middle = (from + to) / 2;
        for (std::int64_t step = 0; step <= to - from + 1; ++step) {
            const std::int64_t positives = middle + (step % 2 ? -(step + 1) / 2 : step / 2);
            if (positives < from || positives > to) continue;
            if (!look(positives, work)) return Tells::not_known;
            if (are_all_many()) return Tells::no;
        }
        if (!fits_) return Tells::nothing_fits;
        const bool is_told = std::any_of(asked_.begin(), asked_.end(),
                                         [&](const Values* values) { return values->tell(rules_); });
        return is_told ? Tells::yes : Tells::no;
    }

private:
    void mirror() {
        std::swap(known_.positives, known_.negatives);
        if (known_.all && known_.negatives) known_.positives = *known_.all - *known_.negatives;
        std::swap(known_.tp, known_.tn);
        std::swap(known_.fn, known_.fp);
    }

    // All (positives, tp) of so many positives. Whether there was work enough.
    bool look(std::int64_t positives, std::size_t& work) {
        Interval found{0, positives};
        for (const Bound& figure : bounds_) {
            if (figure.form != Bound::Form::recall) continue;
            if (positives == 0 && figure.low > 0) return true;
            found.clip(figure.low * static_cast<double>(positives),
                       figure.high * static_cast<double>(positives));
        }
        if (known_.tp) found.set(*known_.tp);
        if (known_.fn) found.set(positives - *known_.fn);
        for (std::int64_t tp = found.first; tp <= found.last; ++tp) {
            if (work == 0) return false;
            --work;
            const std::int64_t negatives = known_.all ? *known_.all - positives : 0;
            const Interval alarms = false_alarms(positives, negatives, tp);
            if (!alarms.is_empty()) take(positives, negatives, tp, alarms);
            if (are_all_many()) return true;
        }
        return true;
    }

    Interval false_alarms(std::int64_t positives, std::int64_t negatives, std::int64_t tp) const {
        Interval out{0, known_.all ? negatives : kLarge};
        if (known_.fp) out.set(*known_.fp);
        if (known_.tn && known_.all) out.set(negatives - *known_.tn);
        const auto p = static_cast<double>(positives), n = static_cast<double>(negatives),
                   right = static_cast<double>(tp);
        for (const Bound& figure : bounds_) {
            if (out.is_empty()) return out;
            if (figure.form == Bound::Form::recall) continue;
            if (figure.form == Bound::Form::balanced) {
                // Of classes that occur.
                if (negatives == 0) {
                    out.keep(positives > 0 ? right / p - figure.low : -1, 0);
                    out.keep(positives > 0 ? figure.high - right / p : -1, 0);
                } else {
                    const double share = positives > 0 ? right / p : 1, of = positives > 0 ? 2 : 1,
                                 most = positives > 0 ? (share + 1) / 2 : 1;
                    out.keep(most - figure.low, -1 / (of * n));
                    out.keep(figure.high - most, 1 / (of * n));
                }
            } else if (figure.form == Bound::Form::kappa) {
                keep(out, figure, 2 * right * n, -2 * p, right * n + p * (p + n - right), n - p);
            } else if (figure.form == Bound::Form::mcc) {
                keep_mcc(out, figure, p, n, right);
            } else {
                const Quotient& q = *figure.quotient;
                const Cells& of = q.of;
                const Cells& by = q.by;
                keep(out, figure, of[0] * right + of[1] * (p - right) + of[3] * n, of[2] - of[3],
                     by[0] * right + by[1] * (p - right) + by[3] * n, by[2] - by[3]);
            }
        }
        return out;
    }

    // Where low <= (at + slope t) / (by_at + by_slope t) <= high. 0 / 0 is 0, as scikit-learn has it.
    static void keep(Interval& out, const Bound& figure, double at, double slope, double by_at,
                     double by_slope) {
        out.keep(at - figure.low * by_at, slope - figure.low * by_slope);
        out.keep(figure.high * by_at - at, figure.high * by_slope - slope);
        if (figure.low > 0) out.keep(at - 0.5, slope);
        if (figure.high < 0) out.keep(-at - 0.5, -slope);
    }

    // It falls with each false alarm.
    static void keep_mcc(Interval& out, const Bound& figure, double p, double n, double right) {
        const auto mcc = [&](std::int64_t alarms) {
            const double said = right + static_cast<double>(alarms), by = p * n * said * (p + n - said);
            return by > 0 ? (right * n - static_cast<double>(alarms) * p) / std::sqrt(by) : 0;
        };
        const auto first_below = [&](double bound) {
            std::int64_t first = out.first, last = out.last + 1;
            while (first < last) {
                const std::int64_t middle = first + (last - first) / 2;
                if (mcc(middle) < bound)
                    last = middle;
                else
                    first = middle + 1;
            }
            return first;
        };
        const std::int64_t first = first_below(figure.high + kNear), behind = first_below(figure.low - kNear);
        out.first = first;
        out.last = behind - 1;
    }

    void take(std::int64_t positives, std::int64_t negatives, std::int64_t tp, const Interval& alarms) {
        const std::int64_t fn = positives - tp;
        fits_ = true;
        tp_.add(tp);
        fn_.add(fn);
        positives_.add(positives);
        negatives_.add(negatives);
        for (std::int64_t fp = alarms.first; fp <= std::min(alarms.last, alarms.first + kFewestFits - 1);
             ++fp) {
            fp_.add(fp);
            tn_.add(negatives - fp);
            said_.add(tp + fp);
            unsaid_.add(fn + negatives - fp);
            wrong_.add(fn + fp);
            right_.add(tp + negatives - fp);
        }
    }

    bool are_all_many() const {
        return std::all_of(asked_.begin(), asked_.end(),
                           [](const Values* values) { return values->are_many(); });
    }

    // What may be small, and is not known anyway.
    std::vector<const Values*> questions() const {
        std::vector<const Values*> out;
        const auto ask = [&](bool is_asked, const Values& values) {
            if (is_asked) out.push_back(&values);
        };
        // Of what accuracy gives the whole range is known.
        Interval right{0, known_.all.value_or(0)};
        for (const Bound& figure : accuracy_)
            if (known_.all)
                right.clip(figure.low * static_cast<double>(*known_.all),
                           figure.high * static_cast<double>(*known_.all));
        const bool is_right_small = right.first < rules_.smallest_count,
                   is_wrong_small = known_.all.value_or(0) - right.last < rules_.smallest_count;
        ask(!known_.tp, tp_);
        ask(!known_.fn, fn_);
        ask(!known_.fp, fp_);
        ask(true, said_);
        ask(!known_.all || is_wrong_small, wrong_);
        if (!known_.all) return out;
        ask(!known_.tn, tn_);
        ask(true, unsaid_);
        ask(is_right_small, right_);
        ask(!known_.positives, positives_);
        ask(!known_.positives, negatives_);
        return out;
    }

    KnownCounts known_;
    const ReleaseRules& rules_;
    std::vector<Bound> bounds_, accuracy_;
    bool fits_ = false;
    Values tp_, fn_, fp_, tn_, positives_, negatives_, said_, unsaid_, wrong_, right_;
    std::vector<const Values*> asked_;
};

}  // namespace

bool is_figure(const std::string& kind) {
    return is_of_three(kind) || turned({kind}).kind != kind || quotients().contains(kind);
}

Tells tells_together(const std::vector<Figure>& figures, const KnownCounts& known, const ReleaseRules& rules,
                     std::size_t& work) {
    constexpr std::size_t kBegin = 100;  // what it costs to begin
    work -= std::min(work, kBegin);
    return Search(figures, known, rules).run(work);
}

}  // namespace jobs
