#include "staging/report/drift.h"

#include <fmt/format.h>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "core/base/statistics.h"
#include "staging/report/published.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kFewestExpected = 5;

using Why = Drift::Why;

struct Found {
    double effect = 0, p = 1;
    Why not_compared = Why::compared;
};

// A statistic that has no value is NaN, and no exception.
namespace policies = boost::math::policies;
using Quiet = policies::policy<
    policies::domain_error<policies::ignore_error>, policies::pole_error<policies::ignore_error>,
    policies::overflow_error<policies::ignore_error>, policies::evaluation_error<policies::ignore_error>>;

Found checked(double effect, double p) {
    if (std::isnan(effect) || std::isnan(p)) return {0, 1, Why::not_finite};
    return {effect, std::clamp(p, 0.0, 1.0)};
}

Found compare(const core::Moments& one, const core::Moments& rest) {
    if (one.count < kFewest || rest.count < kFewest) return {0, 1, Why::few};
    const auto n1 = static_cast<double>(one.count), n2 = static_cast<double>(rest.count);
    const double apart = std::abs(one.mean - rest.mean);
    const double v1 = one.squares / (n1 - 1) / n1, v2 = rest.squares / (n2 - 1) / n2;
    const double pooled = std::sqrt((one.squares + rest.squares) / (n1 + n2 - 2));
    if (!std::isfinite(apart) || !std::isfinite(pooled)) return {0, 1, Why::not_finite};
    if (apart == 0) return {};
    if (pooled == 0 || v1 + v2 == 0) return {std::numeric_limits<double>::infinity(), 0};
    const double part1 = v1 / (v1 + v2), part2 = v2 / (v1 + v2);
    const double degrees = 1 / (part1 * part1 / (n1 - 1) + part2 * part2 / (n2 - 1));
    const double t = apart / std::sqrt(v1 + v2);
    if (std::isinf(t)) return checked(apart / pooled, 0);
    const boost::math::students_t_distribution<double, Quiet> distribution(degrees);
    return checked(apart / pooled, 2 * boost::math::cdf(boost::math::complement(distribution, t)));
}

using Row = std::pair<double, double>;  // of a category: samples of the site, of the others

Row sum_of(const std::vector<Row>& counts) {
    Row out{0, 0};
    for (const auto& [mine, others] : counts) out.first += mine, out.second += others;
    return out;
}

double chi_squared(const std::vector<Row>& counts) {
    const auto [one, rest] = sum_of(counts);
    double squared = 0;
    for (const auto& [mine, others] : counts) {
        const double expected = (mine + others) * one / (one + rest), other = mine + others - expected;
        squared +=
            (mine - expected) * (mine - expected) / expected + (others - other) * (others - other) / other;
    }
    return squared;
}

// 1 where a margin is empty: there is nothing to tell apart.
double chi_squared_p(const std::vector<Row>& counts) {
    const auto [one, rest] = sum_of(counts);
    if (counts.size() < 2 || one == 0 || rest == 0) return 1;
    const boost::math::chi_squared_distribution<double, Quiet> distribution(
        static_cast<double>(counts.size() - 1));
    return boost::math::cdf(boost::math::complement(distribution, chi_squared(counts)));
}

// Fisher's exact test of some samples of all, each side doubled. NaN: more samples than the distribution counts.
double exact_p(const Row& some, const Row& all) {
    const double samples = all.first + all.second;
    if (samples > std::numeric_limits<unsigned>::max()) return std::numeric_limits<double>::quiet_NaN();
    const auto drawn = static_cast<unsigned>(some.first + some.second),
               mine = static_cast<unsigned>(all.first), found = static_cast<unsigned>(some.first);
    const boost::math::hypergeometric_distribution<double, Quiet> distribution(
        drawn, mine, static_cast<unsigned>(samples));
    const auto others = static_cast<unsigned>(all.second);
    const unsigned least = drawn > others ? drawn - others : 0;
    const double as_few = boost::math::cdf(distribution, found);
    const double as_many =
        found == least ? 1 : boost::math::cdf(boost::math::complement(distribution, found - 1));
    return std::min(1.0, 2 * std::min(as_few, as_many));
}

