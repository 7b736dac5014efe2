#include "staging/report/drift.h"

#include <fmt/format.h>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <optional>

#include "core/base/statistics.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kFewest = 10;  // as the manifest publishes counts
constexpr double kFewestExpected = 5;

struct Found {
    double effect, p;
};

std::optional<Found> compare(const core::Moments& one, const core::Moments& rest) {
    if (one.count < kFewest || rest.count < kFewest) return {};
    const auto n1 = static_cast<double>(one.count), n2 = static_cast<double>(rest.count);
    const double apart = std::abs(one.mean - rest.mean);
    const double v1 = one.squares / (n1 - 1) / n1, v2 = rest.squares / (n2 - 1) / n2;
    const double pooled = std::sqrt((one.squares + rest.squares) / (n1 + n2 - 2));
    if (!std::isfinite(apart) || !std::isfinite(pooled)) return {};
    if (apart == 0) return Found{0, 1};
    if (pooled == 0) return Found{std::numeric_limits<double>::infinity(), 0};
    const double degrees = (v1 + v2) * (v1 + v2) / (v1 * v1 / (n1 - 1) + v2 * v2 / (n2 - 1));
    const double t = apart / std::sqrt(v1 + v2);
    if (!std::isfinite(degrees) || !std::isfinite(t)) return {};
    const boost::math::students_t distribution(degrees);
    return Found{apart / pooled, 2 * boost::math::cdf(boost::math::complement(distribution, t))};
}

using Row = std::pair<double, double>;  // of a category: samples of the site, of the others

std::optional<Found> compare(const std::vector<Row>& counts) {
    double one = 0, rest = 0;
    for (const auto& [mine, others] : counts) one += mine, rest += others;
    if (one < static_cast<double>(kFewest) || rest < static_cast<double>(kFewest)) return {};
    const double share = one / (one + rest), least = std::min(share, 1 - share);
    std::vector<Row> kept;
    Row rare{0, 0};
    for (const auto& [mine, others] : counts)
        if ((mine + others) * least < kFewestExpected)
            rare.first += mine, rare.second += others;
        else
            kept.emplace_back(mine, others);
    // Together they may still be rare: then they go with nothing, and their samples are not compared.
    if ((rare.first + rare.second) * least >= kFewestExpected) kept.push_back(rare);
    if (kept.size() < 2) return {};
    one = rest = 0;
    for (const auto& [mine, others] : kept) one += mine, rest += others;
    double squared = 0;
    for (const auto& [mine, others] : kept) {
        const double expected = (mine + others) * one / (one + rest), other = mine + others - expected;
        squared +=
            (mine - expected) * (mine - expected) / expected + (others - other) * (others - other) / other;
    }
    const boost::math::chi_squared distribution(static_cast<double>(kept.size() - 1));
    return Found{std::sqrt(squared / (one + rest)),
                 boost::math::cdf(boost::math::complement(distribution, squared))};
}

}  // namespace

std::vector<Drift> drift_of(const Quality& quality) {
    std::vector<Drift> out;
    const auto add = [&](const std::string& what, const std::string& site, Drift::Kind kind, double samples,
                         const std::optional<Found>& found) {
        if (found)
            out.push_back({what, site, kind, static_cast<std::int64_t>(samples), found->effect, found->p, 1});
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
    for (const Drift& one : out) p.push_back(one.p);
    const std::vector<double> adjusted = core::holm(p);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].adjusted = adjusted[i];
    return out;
}

Json to_json(const std::vector<Drift>& drift) {
    auto out = Json::array();
    const auto two_digits = [](double value) {
        return std::isfinite(value) ? Json(std::stod(fmt::format("{:.2g}", value))) : Json();
    };
    for (const Drift& one : drift)
        out.push_back({{"what", one.what},
                       {"site", one.site},
                       {"kind", one.kind == Drift::Kind::number     ? "number"
                                : one.kind == Drift::Kind::category ? "category"
                                                                    : "missing"},
                       {"samples", one.samples},
                       {"effect", two_digits(one.effect)},
                       {"p", two_digits(one.p)},
                       {"p_adjusted", two_digits(one.adjusted)}});
    return out;
}

}  // namespace staging
