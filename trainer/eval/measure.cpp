#include "trainer/eval/measure.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trainer {
namespace {

// The mean of what is defined.
class Mean {
public:
    void add(std::optional<double> value) {
        if (value) sum_ += *value, ++count_;
    }
    std::optional<double> value() const { return count_ ? std::optional(sum_ / count_) : std::nullopt; }

private:
    double sum_ = 0, count_ = 0;
};

std::optional<double> ratio(double part, double whole) {
    return whole > 0 ? std::optional(part / whole) : std::nullopt;
}

}  // namespace

Measurer::Measurer(const Predictions& predictions, std::vector<std::size_t> samples, std::int32_t positive,
                   std::int64_t bins, Ranks ranks)
    : predictions_(predictions),
      samples_(std::move(samples)),
      bin_count_(static_cast<std::size_t>(bins)),
      targets_(predictions.classes.size()) {
    const std::size_t classes = predictions.classes.size();
    const bool is_binary = classes == 2;
    std::iota(targets_.begin(), targets_.end(), std::size_t{0});
    if (is_binary) targets_ = {static_cast<std::size_t>(positive)};
    bool all_finite = true;
    for (const std::size_t i : samples_) {
        const float* row = predictions.probability.data() + i * classes;
        const auto truth = static_cast<std::size_t>(predictions.label[i]);
        const bool finite = std::all_of(row, row + classes, [](float p) { return std::isfinite(p); });
        all_finite = all_finite && finite;
        const std::size_t guess =
            finite ? static_cast<std::size_t>(std::max_element(row, row + classes) - row) : 0;
        guess_.push_back(finite ? static_cast<std::int32_t>(guess) : -1);
        // Probabilities below 1e-12 count as that.
        loss_.push_back(-std::log(std::max(static_cast<double>(row[truth]), 1e-12)));
        double brier = 0;
        for (const std::size_t target : targets_) {
            const double off = static_cast<double>(row[target]) - (truth == target);
            brier += off * off;
        }
        brier_.push_back(brier);
        const std::size_t seen = is_binary ? targets_[0] : guess;
        const double predicted = finite ? static_cast<double>(row[seen]) : 0;
        predicted_.push_back(predicted);
        observed_.push_back(truth == seen);
        const double place = std::clamp(predicted, 0.0, 1.0) * static_cast<double>(bin_count_);
        bin_.push_back(
            finite ? static_cast<std::int32_t>(std::min(static_cast<std::size_t>(place), bin_count_ - 1))
                   : -1);
    }
    // What is not a number has no place in an order: the sort would be undefined, and no two of them tie.
    if (!all_finite || ranks == Ranks::none) return;
    for (std::size_t target = 0; target < classes; ++target)
        if (ranks == Ranks::all || std::find(targets_.begin(), targets_.end(), target) != targets_.end())
            rank(target);
}

void Measurer::rank(std::size_t target) {
    const std::size_t classes = predictions_.classes.size();
    const auto score = [&](std::size_t k) {
        return predictions_.probability[samples_[k] * classes + target];
    };
    Ranked out{target, std::vector<std::size_t>(samples_.size()), {}};
    std::iota(out.order.begin(), out.order.end(), std::size_t{0});
    std::stable_sort(out.order.begin(), out.order.end(),
                     [&](std::size_t a, std::size_t b) { return score(a) > score(b); });
    for (std::size_t k = 0; k < out.order.size(); ++k)
        out.ties.push_back(k > 0 && score(out.order[k]) == score(out.order[k - 1]));
    ranked_.push_back(std::move(out));
}