// Null: one category, so nothing to compare.
std::optional<Found> compare(std::vector<Row> counts) {
    std::erase_if(counts, [](const Row& one) { return one.first + one.second == 0; });
    const Row all = sum_of(counts);
    if (all.first < static_cast<double>(kFewest) || all.second < static_cast<double>(kFewest))
        return Found{0, 1, Why::few};
    if (counts.size() < 2) return {};
    const double share = all.first / (all.first + all.second), least = std::min(share, 1 - share);
    std::vector<Row> kept, rare;
    for (const Row& one : counts)
        ((one.first + one.second) * least < kFewestExpected ? rare : kept).push_back(one);
    if (kept.empty()) return Found{0, 1, Why::all_rare};
    const auto effect_of = [&](const std::vector<Row>& rows) {
        return std::sqrt(chi_squared(rows) / (all.first + all.second));
    };
    if (rare.empty()) return checked(effect_of(kept), chi_squared_p(kept));
    const Row together = sum_of(rare);
    std::vector<Row> rows = kept;
    rows.push_back(together);
    if ((together.first + together.second) * least >= kFewestExpected)
        return checked(effect_of(rows), chi_squared_p(rows));
    const double exact = exact_p(together, all);
    return checked(effect_of(rows), kept.size() < 2 ? exact : 2 * std::min(exact, chi_squared_p(kept)));
}

}  // namespace

std::vector<Drift> drift_of(const Quality& quality) {
    std::vector<Drift> out;
    const auto add = [&](const std::string& what, const std::string& site, Drift::Kind kind, double samples,
                         const std::optional<Found>& found) {
        if (found)
            out.push_back({what, site, kind, static_cast<std::int64_t>(samples), found->effect, found->p, 1,
                           found->not_compared});
    };
    for (const auto& [what, sites] : quality.per_sample) {
        if (sites.size() < 2) continue;
        for (const auto& [site, mine] : sites) {
            core::Moments rest;
            for (const auto& [other, moments] : sites)
                if (other != site) rest.merge(moments);
            add(what, site, Drift::Kind::number, static_cast<double>(mine.count), compare(mine, rest));
            if (mine.missing + rest.missing == 0) continue;
            add(what + " (missing)", site, Drift::Kind::missing,
                static_cast<double>(mine.count + mine.missing),
                compare({{static_cast<double>(mine.count), static_cast<double>(rest.count)},
                         {static_cast<double>(mine.missing), static_cast<double>(rest.missing)}}));
        }
    }
    for (const auto& [what, sites] : quality.categories) {
        if (sites.size() < 2 || what == "site" || what == "split") continue;  // of themselves, and by chance
        std::map<std::string, double> all;
        for (const auto& [site, counts] : sites)
            for (const auto& [category, count] : counts) all[category] += static_cast<double>(count);
        for (const auto& [site, counts] : sites) {
            std::vector<Row> rows;
            double samples = 0;
            for (const auto& [category, count] : all) {
                const auto found = counts.find(category);
                const double mine = found == counts.end() ? 0 : static_cast<double>(found->second);
                rows.emplace_back(mine, count - mine);
                samples += mine;
            }
            add(what, site, Drift::Kind::category, samples, compare(rows));
        }
    }
    std::vector<double> p;
    for (const Drift& one : out)
        if (one.not_compared == Why::compared) p.push_back(one.p);
    const std::vector<double> adjusted = core::holm(p);
    auto next = adjusted.begin();
    for (Drift& one : out)
        if (one.not_compared == Why::compared) one.adjusted = *next++;
    return out;
}

Json to_json(const std::vector<Drift>& drift) {
    auto out = Json::array();
    const auto two_digits = [](double value) {  // strtod: a probability may be subnormal
        return std::isfinite(value) ? Json(std::strtod(fmt::format("{:.2g}", value).c_str(), nullptr))
                                    : Json();
    };
    constexpr const char* kKinds[] = {"number", "category", "missing"};
    constexpr const char* kWhy[] = {"", kFewSamples, "numbers too large", "every category is rare"};
    for (const Drift& one : drift) {
        const bool is_compared = one.not_compared == Why::compared;
        out.push_back({{"what", one.what},
                       {"site", one.site},
                       {"kind", kKinds[static_cast<int>(one.kind)]},
                       {"samples", one.samples},
                       {"effect", is_compared ? two_digits(one.effect) : Json()},
                       {"p", is_compared ? two_digits(one.p) : Json()},
                       {"p_adjusted", is_compared ? two_digits(one.adjusted) : Json()}});
        if (!is_compared) out.back()["not_compared"] = kWhy[static_cast<int>(one.not_compared)];
    }
    return out;
}

}  // namespace staging
