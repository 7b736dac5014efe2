#include "trainer/loader/balance.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/base/error.h"
#include "trainer/loader/random.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

constexpr std::uint64_t kOfDraws = 0x4452415753;  // another stream than those of order and crops
constexpr int kBits = 20;                         // of the fraction of a group's share
constexpr std::int64_t kOne = std::int64_t{1} << kBits;

std::int64_t up(std::int64_t value, std::int64_t by) {
    return (value + by - 1) / by;
}

// Of each sample its categories' codes as one number, from the last column to the first: 0 is missing.
std::vector<std::uint64_t> keys_of(const Source& source, const std::vector<std::string>& columns,
                                   bool is_any_missing_none) {
    std::vector<std::uint64_t> keys(static_cast<std::size_t>(source.samples()), 0);
    std::vector<bool> is_none(is_any_missing_none ? keys.size() : 0, false);
    std::uint64_t base = 1;
    for (const std::string& column : columns) {
        const std::vector<std::int32_t> codes = source.codes(column);
        const core::Schema& schema = source.schema();
        for (std::size_t i = 0; i < keys.size(); ++i) {
            keys[i] += base * static_cast<std::uint64_t>(codes[i] + 1);
            if (is_any_missing_none && codes[i] == core::kMissingCategory) is_none[i] = true;
        }
        if (__builtin_mul_overflow(base, schema.columns[schema.column(column)].names.size() + 1, &base))
            source.refuse("balance: there are too many crossings of these categories");
    }
    for (std::size_t i = 0; i < is_none.size(); ++i)
        if (is_none[i]) keys[i] = 0;
    return keys;
}

}  // namespace

Draws::Draws(const Source& source, const BalanceOptions& options, std::int64_t per_sample, std::uint64_t seed)
    : seed_(seed), columns_(options.columns) {
    constexpr std::int64_t kMostDraws = std::int64_t{1} << 42;  // so that nothing overflows
    if (source.samples() > kMostDraws / per_sample / options.most_repeats)
        source.refuse("balance: an epoch of more than 2^42 draws");
    for (const auto& [column, weights] : options.weights) columns_.push_back(column);
    const std::vector<std::uint64_t> keys = keys_of(source, columns_, options.weights.empty());
    std::map<std::uint64_t, std::int64_t> found;
    for (const std::uint64_t key : keys) ++found[key];
    if (found.size() > std::numeric_limits<std::uint16_t>::max())
        source.refuse("balance: more than 65535 crossings of these categories have samples");
    for (const auto& [key, samples] : found) {
        BalanceGroup group;
        group.samples = samples;
        std::uint64_t rest = key;
        for (const std::string& column : columns_) {
            const auto& names = source.schema().columns[source.schema().column(column)].names;
            const std::size_t digit = rest % (names.size() + 1);
            rest /= names.size() + 1;
            group.names.push_back(digit == 0 ? "" : names[digit - 1]);
        }
        groups_.push_back(std::move(group));
        key_.push_back(key);
    }
    group_.reserve(keys.size());
    for (const std::uint64_t key : keys)
        group_.push_back(
            static_cast<std::uint16_t>(std::lower_bound(key_.begin(), key_.end(), key) - key_.begin()));
    if (options.weights.empty())
        share_evenly(source, options.most_repeats, per_sample);
    else
        weigh(source, options, per_sample);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
        groups_[g].draws = static_cast<double>(quota_[g]) / static_cast<double>(kOne);
        most_ = std::max(most_, up(up(quota_[g], kOne), groups_[g].samples));
    }
    begin_epoch(0);
}

// From the rarest group on: what one cannot take is left to those after it.
void Draws::share_evenly(const Source& source, std::int64_t most_repeats, std::int64_t per_sample) {
    quota_.resize(groups_.size());
    std::vector<std::size_t> order;
    std::int64_t rest = 0;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
        const std::int64_t own = groups_[g].samples * per_sample * kOne;
        total_ += groups_[g].samples * per_sample;
        if (key_[g] == 0) {
            quota_[g] = own;
        } else {
            order.push_back(g);
            rest += own;
        }
    }
    if (order.size() < 2)
        source.refuse(
            "balance.columns: fewer than two categories have samples in the split: there is nothing to "
            "balance. Take another column, or leave balance out");
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return groups_[a].samples < groups_[b].samples; });
    for (std::size_t i = 0; i < order.size(); ++i) {
        BalanceGroup& group = groups_[order[i]];
        const auto left = static_cast<std::int64_t>(order.size() - i);
        const std::int64_t most = group.samples * per_sample * most_repeats * kOne;
        group.is_capped = most < rest / left;
        quota_[order[i]] = std::min(most, rest / left);
        rest -= quota_[order[i]];
    }
}

