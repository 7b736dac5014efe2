// Which figures and counts of a file are of one confusion of two classes.
//
// Covered: those of an object or a row, with counts of it, else of those around it, else the largest of the file; lists beside each
// other by place; names that begin alike (val_, test_). Not covered: figures of two objects or releases together, but by what each
// tells; macro and weighted means other than of recall.
#include "jobs/release/figures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "jobs/release/figure_names.h"
#include "jobs/release/tells.h"
#include "jobs/release/two_classes.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

constexpr std::size_t kMostWork = 40'000'000, kMostAtOnce = 3'000'000;
constexpr std::size_t kMostReadings = 8;  // of the counts beside the figures of one object
constexpr double kOneDigit = 0.1, kTwoDigits = 0.01;

// Per cent as a share.
double scale_of(const Item& item, const Number& number) {
    const std::vector<std::string> terms = terms_of(item.key);
    return number.value() > 1 || has_term(terms, "percent") || has_term(terms, "pct") ? 100 : 1;
}

struct Part {
    Item* item;
    std::string kind;
    Number exact;
    double scale;
};

// One thing that may be known with some figures.
struct Reading {
    KnownCounts known;
    std::vector<const Number*> accuracy;  // of the same confusion, elsewhere in the file
};

// What a figure may be that is known to `half` but for what was rounded.
Figure range_of(const std::string& kind, const Number& number, double scale, double half) {
    if (number.least() < number.most()) half = kSharpest;
    return {kind, number.least() / scale - half, number.most() / scale + half};
}

// The figures of one confusion, perhaps.
class Group {
public:
    // `sharpest`: half a unit of the last digit of the figure of the file that has most of them.
    Group(std::vector<Part> parts, std::vector<Reading> readings, double sharpest, const ReleaseRules& rules,
          std::size_t& work)
        : parts_(std::move(parts)),
          readings_(std::move(readings)),
          sharpest_(sharpest),
          rules_(rules),
          work_(work) {}

    void round(Findings& findings) {
        // What is of no one confusion as it is, is of none when it is rounded: then more would fit by chance.
        std::erase_if(readings_, [&](const Reading& reading) {
            return tells(reading, false) == Tells::nothing_fits &&
                   tells(reading, true) == Tells::nothing_fits;
        });
        if (tells() == Tells::no) return;
        if (round_all() == Tells::no) restore();
        for (const Part& part : parts_) {
            const Number& number = *part.item->number;
            if (number.is_hidden())
                findings.flag("hidden-rates", part.item->where,
                              "with the other figures and the counts beside it, it would have told a small "
                              "number; left empty");
            else if (number.value() != part.exact.value())
                flag_rounded(part.item->where, findings);
        }
    }

private:
    // As each figure is written, or as if 0.8 were 0.800000 beside others of six digits.
    Tells tells(const Reading& reading, bool is_sharp) {
        if (work_ == 0) return Tells::not_known;
        std::vector<Figure> figures;
        for (const Part& part : parts_) {
            const Number& number = *part.item->number;
            if (number.is_hidden()) continue;
            const double written = number.is_whole() ? sharpest_ : half_unit(number) / part.scale;
            figures.push_back(
                range_of(part.kind, number, part.scale, is_sharp ? sharpest_ : std::max(written, sharpest_)));
        }
        if (figures.empty()) return Tells::no;
        for (const Number* accuracy : reading.accuracy)
            if (!accuracy->is_hidden())
                figures.push_back(range_of("accuracy", *accuracy, top_of(*accuracy), sharpest_));
        std::size_t work = std::min(work_, kMostAtOnce);
        work_ -= work;
        const Tells out = tells_together(figures, reading.known, rules_, work);
        work_ += work;
        return out;
    }

    Tells tells() {
        Tells out = Tells::no;
        for (const Reading& reading : readings_)
            for (const bool is_sharp : {false, true}) {
                const Tells one = tells(reading, is_sharp);
                if (one == Tells::yes) return one;
                if (one == Tells::not_known) out = one;
            }
        return out;
    }

    static Number rounded(const Part& part, double step) {
        Number out = part.exact;
        if (out.is_whole() || out.most() - out.least() >= step * part.scale) return out;
        out.round_to_step(step * part.scale, part.scale);
        if (out.value() == part.exact.value()) return part.exact;  // what looks as before is read as before
        if (is_misleading(out, part.exact)) out.hide();
        return out;
    }

