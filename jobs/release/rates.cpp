// What rates tell together: a whole and all of its parts but one.
//
// Covered: means over the members of a list, an object or a column, and means that are weighted by a count which each member
// has, in one file, beside other files of a request and after earlier releases. Not covered: parts of parts, means over members of
// several lists, rates of different kinds (recall and F1 of one class), gaps between rates.
#include "jobs/release/rates.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "jobs/release/canonical_csv.h"
#include "jobs/release/counts.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

using Counts = std::map<std::string, std::int64_t>;
using Kind = Value::Kind;

constexpr std::size_t kMostWork = 40'000'000;  // comparisons in a file, about a second

// What one part would be if a whole is made of it and of all others.
struct Derived {
    double rate, half;
    const Counts* counts;  // of the part, or nothing
    std::int64_t weight;   // 0: not known
};

class Pair {
public:
    struct Ways {
        bool mean, weighted;
    };
    Pair(RateGroup& group, Rate& whole, Ways ways, const Lines& lines, const ReleaseRules& rules)
        : group_(group), whole_(whole), ways_(ways), lines_(lines), rules_(rules) {}

    // With `half` of `of` in place of its own.
    bool tells(const Rate* of, double half) const {
        return (ways_.mean && tells_by(of, half, "")) || tells_weighted(of, half);
    }
    bool tells_weighted(const Rate* of, double half) const {
        const Counts& counts = group_.parts[0].counts;
        return ways_.weighted && std::any_of(counts.begin(), counts.end(), [&](const auto& count) {
                   return divides(count.first) && tells_by(of, half, count.first);
               });
    }

private:
    // Rates of a class are shares of those who have it, and not of all samples.
    bool divides(const std::string& key) const {
        const auto terms = terms_of(key);
        return (!is_of_class(group_.kind) && group_.kind != "f1") ||
               std::any_of(terms.begin(), terms.end(), [](const std::string& term) {
                   return term == "support" || !counts_everybody(term);
               });
    }

    // Weighted by the count of that key; "": each part counts as much.
    bool tells_by(const Rate* of, double half, const std::string& key) const {
        const auto doubt = [&](const Rate& rate) { return &rate == of ? half : rate.doubt(); };
        const auto weight = [&](const Counts& counts) -> std::optional<std::int64_t> {
            if (key.empty()) return 1;
            const auto found = counts.find(key);
            return found == counts.end() ? std::nullopt : std::optional(found->second);
        };
        double sum = 0, sum_half = 0;
        std::int64_t weights = 0, of_empty = 0;
        for (const Rate& part : group_.parts) {
            const auto w = weight(part.counts);
            if (!w) return false;
            weights += *w;
            sum += static_cast<double>(*w) * part.value();
            sum_half += static_cast<double>(*w) * doubt(part);
        }
        for (const Counts& counts : group_.empty) {
            const auto w = weight(counts);
            if (!w) return false;
            of_empty += *w;
        }
        const double mean = whole_.value(), mean_half = doubt(whole_);
        // The one that is absent or empty.
        if (group_.empty.size() <= 1) {
            std::int64_t rest = of_empty;
            if (group_.empty.empty()) {
                const auto all = whole_.counts.find(key);
                rest = key.empty() ? 1 : all == whole_.counts.end() ? 0 : all->second - weights;
            }
            const auto all = static_cast<double>(weights + rest);
            if (rest > 0 &&
                is_told(!of, (all * mean - sum) / static_cast<double>(rest),
                        (all * mean_half + sum_half) / static_cast<double>(rest),
                        group_.empty.empty() ? nullptr : &group_.empty[0], key.empty() ? 0 : rest))
                return true;
        }
        // One that was rounded.
        if (!group_.empty.empty()) return false;
        const auto all = static_cast<double>(weights);
        return std::any_of(group_.parts.begin(), group_.parts.end(), [&](const Rate& part) {
            const auto w = static_cast<double>(*weight(part.counts));
            if (w <= 0) return false;
            const double others = sum - w * part.value(), own = std::max(doubt(part), part.digits),
                         derived = (all * mean - others) / w,
                         derived_half = (all * mean_half + sum_half - w * doubt(part)) / w;
            // Rounded to steps of 5 it is known to six times half a unit of its last digit.
            return derived_half < own && std::abs(derived - part.value()) <= 6 * own + derived_half &&
                   is_told(!of, derived, derived_half, &part.counts, 0);
        });
    }

