#include "trainer/eval/calibrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trainer {
namespace {

constexpr int kSteps = 1000;  // of thresholds: finer ones would tell what the model said of a single sample

// Logarithms of a sample's probabilities, as losses have them.
std::vector<double> logarithms(const Predictions& predictions, std::size_t sample) {
    std::vector<double> out;
    const std::size_t classes = predictions.classes.size();
    for (std::size_t c = 0; c < classes; ++c)
        out.push_back(
            std::log(std::max(static_cast<double>(predictions.probability[sample * classes + c]), 1e-12)));
    return out;
}

// exp(beta x), to sum 1.
std::vector<double> softmax(std::vector<double> x, double beta) {
    const double greatest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (double& each : x) sum += each = std::exp(beta * (each - greatest));
    for (double& each : x) each /= sum;
    return x;
}

}  // namespace

std::optional<double> fit_temperature(const Predictions& predictions) {
    if (predictions.samples() == 0 ||
        !std::all_of(predictions.probability.begin(), predictions.probability.end(),
                     [](float p) { return std::isfinite(p); }))
        return std::nullopt;
    std::vector<std::vector<double>> logs;
    for (std::size_t i = 0; i < predictions.samples(); ++i) logs.push_back(logarithms(predictions, i));
    // Of the loss by beta = 1 / T, in which it is convex.
    const auto slope = [&](double beta) {
        double sum = 0;
        for (std::size_t i = 0; i < logs.size(); ++i) {
            const auto p = softmax(logs[i], beta);
            sum += std::inner_product(p.begin(), p.end(), logs[i].begin(), 0.0) -
                   logs[i][static_cast<std::size_t>(predictions.label[i])];
        }
        return sum;
    };
    double low = std::log(0.01), high = std::log(100.0);
    for (int i = 0; i < 50; ++i) {
        const double middle = (low + high) / 2;
        (slope(std::exp(middle)) < 0 ? low : high) = middle;
    }
    return std::exp(-(low + high) / 2);
}

Predictions scaled(const Predictions& predictions, double temperature) {
    Predictions out = predictions;
    const std::size_t classes = predictions.classes.size();
    for (std::size_t i = 0; i < predictions.samples(); ++i) {
        float* row = out.probability.data() + i * classes;
        if (!std::all_of(row, row + classes, [](float p) { return std::isfinite(p); })) continue;
        const auto p = softmax(logarithms(predictions, i), 1 / temperature);
        std::transform(p.begin(), p.end(), row, [](double x) { return static_cast<float>(x); });
    }
    return out;
}

std::optional<double> threshold_of(const Point& point, const Predictions& predictions,
                                   std::int32_t positive) {
    if (point.by == Point::By::threshold) return point.value;
    const bool of_positives = point.by == Point::By::sensitivity;
    std::vector<float> scores;  // of those that the point speaks of
    double all = 0;
    for (std::size_t i = 0; i < predictions.samples(); ++i) {
        if ((predictions.label[i] == positive) != of_positives) continue;
        ++all;
        const float p = predictions.probability[2 * i + static_cast<std::size_t>(positive)];
        if (std::isfinite(p)) scores.push_back(p);
    }
    if (scores.empty()) return std::nullopt;
    std::sort(scores.begin(), scores.end());
    for (int step = 0; step <= kSteps; ++step) {
        const double threshold = static_cast<double>(of_positives ? kSteps - step : step) / kSteps;
        const auto below = static_cast<double>(
            std::partition_point(scores.begin(), scores.end(),
                                 [&](float score) { return !reaches(score, threshold); }) -
            scores.begin());
        if ((of_positives ? static_cast<double>(scores.size()) - below : below) >= point.value * all - 1e-9)
            return threshold;
    }
    return std::nullopt;
}

Chosen choose(const EvaluateOptions& options, std::int32_t positive, const Predictions* validation) {
    Chosen out;
    if (validation && options.temperature) out.temperature = fit_temperature(*validation);
    for (const Point& point : options.points)
        out.thresholds.push_back(point.by == Point::By::threshold ? std::optional(point.value)
                                 : validation                     ? threshold_of(point, *validation, positive)
                                                                  : std::nullopt);
    return out;
}

}  // namespace trainer