    Tells round_all() {
        std::int64_t most = 10;
        for (const Reading& reading : readings_)
            most = std::max({most, reading.known.all.value_or(0), reading.known.positives.value_or(0)});
        // Steps far below one of so many tell as much as six digits do.
        const double first = std::max(2 * sharpest_, 0.02 / static_cast<double>(most));
        for (double power = std::pow(10.0, std::floor(std::log10(first) + 1e-9));; power *= 10)
            for (const double step : {power, 2 * power, 5 * power}) {
                for (const Part& part : parts_) {
                    *part.item->number = rounded(part, step);
                    if (step > 0.5 && !part.exact.is_whole()) part.item->number->hide();
                }
                Tells told = step > 0.5 ? Tells::not_known : tells();
                if (told == Tells::yes && step >= kOneDigit) told = hide_unchanged();
                if (told == Tells::no || step > 0.5 || (told == Tells::not_known && step >= kTwoDigits))
                    return told;
            }
    }

    // Figures that this step does not change (0.8, 1) say as much as ever: these leave empty rather than all others. Those that are read most last,
    // and 0 and 1 behind all others.
    Tells hide_unchanged() {
        const auto order = by_weight();
        Tells told = Tells::yes;
        for (const bool is_whole : {false, true})
            for (auto part = order.rbegin(); part != order.rend() && told == Tells::yes; ++part) {
                Number& number = *(*part)->item->number;
                if ((*part)->exact.is_whole() != is_whole || number.is_hidden() ||
                    number.value() != (*part)->exact.value())
                    continue;
                number.hide();
                told = tells();
            }
        return told;
    }

    // Those first that say most of all.
    std::vector<const Part*> by_weight() const {
        static const std::vector<std::string> kFirst = {"accuracy", "error", "balanced",
                                                        "youden",   "mcc",   "f1"};
        std::vector<const Part*> order;
        for (const Part& part : parts_) order.push_back(&part);
        const auto place = [&](const Part* part) {
            return std::find(kFirst.begin(), kFirst.end(), part->kind) - kFirst.begin();
        };
        std::stable_sort(order.begin(), order.end(),
                         [&](const Part* a, const Part* b) { return place(a) < place(b); });
        return order;
    }

    // What need not have been rounded with the others.
    void restore() {
        for (const Part* part : by_weight()) {
            Number& number = *part->item->number;
            const Number rounded = number;
            number = part->exact;
            if (!rounded.is_hidden() && rounded.value() == number.value()) continue;
            if (tells() != Tells::no) number = rounded;
        }
    }

    std::vector<Part> parts_;
    std::vector<Reading> readings_;
    double sharpest_;
    const ReleaseRules& rules_;
    std::size_t& work_;
};

// The counts of one scope.
struct Counted {
    std::map<std::string, std::vector<std::int64_t>> wholes;  // by what their names have beside: "test "
    KnownCounts parts;                                        // without `all`
};

Counted counted(const Scope& scope, const ReleaseRules& rules) {
    Counted out;
    for (const Item& item : scope.items) {
        if (!item.number->is_whole() || item.number->whole() < 0 || !is_count(item.key, item.above, rules))
            continue;
        const std::int64_t count = item.number->whole();
        const std::vector<std::string> terms = terms_of(item.key);
        if (has_term(terms, "rate") || !figure_kind(item).empty()) continue;
        const std::string cell = cell_of(terms);
        const auto keep = [&](std::optional<std::int64_t>& place) {
            if (!place) place = count;
        };
        if (cell == "tp") keep(out.parts.tp);
        if (cell == "fn") keep(out.parts.fn);
        if (cell == "fp") keep(out.parts.fp);
        if (cell == "tn") keep(out.parts.tn);
        if (!cell.empty() || has_term(terms, "predicted") || has_term(terms, "pred")) continue;
        if (has_term(terms, "positives") || has_term(terms, "positive"))
            keep(out.parts.positives);
        else if (has_term(terms, "negatives") || has_term(terms, "negative") || has_term(terms, "controls"))
            keep(out.parts.negatives);
        else if (std::any_of(terms.begin(), terms.end(), [](const std::string& term) {
                     return counts_everybody(term) || is_total(term);
                 }))
            out.wholes[rest_of(terms)].push_back(count);
    }
    return out;
}