void Draws::weigh(const Source& source, const BalanceOptions& options, std::int64_t per_sample) {
    for (const auto& [column, weights] : options.weights) {
        const auto& names = source.schema().columns[source.schema().column(column)].names;
        for (const auto& [category, weight] : weights)
            if (std::find(names.begin(), names.end(), category) == names.end()) {
                const auto near = core::nearest(category, names);
                source.refuse("balance.weights." + column + ": a weight is for no category of this column" +
                              (near ? ": did you mean \"" + *near + "\"?" : ""));
            }
    }
    std::int64_t sum = 0;
    for (const BalanceGroup& group : groups_) {
        double weight = 1;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const auto& weights = options.weights.at(columns_[i]);
            if (const auto found = weights.find(group.names[i]); found != weights.end())
                weight *= found->second;
        }
        if (weight > static_cast<double>(options.most_repeats))
            source.refuse("balance.weights: the product of the weights of a sample is over most_repeats");
        quota_.push_back(std::llround(weight * static_cast<double>(group.samples * per_sample * kOne)));
        sum += quota_.back();
    }
    if (sum == 0) source.refuse("balance.weights: they leave no sample in an epoch");
    // An epoch has whole draws: what is missing to the last is added to the fractions of the largest shares, to none
    // more than makes it whole, so that no sample comes more often than its weight rounded up. There is room: all
    // fractions rounded up are at least their sum rounded up.
    total_ = up(sum, kOne);
    std::int64_t missing = total_ * kOne - sum;
    std::vector<std::size_t> order(groups_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return quota_[a] > quota_[b]; });
    for (const std::size_t g : order) {
        const std::int64_t more = std::min(missing, up(quota_[g], kOne) * kOne - quota_[g]);
        quota_[g] += more;
        missing -= more;
    }
}

void Draws::begin_epoch(std::int64_t epoch) {
    const auto stream = [&](std::uint64_t number) {
        return Random(seed_ ^ kOfDraws, static_cast<std::uint64_t>(epoch), number);
    };
    auto before = static_cast<std::int64_t>(stream(0).below(kOne));
    std::vector<std::int64_t> left, extra;
    std::vector<Random> random;
    times_.clear();
    for (std::size_t g = 0; g < groups_.size(); ++g) {
        const std::int64_t after = before + quota_[g], draws = after / kOne - before / kOne;
        before = after;
        left.push_back(groups_[g].samples);
        times_.push_back(draws / left[g]);
        extra.push_back(draws % left[g]);
        random.push_back(stream(key_[g] + 1));
    }
    is_extra_.assign(group_.size(), false);
    for (std::size_t i = 0; i < group_.size(); ++i) {
        const std::size_t g = group_[i];
        const auto wanted = static_cast<std::uint64_t>(extra[g]);
        if (wanted > 0 && random[g].below(static_cast<std::uint64_t>(left[g])) < wanted) {
            is_extra_[i] = true;
            --extra[g];
        }
        --left[g];
    }
}

std::vector<Block> Draws::blocks(const Source& source, std::int64_t most) const {
    std::vector<Block> out;
    for (std::size_t shard = 0; shard < source.shards(); ++shard) {
        std::vector<Block> open;  // of each how many-th draw the one that is being filled
        for (std::int64_t i = 0; i < source.samples(shard); ++i) {
            const std::int64_t times = of(source.first(shard) + i);
            for (std::int64_t which = 0; which < times; ++which) {
                const auto at = static_cast<std::size_t>(which);
                if (at == open.size()) open.emplace_back();
                Block& block = open[at];
                if (block.count == 0)
                    block = {static_cast<std::uint32_t>(shard), i, 0, static_cast<std::uint32_t>(which)};
                if (++block.count < most) continue;
                out.push_back(block);
                block.count = 0;
            }
        }
        for (const Block& block : open)
            if (block.count > 0) out.push_back(block);
    }
    return out;
}

nlohmann::ordered_json to_json(const Draws& draws) {
    auto out = nlohmann::ordered_json::array();
    for (const BalanceGroup& group : draws.groups()) {
        nlohmann::ordered_json one, names;
        for (std::size_t i = 0; i < group.names.size(); ++i)
            names[draws.columns()[i]] =
                group.names[i].empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(group.names[i]);
        one["categories"] = std::move(names);
        one["samples"] = group.samples;
        one["draws"] = group.draws;
        one["capped"] = group.is_capped;
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace trainer