    // At first only what is known to a fifth of a count: by chance few are whole numbers then.
    bool is_told(bool is_first, double rate, double half, const Counts* counts, std::int64_t weight) const {
        if (rate < -half || rate > 1 + half) return false;
        const double inside = std::clamp(rate, 0.0, 1.0);
        const auto of = [&](const LineSum& line) {
            return (!is_first || 2 * half * static_cast<double>(line.whole) < 0.2) &&
                   tells_of(inside, half, line, rules_);
        };
        if (weight > 0 && of({weight, {}})) return true;
        if (counts && std::any_of(counts->begin(), counts->end(), [&](const auto& count) {
                return of({count.second, {}});
            }))
            return true;
        if (group_.kind == "f1") return std::any_of(lines_.of_f1.begin(), lines_.of_f1.end(), of);
        return is_of_class(group_.kind) && std::any_of(lines_.sums.begin(), lines_.sums.end(), of);
    }

    RateGroup& group_;
    Rate& whole_;
    Ways ways_;
    const Lines& lines_;
    const ReleaseRules& rules_;
};

// Of a weighted mean the largest part, which is rounded least, rather one of more than two digits; else the mean. What left
// before cannot be changed.
Rate* to_round(RateGroup& group, Rate& whole, bool is_weighted) {
    // 0 and 1 have nothing to round.
    const auto can_be = [](const Rate& rate) {
        return rate.number && !rate.number->is_hidden() && !rate.number->is_whole();
    };
    const auto rank = [](const Rate& rate) {
        std::int64_t most = 0;
        for (const auto& [key, count] : rate.counts) most = std::max(most, count);
        return std::pair(rate.number->decimals() > 2, most);
    };
    Rate* largest = nullptr;
    for (Rate& part : group.parts)
        if (can_be(part) && (!largest || rank(part) > rank(*largest))) largest = &part;
    return largest && (is_weighted || !can_be(whole)) ? largest : can_be(whole) ? &whole : nullptr;
}

void check_pair(RateGroup& group, Rate& whole, const Lines& lines, const ReleaseRules& rules,
                Findings& findings) {
    // Balanced accuracy, MCC and kappa of parts have no mean that is one of the whole.
    const bool is_additive = group.kind != "balanced" && group.kind != "mcc" && group.kind != "kappa",
               is_mean_of = is_additive && (group.kind == whole.kind ||
                                            (group.kind == "recall" && whole.kind == "balanced")),
               is_weighted = is_additive && (group.kind == whole.kind ||
                                             (group.kind == "recall" && whole.kind == "accuracy"));
    if (group.parts.empty() || (!is_mean_of && !is_weighted)) return;
    if (std::any_of(group.parts.begin(), group.parts.end(),
                    [&](const Rate& part) {
                        return (part.number && part.number == whole.number) ||
                               (part.number && part.number->is_hidden());
                    }) ||
        (whole.number && whole.number->is_hidden()))
        return;
    const Pair pair(group, whole, {is_mean_of, is_weighted}, lines, rules);
    if (!pair.tells(nullptr, 0)) return;
    Rate* const rate = to_round(group, whole, pair.tells_weighted(nullptr, 0));
    if (!rate) return;
    const double exact = rate->number->value();
    round_until_untold(
        *rate->number, rate->where, rate->doubt(), [&](double half) { return pair.tells(rate, half); },
        findings);
    constexpr double kMisleading = 0.1;  // what is so far from what was said is left empty rather
    if (std::abs(rate->number->value() - exact) > kMisleading) rate->number->hide();
}

bool is_mean(const std::string& word) {
    static const char* kMeans[] = {"macro", "micro", "weighted", "mean", "average", "avg", "balanced"};
    const auto terms = terms_of(word);
    return std::any_of(terms.begin(), terms.end(), [](const std::string& term) {
        return is_total(term) || std::any_of(std::begin(kMeans), std::end(kMeans),
                                             [&](const char* mean) { return term == mean; });
    });
}

// Figures of one model at several thresholds, or of several models in turn, are parts of nothing.
bool is_of_a_curve(const std::string& key) {
    return key == "threshold" || key == "epoch" || key == "step";
}

Rate rate_of(Number& number, const std::string& key, const std::string& where) {
    Rate rate;
    rate.number = &number;
    rate.kind = rate_kind(key);
    rate.where = where;
    rate.digits = half_unit(number);
    return rate;
}

bool is_rate_value(const Number& number) {
    return !number.is_hidden() && number.value() >= 0 && number.value() <= 1;
}

// One member of a list or an object, or one row.
struct Member {
    bool is_mean = false, is_of_a_curve = false;
    Counts counts;
    std::vector<Rate> rates;
    std::vector<std::string> empty;  // kinds
};

class Walk {
public:
    Walk(const ReleaseRules& rules, Rates& out) : rules_(rules), out_(out) {}