// AUROC: pairs of a positive and a negative that are in the right order, ties by half (Mann and Whitney 1947).
// AUPRC: average precision, the precision at each threshold weighted by the recall that it adds.
void Measurer::add_ranks(const std::vector<std::uint32_t>& times, Measures& out) const {
    for (const Ranked& each : ranked_) {
        double positives = 0, negatives = 0, won = 0, precision = 0;  // of those above
        double tied_positives = 0, tied_negatives = 0;
        const auto close = [&] {
            won += tied_negatives * (positives + tied_positives / 2);
            positives += tied_positives;
            negatives += tied_negatives;
            if (tied_positives > 0) precision += tied_positives * (positives / (positives + negatives));
            tied_positives = tied_negatives = 0;
        };
        for (std::size_t k = 0; k < each.order.size(); ++k) {
            if (!each.ties[k]) close();
            const std::size_t i = samples_[each.order[k]];
            const bool is_target = static_cast<std::size_t>(predictions_.label[i]) == each.target;
            (is_target ? tied_positives : tied_negatives) += times[i];
        }
        close();
        ClassMeasures& of = out.by_class[each.target];
        of.auroc = ratio(won, positives * negatives);
        of.auprc = ratio(precision, positives);
    }
}

std::vector<Measurer::Bin> Measurer::bins(const std::vector<std::uint32_t>& times) const {
    std::vector<Bin> out(bin_count_);
    for (std::size_t k = 0; k < samples_.size(); ++k) {
        if (bin_[k] < 0) continue;
        Bin& bin = out[static_cast<std::size_t>(bin_[k])];
        const double count = times[samples_[k]];
        bin.samples += count;
        bin.predicted += count * predicted_[k];
        bin.observed += observed_[k] ? count : 0;
    }
    return out;
}

Measures Measurer::of(const std::vector<std::uint32_t>& times) const {
    const std::size_t classes = predictions_.classes.size();
    Measures out;
    out.confusion.assign(classes, std::vector<std::int64_t>(classes, 0));
    out.by_class.resize(classes);
    double loss = 0, brier = 0;
    std::vector<double> occurs(classes, 0), guessed(classes, 0);  // samples of each true, of each said class
    for (std::size_t k = 0; k < samples_.size(); ++k) {
        const std::uint32_t count = times[samples_[k]];
        if (count == 0) continue;
        const auto truth = static_cast<std::size_t>(predictions_.label[samples_[k]]);
        out.samples += count;
        occurs[truth] += count;
        if (guess_[k] < 0) {
            out.unscored += count;
            continue;
        }
        loss += count * loss_[k];
        brier += count * brier_[k];
        guessed[static_cast<std::size_t>(guess_[k])] += count;
        out.confusion[truth][static_cast<std::size_t>(guess_[k])] += count;
    }
    const auto all = static_cast<double>(out.samples);
    if (out.unscored == 0 && out.samples > 0) {
        out.loss = loss / all;
        out.brier = brier / all;
        double off = 0;
        for (const Bin& bin : bins(times)) off += std::abs(bin.predicted - bin.observed);
        out.ece = off / all;
        add_ranks(times, out);
    }
    double right = 0;
    Mean recall;
    for (std::size_t c = 0; c < classes; ++c) {
        const auto found = static_cast<double>(out.confusion[c][c]);
        ClassMeasures& of = out.by_class[c];
        right += found;
        of.sensitivity = ratio(found, occurs[c]);
        of.precision = ratio(found, guessed[c]);
        of.f1 = ratio(2 * found, occurs[c] + guessed[c]);
        // What has no score is not recognised: it counts as a false alarm of every other class.
        double unscored = static_cast<double>(out.unscored) - occurs[c];
        for (std::size_t said = 0; said < classes; ++said)
            unscored += static_cast<double>(out.confusion[c][said]);
        if (const auto alarms = ratio(guessed[c] - found + unscored, all - occurs[c]))
            of.specificity = 1 - *alarms;
        recall.add(of.sensitivity);
    }
    out.accuracy = right / all;
    out.balanced_accuracy = recall.value();
    Mean auroc, auprc, sensitivity, specificity, f1;
    for (const std::size_t target : targets_) {
        const ClassMeasures& of = out.by_class[target];
        auroc.add(of.auroc);
        auprc.add(of.auprc);
        sensitivity.add(of.sensitivity);
        specificity.add(of.specificity);
        f1.add(of.f1);
    }
    out.auroc = auroc.value();
    out.auprc = auprc.value();
    out.sensitivity = sensitivity.value();
    out.specificity = specificity.value();
    out.f1 = f1.value();
    return out;
}

Measures Measurer::once() const {
    return of(std::vector<std::uint32_t>(predictions_.samples(), 1));
}

}  // namespace trainer
