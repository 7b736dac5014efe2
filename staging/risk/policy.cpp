#include "staging/risk/policy.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace staging {
namespace {

constexpr const char* kDates[] = {"month", "quarter", "year"};  // from fine to coarse

std::string one_of(const core::Config& table, std::string_view key,
                   std::initializer_list<const char*> words) {
    const std::string word = table.text_or(key, *words.begin());
    std::string expected;
    for (const char* one : words) {
        if (word == one) return word;
        expected += (expected.empty() ? "expected \"" : " or \"") + std::string(one) + "\"";
    }
    table.refuse(key, expected);
}

HierarchyRule read_hierarchy(const core::Config& table) {
    HierarchyRule rule;
    rule.widths = table.integers("widths");
    for (std::size_t i = 0; i < rule.widths.size(); ++i)
        if (rule.widths[i] < 2 || rule.widths[i] > 1'000'000'000 ||
            (i > 0 && (rule.widths[i] <= rule.widths[i - 1] || rule.widths[i] % rule.widths[i - 1] != 0)))
            table.refuse("widths", "expected whole numbers from 2, each a multiple of the one before");
    rule.dates = table.texts("dates");
    const auto* place = std::begin(kDates);
    for (const std::string& one : rule.dates) {
        place = std::find(place, std::end(kDates), one);
        if (place == std::end(kDates))
            table.refuse("dates",
                         "expected \"month\", \"quarter\", \"year\", or some of them, in this order");
        ++place;
    }
    rule.prefixes = table.integers("prefixes");
    for (std::size_t i = 0; i < rule.prefixes.size(); ++i)
        if (rule.prefixes[i] < 1 || (i > 0 && rule.prefixes[i] >= rule.prefixes[i - 1]))
            table.refuse("prefixes", "expected whole numbers, each less than the one before");
    const core::Config parents = table.table("parents");
    for (const std::string& value : parents.keys()) rule.parents[value] = parents.text(value);
    for (const auto& [value, parent] : rule.parents) {
        std::set<std::string> seen{value};
        for (auto at = rule.parents.find(value); at != rule.parents.end(); at = rule.parents.find(at->second))
            if (!seen.insert(at->second).second) parents.refuse(value, "is a part of itself");
    }
    if (rule.kinds() > 1) table.refuse("widths", "one of widths, dates, prefixes and parents");
    return rule;
}

void read_sensitive(const core::Config& risk, RiskPolicy& policy) {
    policy.sensitive = risk.text_or("sensitive", "");
    policy.l = risk.integer_or("l", 0);
    policy.entropy_l = risk.number_or("entropy_l", 0);
    policy.t = risk.number_or("t", 0);
    if (policy.l < 0 || policy.l == 1) risk.refuse("l", "expected 2 or more");
    if (policy.entropy_l != 0 && !(policy.entropy_l > 1 && std::isfinite(policy.entropy_l)))
        risk.refuse("entropy_l", "expected a number above 1");
    if (!(policy.t >= 0 && policy.t <= 1)) risk.refuse("t", "expected a number from 0 to 1");
    if (risk.has("recursive")) {
        const core::Config recursive = risk.table("recursive");
        policy.recursive_c = recursive.number("c");
        policy.recursive_l = recursive.integer("l");
        if (!(policy.recursive_c > 0 && std::isfinite(policy.recursive_c)))
            recursive.refuse("c", "expected a number above 0");
        if (policy.recursive_l < 2) recursive.refuse("l", "expected 2 or more");
    }
    policy.distance =
        one_of(risk, "distance", {"equal", "ordered"}) == "ordered" ? Distance::ordered : Distance::equal;
    if (policy.sensitive.empty() && policy.ask_for_sensitive())
        risk.refuse("sensitive", "l and t are measured over a column: name it");
    if (policy.sensitive.empty() && policy.distance == Distance::ordered)
        risk.refuse("distance", "is between values of the `sensitive` column: name it");
}

}  // namespace

int HierarchyRule::kinds() const noexcept {
    return (widths.empty() ? 0 : 1) + (dates.empty() ? 0 : 1) + (prefixes.empty() ? 0 : 1) +
           (parents.empty() ? 0 : 1);
}

bool HierarchyRule::join(const HierarchyRule& other) {
    const auto take = [](auto& mine, const auto& others) {
        if (mine.empty()) mine = others;
        return others.empty() || mine == others;
    };
    return take(widths, other.widths) && take(dates, other.dates) && take(prefixes, other.prefixes) &&
           take(parents, other.parents) && kinds() <= 1;
}

RiskPolicy read_risk(const core::Config& risk) {
    RiskPolicy policy;
    policy.quasi_identifiers = risk.texts("quasi_identifiers");
    policy.k = risk.integer("k");
    if (policy.k < 1) risk.refuse("k", "expected 1 or more");
    read_sensitive(risk, policy);
    policy.suppress = one_of(risk, "below", {"report", "suppress"}) == "suppress";
    if (!risk.has("hierarchies")) return policy;

    const core::Config hierarchies = risk.table("hierarchies");
    for (const std::string& column : hierarchies.keys()) {
        const auto& known = policy.quasi_identifiers;
        if (std::ranges::find(known, column) == known.end()) {
            const auto near = core::nearest(column, known);
            hierarchies.refuse(
                column, "none of `quasi_identifiers`" + (near ? "; did you mean \"" + *near + "\"?" : ""));
        }
        policy.hierarchies[column] = read_hierarchy(hierarchies.table(column));
    }
    policy.most_suppressed = risk.number_or("most_suppressed", 0);
    if (!(policy.most_suppressed >= 0 && policy.most_suppressed < 1))
        risk.refuse("most_suppressed", "expected a part of all patients, from 0 to below 1");
    policy.most_steps = risk.integer_or("most_steps", policy.most_steps);
    if (policy.most_steps < 1 || policy.most_steps > 1'000'000)
        risk.refuse("most_steps", "expected 1 to 1000000");
    if (!policy.generalises())
        risk.refuse("hierarchies", "names no quasi-identifier: [risk.hierarchies.NAME] makes NAME coarser");
    if (policy.generalises() && !policy.suppress)
        risk.refuse("below", "hierarchies are applied until all groups hold: expected \"suppress\"");
    return policy;
}

LinkPolicy read_linked(const core::Config& linked, const LinkPolicy& alone) {
    LinkPolicy policy = alone;
    if (one_of(linked, "by", {"identifiers", "columns"}) == "columns") policy.by = LinkedBy::columns;
    policy.k = linked.integer_or("k", alone.k);
    if (policy.k < 1) linked.refuse("k", "expected 1 or more");
    policy.l = linked.integer_or("l", alone.l);
    if (policy.l < 0 || policy.l == 1) linked.refuse("l", "expected 2 or more, or 0");
    policy.most_below = linked.number_or("most_below", 0);
    if (!(policy.most_below >= 0 && policy.most_below < 1))
        linked.refuse("most_below", "expected a part of all patients, from 0 to below 1");
    return policy;
}

}  // namespace staging