// Whether differences of what is known are small.
bool tells_small_cell(KnownCounts known, const ReleaseRules& rules) {
    using Count = std::optional<std::int64_t>;
    const auto less = [](Count& place, const Count& whole, const Count& part) {
        if (!place && whole && part) place = *whole - *part;
    };
    const auto sum = [](Count& place, const Count& a, const Count& b) {
        if (!place && a && b) place = *a + *b;
    };
    for (int again = 0; again < 3; ++again) {
        sum(known.positives, known.tp, known.fn);
        sum(known.negatives, known.fp, known.tn);
        sum(known.all, known.positives, known.negatives);
        less(known.negatives, known.all, known.positives);
        less(known.positives, known.all, known.negatives);
        less(known.tp, known.positives, known.fn);
        less(known.fn, known.positives, known.tp);
        less(known.fp, known.negatives, known.tn);
        less(known.tn, known.negatives, known.fp);
    }
    Count right, wrong, is_wrong, is_right;
    sum(right, known.tp, known.tn);
    sum(wrong, known.fn, known.fp);
    less(is_wrong, known.all, right);
    less(is_right, known.all, wrong);
    const std::vector<Count> all = {known.positives, known.negatives, known.tp, known.fn,
                                    known.fp,        known.tn,        is_wrong, is_right};
    // Below 0 they are not of one confusion.
    if (std::any_of(all.begin(), all.end(), [](const Count& count) { return count && *count < 0; }))
        return false;
    return std::any_of(all.begin(), all.end(),
                       [&](const Count& count) { return count && is_small(*count, rules); });
}

class File {
public:
    File(std::vector<Scope>& scopes, double sharpest, const Lines& lines, const ReleaseRules& rules)
        : scopes_(scopes), sharpest_(sharpest), lines_(lines), rules_(rules) {
        for (const Scope& scope : scopes_) {
            counted_.push_back(counted(scope, rules_));
            for (const auto& [rest, counts] : counted_.back().wholes)
                largest_ = std::max(largest_, *std::max_element(counts.begin(), counts.end()));
        }
    }

    void check(Findings& findings) {
        for (const Scope& scope : scopes_)
            for (const Item& item : scope.items)
                if (!item.number->is_whole() && figure_kind(item) == "accuracy") accuracy_.push_back(&item);
        for (std::size_t s = 0; s < scopes_.size(); ++s) {
            check_cells(s, findings);
            // {"recall": [...], "precision": [...]}: those at one place are of one class, threshold or fold.
            std::map<std::pair<std::string, std::size_t>, std::vector<Part>> groups;
            std::map<std::string, std::size_t> times;
            const bool is_accuracy = repeats_accuracy(scopes_[s]);
            for (Item& item : scopes_[s].items) {
                if (item.number->is_hidden()) continue;
                const std::string kind = is_accuracy ? "accuracy" : figure_kind(item);
                if (kind.empty()) continue;
                const double scale = scale_of(item, *item.number), share = item.number->value() / scale;
                const bool is_signed = kind == "mcc" || kind == "kappa" || kind == "youden";
                const std::size_t at = times[item.key]++;
                if (share < (is_signed ? -1 : 0) || share > 1) continue;
                groups[{is_accuracy ? "" : rest_of(terms_of(item.key)), at}].push_back(
                    {&item, kind, *item.number, scale});
            }
            for (auto& [name, parts] : groups) {
                auto readings = readings_of(s, name.first, parts);
                if (!readings.empty() && (tells_more_than_one(parts) || !is_beside_wholes(s)))
                    Group(std::move(parts), std::move(readings), sharpest_, rules_, work_).round(findings);
            }
        }
    }

private:
    // One that needs no more than the number of all is told beside counts (counts.cpp).
    static bool tells_more_than_one(const std::vector<Part>& parts) {
        return std::any_of(parts.begin(), parts.end(), [](const Part& part) {
            return part.kind != "accuracy" && part.kind != "error" && part.kind != "prevalence";
        });
    }

    // "positives" 57 and "tp" 55; "tp" and "tn" beside "samples".
    void check_cells(std::size_t s, Findings& findings) {
        const KnownCounts& parts = counted_[s].parts;
        if (!parts.tp && !parts.fn && !parts.fp && !parts.tn) return;
        for (const KnownCounts& known : with_wholes(s, "", {"accuracy"}))
            if (tells_small_cell(known, rules_))
                return findings.refuse(
                    "small-count", scopes_[s].items.front().where,
                    "cells of a confusion and sums beside them tell how many others have, and they are few; "
                    "leave out the cells, or the sums");
    }

    bool is_beside_wholes(std::size_t s) const {
        const auto scopes = around(s);
        return std::any_of(scopes.begin(), scopes.end(),
                           [&](std::size_t scope) { return !counted_[scope].wholes.empty(); });
    }