    // Adds up what members of a list, an object or a table have of each kind.
    void group(std::vector<Member>& members, bool is_inside) {
        std::map<std::string, RateGroup> groups;
        std::map<std::string, std::vector<Rate>> means;
        for (Member& member : members) {
            if (member.is_of_a_curve) continue;
            for (Rate& rate : member.rates) {
                rate.counts = member.counts;
                if (is_of_class(rate.kind)) out_.of_classes.push_back(rate);
                (member.is_mean ? means[rate.kind] : groups[rate.kind].parts).push_back(rate);
            }
            for (const std::string& kind : member.empty)
                if (!member.is_mean) groups[kind].empty.push_back(member.counts);
        }
        for (auto& [kind, group] : groups) {
            group.kind = kind;
            const bool is_alone = group.parts.size() + group.empty.size() < 2;
            if (is_alone && !is_inside)  // of an object of its own: a whole of what other objects have
                out_.wholes.insert(out_.wholes.end(), group.parts.begin(), group.parts.end());
            if (!group.parts.empty() && (!is_alone || means.contains(kind))) out_.groups.push_back(group);
        }
        for (auto& [kind, rates] : means) out_.wholes.insert(out_.wholes.end(), rates.begin(), rates.end());
    }

    void document(Value& value, const std::string& key, bool is_inside, Counts counts) {
        if (value.kind == Kind::list && is_confusion(key)) return;
        if (value.kind == Kind::object) own_members(value, is_inside, counts);
        std::vector<Member> members;
        std::vector<Member> numbers;  // {"recall": [0.9, 0.8]}
        for (std::size_t i = 0; i < value.items.size(); ++i) {
            Value& item = value.items[i];
            const std::string name = value.kind == Kind::object ? value.keys[i].text : "";
            if (item.kind == Kind::object) members.push_back(member_of(item, name));
            if (value.kind == Kind::list && (item.kind == Kind::number || item.kind == Kind::null) &&
                !rate_kind(key).empty())
                numbers.push_back(alone(item, key));
        }
        std::size_t with_rates = 0;
        for (const Member& member : members) with_rates += !member.rates.empty();
        group(members, is_inside);
        if (numbers.size() > 1) group(numbers, true);
        for (std::size_t i = 0; i < value.items.size(); ++i)
            if (value.items[i].kind == Kind::object || value.items[i].kind == Kind::list)
                document(value.items[i], value.kind == Kind::object ? value.keys[i].text : key,
                         is_inside || with_rates > 2, counts);
    }

    void table(Table& table) {
        std::vector<Member> members;
        for (std::size_t r = 0; r < table.rows.size(); ++r) {
            Member member;
            for (std::size_t i = 0; i < table.rows[r].size(); ++i) {
                Table::Cell& cell = table.rows[r][i];
                const std::string& key = table.headings[i].text;
                if (!cell.number) {
                    member.is_mean = member.is_mean || is_mean(cell.word);
                    if (cell.word.empty() && !rate_kind(key).empty()) member.empty.push_back(rate_kind(key));
                    continue;
                }
                take(*cell.number, key, "row " + std::to_string(r + 2) + ", column " + std::to_string(i + 1),
                     member);
            }
            members.push_back(std::move(member));
        }
        group(members, false);
    }

private:
    void take(Number& number, const std::string& key, const std::string& where, Member& member) {
        if (is_of_a_curve(key)) member.is_of_a_curve = true;
        const std::string kind = rate_kind(key);
        if (!kind.empty() && number.is_hidden())
            member.empty.push_back(kind);
        else if (!kind.empty() && is_rate_value(number))
            member.rates.push_back(rate_of(number, key, where));
        else if (number.is_whole() && !number.is_hidden() && number.whole() >= rules_.smallest_count &&
                 is_count(key, {}, rules_))
            member.counts[key] = number.whole();
    }
    Member member_of(Value& object, const std::string& name) {
        Member member;
        member.is_mean = is_mean(name);
        for (std::size_t i = 0; i < object.items.size(); ++i) {
            Value& item = object.items[i];
            const std::string& key = object.keys[i].text;
            if (item.kind == Kind::word && is_mean(item.text)) member.is_mean = true;
            if (item.kind == Kind::null && !rate_kind(key).empty()) member.empty.push_back(rate_kind(key));
            if (item.kind == Kind::number) take(*item.number, key, item.where, member);
        }
        return member;
    }
    Member alone(Value& item, const std::string& key) {
        Member member;
        if (item.kind == Kind::number)
            take(*item.number, key, item.where, member);
        else
            member.empty.push_back(rate_kind(key));
        return member;
    }
    // An object's own rates: {"recall_class1": 0.9, "recall_class2": 0.8, "recall_macro": 0.85}.
    void own_members(Value& object, bool is_inside, Counts& counts) {
        Member own = member_of(object, "");
        for (const auto& [key, count] : own.counts) counts[key] = count;
        std::vector<Member> members;
        std::map<std::string, int> of_kind;
        for (std::size_t i = 0; i < object.items.size(); ++i) {
            Value& item = object.items[i];
            const std::string& key = object.keys[i].text;
            if (item.kind != Kind::number || rate_kind(key).empty() || own.is_of_a_curve) continue;
            members.push_back(alone(item, key));
            members.back().is_mean = is_mean(key);
            ++of_kind[rate_kind(key)];
            // Beside what members of other objects are means of: with the counts that stand here.
            for (Rate whole : members.back().rates) {
                whole.counts = counts;
                if (!is_inside) out_.wholes.push_back(std::move(whole));
            }
        }
        std::erase_if(members, [&](const Member& member) {
            return member.rates.empty() || of_kind[member.rates[0].kind] < 2;
        });
        group(members, true);
    }

