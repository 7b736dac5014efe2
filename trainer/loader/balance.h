#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/base/config.h"
#include "trainer/loader/sampler.h"
#include "trainer/loader/source.h"

namespace trainer {

// A group of samples that come equally often: those of one category, or of one crossing of categories.
struct BalanceGroup {
    std::vector<std::string> names;  // of Draws::columns, "" missing; of balance: all "" where any is missing
    std::int64_t samples = 0;        // of the split
    double draws = 0;                // of an epoch, on average
    bool is_capped = false;          // it would come more often, were it not for most_repeats
};

// How often an epoch has each sample of a split, by [balance]. A group's share of the epoch is dealt to its samples
// evenly, each once more or less than the next, and who comes once more is drawn without replacement in one pass over
// the samples (Fan, Muller and Rezucha 1962; Knuth, TAOCP 2, 3.4.2, algorithm S); a share that is no whole number is
// rounded up or down for the epoch, all together by one random start (systematic sampling: Madow 1949). So a sample of
// weight w comes floor(w) or ceil(w) times, and every epoch has the same number of draws. On average over epochs it comes
// w times, but that the one draw that fractions of weights leave open is the largest groups'. All is a function of
// (split, seed, epoch). Memory: 2 bytes and a bit for each sample of the split; 8 bytes and a bit more, and 4 of the
// column that is being read, while it is made; and in an epoch its blocks (Sampler), as many more as draws repeat.
//   balance: an epoch is as long as without it, each group has the same share of it, but no sample comes more than
//     `most_repeats` times as often as without: what a group cannot take the others share. A category without samples
//     takes no part. Samples of which a category is missing are no group to balance, and come as often as without.
//   weights: the epoch is as long as the weights make it.
class Draws {
public:
    // Reads the columns of the whole split. Throws Error(usage) if a column is not there, holds no categories, or a
    // weight is for a category that it does not know; if there are fewer than two groups to balance or more than 65535
    // groups, or no draw is left.
    // `per_sample`: how often an epoch has each sample without balance.
    Draws(const Source& source, const BalanceOptions& options, std::int64_t per_sample, std::uint64_t seed);

    std::int64_t samples() const noexcept { return total_; }  // draws of an epoch: of every one
    std::int64_t most() const noexcept { return most_; }      // of one sample in an epoch
    const std::vector<std::string>& columns() const noexcept { return columns_; }
    const std::vector<BalanceGroup>& groups() const noexcept { return groups_; }

    void begin_epoch(std::int64_t epoch);
    // Of this epoch; `sample` counts through the split in stored order.
    std::int64_t of(std::int64_t sample) const {
        const auto at = static_cast<std::size_t>(sample);
        return times_[group_[at]] + (is_extra_[at] ? 1 : 0);
    }
    // Of this epoch: a sample's first draws lie in blocks as they do without balance, further ones in blocks of their
    // own, so that they come elsewhere in the epoch. At most `most` draws in each.
    std::vector<Block> blocks(const Source& source, std::int64_t most) const;

private:
    void share_evenly(const Source& source, std::int64_t most_repeats, std::int64_t per_sample);
    void weigh(const Source& source, const BalanceOptions& options, std::int64_t per_sample);

    const std::uint64_t seed_;
    std::vector<std::string> columns_;
    std::vector<std::uint16_t> group_;  // of each sample
    std::vector<std::uint64_t> key_;    // of each group: its categories' codes, as one number
    std::vector<BalanceGroup> groups_;
    std::vector<std::int64_t> quota_;  // of each group: draws of an epoch in 2^-20
    std::int64_t total_ = 0, most_ = 1;
    std::vector<std::int64_t> times_;  // of this epoch, of each group: at least
    std::vector<bool> is_extra_;       // of each sample: once more
};

// [{"categories": {COLUMN: CATEGORY | null}, "samples", "draws", "capped"}]
nlohmann::ordered_json to_json(const Draws& draws);

}  // namespace trainer