    std::vector<std::size_t> around(std::size_t s) const {
        std::vector<std::size_t> out;
        for (int at = static_cast<int>(s); at >= 0; at = scopes_[static_cast<std::size_t>(at)].outer)
            out.push_back(static_cast<std::size_t>(at));
        return out;
    }

    // What may be known with figures whose names have `rest`: by the counts of their own object, else of those around it, else by
    // the largest number of the file.
    std::vector<KnownCounts> with_wholes(std::size_t s, const std::string& rest,
                                         const std::set<std::string>& kinds) const {
        std::vector<KnownCounts> out;
        KnownCounts known = counted_[s].parts;
        const auto wholes = [&](std::size_t scope) {
            std::set<std::int64_t> counts;
            for (const std::string& name : {std::string(), rest})
                if (const auto found = counted_[scope].wholes.find(name);
                    found != counted_[scope].wholes.end())
                    counts.insert(found->second.begin(), found->second.end());
            return counts;
        };
        const auto add = [&](const KnownCounts& one) {
            if (out.size() < kMostReadings) out.push_back(one);
        };
        if (known.positives) add(known);
        const auto own = wholes(s);
        for (const std::int64_t all : own) {
            known.all = all;
            add(known);
            // Or all of a class.
            static const std::set<std::string> kOfClass = {"recall", "fnr", "precision", "fdr",
                                                           "f1",     "f2",  "jaccard"};
            if (!known.positives && std::all_of(kinds.begin(), kinds.end(), [&](const std::string& kind) {
                    return kOfClass.contains(kind);
                })) {
                KnownCounts of_class = counted_[s].parts;
                of_class.positives = all;
                add(of_class);
            }
        }
        if (!own.empty()) return out;
        for (const std::size_t scope : around(s)) {
            if (!known.positives && !known.negatives) {
                known.positives = counted_[scope].parts.positives;
                known.negatives = counted_[scope].parts.negatives;
                known.all.reset();
                if (known.positives) add(known);
            }
            for (const std::int64_t all : wholes(scope)) {
                known.all = all;
                add(known);
            }
        }
        if (out.empty() && largest_ > 0) {
            known.all = largest_;
            add(known);
        }
        return out;
    }

    std::vector<Reading> readings_of(std::size_t s, const std::string& rest,
                                     const std::vector<Part>& parts) const {
        std::set<std::string> kinds;
        for (const Part& part : parts) kinds.insert(part.kind);
        std::vector<Reading> out;
        std::set<std::int64_t> sizes;
        for (const KnownCounts& known : with_wholes(s, rest, kinds)) {
            out.push_back({known, {}});
            if (known.all) sizes.insert(*known.all);
        }
        // Classes of confusions whose cells leave empty.
        for (const ClassPair& pair : lines_.pairs) {
            const std::int64_t all = pair.first + pair.second;
            if (!counted_[s].wholes.empty() && !sizes.contains(all)) continue;
            std::vector<const Number*> accuracy;
            if (!kinds.contains("accuracy"))
                for (const Item* item : accuracy_) {
                    const Figure range =
                        range_of("accuracy", *item->number, scale_of(*item, *item->number), kSharpest);
                    const double right = static_cast<double>(pair.right_of_all) / static_cast<double>(all);
                    if (accuracy.size() < 2 && range.low <= right && right <= range.high)
                        accuracy.push_back(item->number);
                }
            for (const std::int64_t positives : {pair.first, pair.second})
                if (out.size() < 2 * kMostReadings) {
                    out.push_back({{}, accuracy});
                    out.back().known.all = all;
                    out.back().known.positives = positives;
                }
        }
        return out;
    }

    std::vector<Scope>& scopes_;
    double sharpest_;
    const Lines& lines_;
    const ReleaseRules& rules_;
    std::vector<Counted> counted_;
    std::vector<const Item*> accuracy_;
    std::int64_t largest_ = 0;
    std::size_t work_ = kMostWork;
};

}  // namespace

double sharpest_figure(const std::vector<Scope>& scopes) {
    double sharpest = 0.5;
    for (const Scope& scope : scopes)
        for (const Item& item : scope.items)
            if (!item.number->is_whole() && !figure_kind(item).empty())
                sharpest = std::min(sharpest, half_unit(*item.number) / scale_of(item, *item.number));
    return std::max(sharpest, kSharpest);
}

void check_together(std::vector<Scope>& scopes, double sharpest, const Lines& lines,
                    const ReleaseRules& rules, Findings& findings) {
    File(scopes, sharpest, lines, rules).check(findings);
}

}  // namespace jobs