    const ReleaseRules& rules_;
    Rates& out_;
};

}  // namespace

double Rate::value() const {
    return number ? (number->least() + number->most()) / 2 : known;
}
double Rate::doubt() const {
    return number ? (number->most() - number->least()) / 2 + kSharpest : half;
}

Rates rates_of(Value& document, const ReleaseRules& rules) {
    Rates out;
    Walk(rules, out).document(document, "", false, {});
    return out;
}

Rates rates_of(Table& table, const ReleaseRules& rules) {
    Rates out;
    Walk(rules, out).table(table);
    return out;
}

Rates kept(Rates rates) {
    const auto keep = [](std::vector<Rate>& list) {
        std::erase_if(list, [](const Rate& rate) { return rate.number && rate.number->is_hidden(); });
        for (Rate& rate : list) {
            rate.known = rate.value();
            rate.half = rate.doubt();
            rate.number = nullptr;
        }
    };
    for (RateGroup& group : rates.groups) keep(group.parts);
    keep(rates.wholes);
    keep(rates.of_classes);
    return rates;
}

void check_means(Rates& now, const std::vector<const Rates*>& earlier, const Lines& lines,
                 const ReleaseRules& rules, Findings& findings) {
    std::vector<RateGroup> old_groups;
    std::vector<Rate> old_wholes;
    for (const Rates* one : earlier) {
        old_groups.insert(old_groups.end(), one->groups.begin(), one->groups.end());
        old_wholes.insert(old_wholes.end(), one->wholes.begin(), one->wholes.end());
    }
    std::size_t parts = 0;
    for (const auto* groups : {&now.groups, &old_groups})
        for (const RateGroup& group : *groups) parts += group.parts.size();
    if (parts * (now.wholes.size() + old_wholes.size()) > kMostWork / (1 + lines.size()))
        return findings.refuse("not-solved", "",
                               "too many lists of rates, with those that this application has released, to "
                               "work out what they tell "
                               "together; release fewer in one file, and without means that others have");
    for (RateGroup& group : now.groups) {
        for (Rate& whole : now.wholes) check_pair(group, whole, lines, rules, findings);
        for (Rate& whole : old_wholes) check_pair(group, whole, lines, rules, findings);
    }
    for (RateGroup& group : old_groups)
        for (Rate& whole : now.wholes) check_pair(group, whole, lines, rules, findings);
}

void suppress_told(Value& document, const std::vector<const Rates*>& earlier, const ReleaseRules& rules,
                   Findings& findings) {
    const std::function<void(Value&, const std::string&)> visit = [&](Value& value, const std::string& key) {
        if (value.kind != Kind::list || !is_confusion(key)) {
            for (std::size_t i = 0; i < value.items.size(); ++i)
                visit(value.items[i], value.kind == Kind::object ? value.keys[i].text : "");
            return;
        }
        Value alone;
        alone.kind = Kind::object;
        alone.keys.push_back({key});
        alone.items.push_back(value);
        const Lines lines = lines_of(alone, rules);
        const auto is_told = [&](const Rate& rate) {
            return std::any_of(lines.sums.begin(), lines.sums.end(), [&](const LineSum& line) {
                return tells_of(rate.value(), std::max(rate.doubt(), rate.digits), line, rules);
            });
        };
        if (std::none_of(earlier.begin(), earlier.end(), [&](const Rates* one) {
                return std::any_of(one->of_classes.begin(), one->of_classes.end(), is_told);
            }))
            return;
        for (Value& row : value.items)
            for (Value& cell : row.items)
                if (cell.kind == Kind::number) cell.number->hide();
        findings.flag("suppressed-cells", value.where,
                      "rates that stand in another file or left before tell small counts of its rows or "
                      "columns; all cells "
                      "leave empty");
    };
    visit(document, "");
}

}  // namespace jobs
